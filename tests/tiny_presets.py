"""Tiny decoders of KerasHub with random weights, saved as presets by KerasHub itself."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras_hub
import numpy as np
from keras_hub import models
from tiny_decoder_tokenizers import tiny_tokenizer
from tiny_sentence_pieces import tiny_decoder_pieces

TOKENS = 40
_SIZES = {"vocabulary_size": TOKENS, "num_layers": 2, "hidden_dim": 16, "intermediate_dim": 24}
_SHARED = {**_SIZES, "num_query_heads": 4, "num_key_value_heads": 2}
_SINGLE = {**_SIZES, "num_heads": 4, "max_sequence_length": 32}
_BOTH_NORMS = {**_SHARED, "head_dim": 8, "use_post_ffw_norm": True, "use_post_attention_norm": True}
_WINDOWS = {"use_sliding_window_attention": True, "sliding_window_size": 4}
_LLAMA_31 = {
    "rope_frequency_adjustment_factor": 8.0,
    "rope_low_freq_factor": 1.0,
    "rope_high_freq_factor": 4.0,
    "rope_pretraining_sequence_length": 32,
}
_LONGROPE = {
    "max_sequence_length": 64,
    "pretraining_sequence_length": 32,
    "rope_scaling_type": "su",
    "rope_scaling_short_factor": [1.0, 1.5],
    "rope_scaling_long_factor": [2.0, 3.0],
}
_SMOLLM3 = {
    **_SIZES,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "attention_bias": False,
    "attention_dropout": 0.0,
    "rope_layer_enabled_list": [True, False],
    "layer_types": ["full_attention"] * 2,
    "mlp_bias": True,
    "layer_norm_epsilon": 1e-5,
    "max_position_embeddings": 64,
    "rope_theta": 20_000.0,
    "partial_rotary_factor": 1.0,
}
NETWORKS: dict[str, tuple[Callable[..., Any], dict[str, Any]]] = {
    "gpt2": (models.GPT2Backbone, _SINGLE),
    "opt": (models.OPTBackbone, _SINGLE),
    "llama": (models.LlamaBackbone, {**_SHARED, "layer_norm_epsilon": 1e-5}),
    "llama3": (models.Llama3Backbone, {**_SHARED, **_LLAMA_31, "tie_word_embeddings": True}),
    "qwen": (models.QwenBackbone, {**_SHARED, **_WINDOWS, "tie_word_embeddings": False}),
    # KerasHub norms the heads with this epsilon whatever the config says.
    "qwen3": (
        models.Qwen3Backbone,
        {**_SHARED, "head_dim": 8, "sliding_window_size": 4, "layer_norm_epsilon": 1e-5},
    ),
    "mistral": (models.MistralBackbone, {**_SHARED, "sliding_window": 4, "rope_scaling_factor": 2.0}),
    "gemma": (models.GemmaBackbone, {**_SHARED, "head_dim": 8}),
    "gemma2": (
        models.GemmaBackbone,
        {**_BOTH_NORMS, **_WINDOWS, "attention_logit_soft_cap": 50.0, "final_logit_soft_cap": 30.0},
    ),
    "gemma3": (
        models.Gemma3Backbone,
        {**_BOTH_NORMS, **_WINDOWS, "num_layers": 6, "image_size": None, "global_rope_scaling_factor": 8.0},
    ),
    "phi3": (models.Phi3Backbone, {**_SHARED, **_LONGROPE}),
    "smollm3": (models.SmolLM3Backbone, _SMOLLM3),
}


def network(name: str, **changed: Any) -> Any:
    """A network of KerasHub whose variables all have values that tell them apart."""
    kind, settings = NETWORKS[name]
    found = kind(**settings | changed)
    draw = np.random.default_rng(7)
    for weight in found.weights:
        if "rotary" not in weight.path:  # frequencies
            weight.assign(draw.normal(0, 0.3, weight.shape))
    return found


def byte_pairs(family: str) -> tuple[dict[str, int], list[str]]:
    """Vocabulary and merges of a tiny tokenizer, as KerasHub takes them: added tokens are in the vocabulary."""
    whole = json.loads(tiny_tokenizer(family).to_str())
    merges = [" ".join(merge) if isinstance(merge, list) else merge for merge in whole["model"]["merges"]]
    return whole["model"]["vocab"] | {it["content"]: it["id"] for it in whole["added_tokens"]}, merges


TOKENIZERS: dict[str, Callable[[], Any]] = {
    "gpt2": lambda: models.GPT2Tokenizer(*byte_pairs("gpt2")),
    "qwen": lambda: models.QwenTokenizer(*byte_pairs("qwen"), unsplittable_tokens=["<|endoftext|>", "<|im_end|>"]),
    "llama": lambda: models.LlamaTokenizer(tiny_decoder_pieces("llama")),
}


def write_preset(folder: Path, name: str, **changed: Any) -> Path:
    """Writes network and tokenizer of one of `TOKENIZERS`."""
    tokenizer: keras_hub.tokenizers.Tokenizer = TOKENIZERS[name]()
    size = max(tokenizer.token_to_id(it) for it in tokenizer.get_vocabulary()) + 1
    network(name, vocabulary_size=size, **changed).save_to_preset(str(folder))
    tokenizer.save_to_preset(str(folder))
    return folder
