"""Hugging Face names of a GGUF file's tensors, and what llama.cpp changes as it writes them, undone and done.

It changes rows of query and key (Llama), weights of norms (Gemma) and transposed matrices (GPT-2):
https://github.com/ggml-org/llama.cpp, conversion/.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

import numpy as np

EMBEDDING, OUTPUT = "token_embd", "output"

Names = Mapping[str, str]  # without "weight" or "bias", "blk.{}" for each layer


class Heads(Protocol):
    """The sizes that changes depend on."""

    @property
    def heads(self) -> int:
        """Heads of attention."""

    @property
    def key_heads(self) -> int:
        """Heads of keys and values."""


Change = Callable[[np.ndarray, Heads], np.ndarray]
Changes = Mapping[str, Change]  # by the last part of a tensor's name in the file

# Changes.


def _rotary_halves(values: np.ndarray, heads: int) -> np.ndarray:
    """Put the halves of each head one behind the other: llama.cpp keeps the two numbers of a rotation side by side.

    A model with the rows in the other order talks nonsense, and nothing complains.
    """
    pairs = values.reshape(heads, values.shape[0] // heads // 2, 2, *values.shape[1:])
    return pairs.swapaxes(1, 2).reshape(values.shape)


def _rotary_pairs(values: np.ndarray, heads: int) -> np.ndarray:
    """Put the two numbers of each rotation side by side: the inverse of `_rotary_halves`."""
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return halves.swapaxes(1, 2).reshape(values.shape)


def _query(values: np.ndarray, model: Heads) -> np.ndarray:
    return _rotary_halves(values, model.heads)


def _key(values: np.ndarray, model: Heads) -> np.ndarray:
    return _rotary_halves(values, model.key_heads)


def _less_one(values: np.ndarray, model: Heads) -> np.ndarray:
    return values.astype(np.float32) - 1


def _transposed(values: np.ndarray, model: Heads) -> np.ndarray:
    return values.T


ROTARY = {"attn_q.weight": _query, "attn_q.bias": _query, "attn_k.weight": _key, "attn_k.bias": _key}
OFFSET_NORMS = dict.fromkeys(
    (
        "attn_norm.weight",
        "ffn_norm.weight",
        "post_attention_norm.weight",
        "post_ffw_norm.weight",
        "attn_q_norm.weight",
        "attn_k_norm.weight",
        "output_norm.weight",
    ),
    _less_one,
)
TRANSPOSED = dict.fromkeys(("attn_qkv.weight", "attn_output.weight", "ffn_up.weight", "ffn_down.weight"), _transposed)


def _query_pairs(values: np.ndarray, model: Heads) -> np.ndarray:
    return _rotary_pairs(values, model.heads)


def _key_pairs(values: np.ndarray, model: Heads) -> np.ndarray:
    return _rotary_pairs(values, model.key_heads)


def _plus_one(values: np.ndarray, model: Heads) -> np.ndarray:
    return values + 1


_INVERSE: Mapping[Change, Change] = {
    _query: _query_pairs,
    _key: _key_pairs,
    _less_one: _plus_one,
    _transposed: _transposed,
}


def inverse(changes: Changes) -> Changes:
    """Return what llama.cpp does to tensors whose `changes` undo it."""
    return {part: _INVERSE[change] for part, change in changes.items()}


# Names.

_LAYERS = "model.layers.{}"
ENDS = {EMBEDDING: "model.embed_tokens", "output_norm": "model.norm", OUTPUT: "lm_head"}
ATTENTION = {
    "blk.{}.attn_q": f"{_LAYERS}.self_attn.q_proj",
    "blk.{}.attn_k": f"{_LAYERS}.self_attn.k_proj",
    "blk.{}.attn_v": f"{_LAYERS}.self_attn.v_proj",
    "blk.{}.attn_output": f"{_LAYERS}.self_attn.o_proj",
}
NORMED_ATTENTION = ATTENTION | {
    "blk.{}.attn_q_norm": f"{_LAYERS}.self_attn.q_norm",
    "blk.{}.attn_k_norm": f"{_LAYERS}.self_attn.k_norm",
}
GATED = {
    "blk.{}.ffn_gate": f"{_LAYERS}.mlp.gate_proj",
    "blk.{}.ffn_up": f"{_LAYERS}.mlp.up_proj",
    "blk.{}.ffn_down": f"{_LAYERS}.mlp.down_proj",
}
TWO_NORMS = {
    "blk.{}.attn_norm": f"{_LAYERS}.input_layernorm",
    "blk.{}.ffn_norm": f"{_LAYERS}.post_attention_layernorm",
}
FOUR_NORMS = {
    "blk.{}.attn_norm": f"{_LAYERS}.input_layernorm",
    "blk.{}.post_attention_norm": f"{_LAYERS}.post_attention_layernorm",
    "blk.{}.ffn_norm": f"{_LAYERS}.pre_feedforward_layernorm",
    "blk.{}.post_ffw_norm": f"{_LAYERS}.post_feedforward_layernorm",
}
LLAMA_NAMES = ENDS | ATTENTION | GATED | TWO_NORMS
PHI3_NAMES = (
    ENDS
    | TWO_NORMS
    | {
        "blk.{}.attn_qkv": f"{_LAYERS}.self_attn.qkv_proj",
        "blk.{}.attn_output": f"{_LAYERS}.self_attn.o_proj",
        "blk.{}.ffn_up": f"{_LAYERS}.mlp.gate_up_proj",
        "blk.{}.ffn_down": f"{_LAYERS}.mlp.down_proj",
    }
)
GPT2_NAMES = {
    EMBEDDING: "transformer.wte",
    "position_embd": "transformer.wpe",
    "output_norm": "transformer.ln_f",
    OUTPUT: "lm_head",
    "blk.{}.attn_norm": "transformer.h.{}.ln_1",
    "blk.{}.attn_qkv": "transformer.h.{}.attn.c_attn",
    "blk.{}.attn_output": "transformer.h.{}.attn.c_proj",
    "blk.{}.ffn_norm": "transformer.h.{}.ln_2",
    "blk.{}.ffn_up": "transformer.h.{}.mlp.c_fc",
    "blk.{}.ffn_down": "transformer.h.{}.mlp.c_proj",
}
