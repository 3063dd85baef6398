"""Tiny GGUF files, written as llama.cpp's converter writes those of a Hugging Face model."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import gguf
import numpy as np

Tensors = dict[str, np.ndarray]

WIDTH, LAYERS, HEADS, KEY_HEADS, INNER, POSITIONS = 64, 2, 4, 2, 96, 128
HEAD = WIDTH // HEADS

ROTARY = ("llama", "smollm3")  # their rows of query and key are written with the two numbers of a rotation together
OFFSET_NORMS = ("gemma", "gemma2", "gemma3")  # their weights of norms are written with 1 added

BYTES = [chr(it) if chr(it).isprintable() and it not in (32, 160, 173) else None for it in range(256)]
_SHIFTED = iter(range(256, 512))
ALPHABET = [it if it is not None else chr(next(_SHIFTED)) for it in BYTES]  # GPT-2's letters for the 256 bytes
MERGES = ["Ġ t", "h e", "Ġt he", "Ġ a", "i n"]
SPECIAL = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
TEMPLATE = "{% for m in messages %}<|im_start|>{{ m['role'] }}\n{{ m['content'] }}<|im_end|>\n{% endfor %}"

NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)


@dataclass
class Tokenizer:
    """What a file says of its tokenizer."""

    model: str
    tokens: list[str]
    kinds: list[int]
    settings: dict[str, Any] = field(default_factory=dict)
    merges: list[str] | None = None
    scores: list[float] | None = None


def byte_pairs(pre: str = "smollm") -> Tokenizer:
    """Return a byte-level tokenizer: special tokens, the bytes, a few merges, and rows that no token uses."""
    merged = [merge.replace(" ", "") for merge in MERGES]
    tokens = [*SPECIAL, *ALPHABET, *merged, "<think>", "[PAD265]"]
    kinds = [CONTROL] * len(SPECIAL) + [NORMAL] * (256 + len(MERGES)) + [USER_DEFINED, UNUSED]
    numbers = {"bos_token_id": 1, "eos_token_id": 2, "unknown_token_id": 0, "padding_token_id": 2}
    return Tokenizer("gpt2", tokens, kinds, {"pre": pre, "add_bos_token": False, **numbers}, MERGES)


PIECES = [("▁", -1.0), ("t", -2.0), ("h", -3.0), ("e", -4.0), ("he", -5.0), ("the", -6.0), ("▁the", -7.0), ("th", -8.0)]


def sentence_pieces(**settings: Any) -> Tokenizer:
    """Return a tokenizer of SentencePiece's BPE with byte fallback."""
    special = [("<unk>", 0.0, UNKNOWN), ("<s>", 0.0, CONTROL), ("</s>", 0.0, CONTROL)]
    all_bytes = [(f"<0x{number:02X}>", 0.0, BYTE) for number in range(256)]
    pieces = [*special, *all_bytes, *((*piece, NORMAL) for piece in PIECES), ("<|end|>", -1000.0, CONTROL)]
    tokens, scores, kinds = (list(column) for column in zip(*pieces, strict=True))
    numbers = {"bos_token_id": 1, "eos_token_id": 2, "unknown_token_id": 0}
    return Tokenizer("llama", tokens, kinds, {"pre": "default", **numbers, **settings}, scores=scores)


def hugging_face_tensors(architecture: str, rows: int, *, tied: bool = True) -> Tensors:
    """Draw the tensors of a tiny model, with their Hugging Face names."""
    draw = np.random.default_rng(3)

    def of(*shape: int) -> np.ndarray:
        return draw.normal(0, 0.05, shape).astype(np.float32)

    if architecture == "gpt2":
        shapes: dict[str, tuple[int, ...]] = {"transformer.wte.weight": (rows, WIDTH)}
        shapes |= {"transformer.wpe.weight": (POSITIONS, WIDTH), "transformer.ln_f.weight": (WIDTH,)}
        shapes |= {"transformer.ln_f.bias": (WIDTH,)}
        parts = {"attn.c_attn": (WIDTH, 3 * WIDTH), "attn.c_proj": (WIDTH, WIDTH)}
        parts |= {"mlp.c_fc": (WIDTH, INNER), "mlp.c_proj": (INNER, WIDTH), "ln_1": (WIDTH,), "ln_2": (WIDTH,)}
        for layer in range(LAYERS):
            shapes |= {f"transformer.h.{layer}.{part}.weight": shape for part, shape in parts.items()}
            shapes |= {f"transformer.h.{layer}.{part}.bias": shape[-1:] for part, shape in parts.items()}
        return {name: of(*shape) for name, shape in shapes.items()}
    shapes = {"model.embed_tokens.weight": (rows, WIDTH), "model.norm.weight": (WIDTH,)}
    shapes |= {} if tied else {"lm_head.weight": (rows, WIDTH)}
    for layer in range(LAYERS):
        shapes |= {f"model.layers.{layer}.{part}": shape for part, shape in _layer(architecture).items()}
    return {name: of(*shape) for name, shape in shapes.items()}


def _layer(architecture: str) -> dict[str, tuple[int, ...]]:
    """Return the shapes of a layer's tensors."""
    keys = KEY_HEADS * HEAD
    shapes: dict[str, tuple[int, ...]] = {
        "input_layernorm.weight": (WIDTH,),
        "post_attention_layernorm.weight": (WIDTH,),
    }
    shapes |= {"self_attn.o_proj.weight": (WIDTH, WIDTH), "mlp.down_proj.weight": (WIDTH, INNER)}
    if architecture == "phi3":
        return shapes | {
            "self_attn.qkv_proj.weight": (WIDTH + 2 * keys, WIDTH),
            "mlp.gate_up_proj.weight": (2 * INNER, WIDTH),
        }
    shapes |= {"self_attn.q_proj.weight": (WIDTH, WIDTH), "self_attn.k_proj.weight": (keys, WIDTH)}
    shapes |= {"self_attn.v_proj.weight": (keys, WIDTH), "mlp.gate_proj.weight": (INNER, WIDTH)}
    shapes |= {"mlp.up_proj.weight": (INNER, WIDTH)}
    if architecture == "qwen2":
        shapes |= {
            "self_attn.q_proj.bias": (WIDTH,),
            "self_attn.k_proj.bias": (keys,),
            "self_attn.v_proj.bias": (keys,),
        }
    if architecture in ("qwen3", "gemma3"):
        shapes |= {"self_attn.q_norm.weight": (HEAD,), "self_attn.k_norm.weight": (HEAD,)}
    if architecture in ("gemma2", "gemma3"):
        shapes |= {"pre_feedforward_layernorm.weight": (WIDTH,), "post_feedforward_layernorm.weight": (WIDTH,)}
    return shapes


def as_llama_cpp_writes(tensors: Tensors, architecture: str) -> Tensors:
    """Rename and change Hugging Face tensors as llama.cpp's converters do (conversion/ there; names by `gguf`)."""
    kind = next(key for key, name in gguf.MODEL_ARCH_NAMES.items() if name == architecture)
    names = gguf.get_tensor_name_map(kind, LAYERS)
    written = {}
    for name, values in tensors.items():
        new = names.get_name(name, (".weight", ".bias"))
        assert new is not None, name
        if architecture in ROTARY and ".q_proj." in name:
            values = _rotations_together(values, HEADS)
        if architecture in ROTARY and ".k_proj." in name:
            values = _rotations_together(values, KEY_HEADS)
        if architecture in OFFSET_NORMS and name.endswith("norm.weight"):
            values = values + 1
        if architecture == "gpt2" and values.ndim == 2 and ".h." in name:
            values = values.T
        written[new] = np.ascontiguousarray(values)
    return written


def _rotations_together(values: np.ndarray, heads: int) -> np.ndarray:
    """Return the rows as `LlamaModel.permute` orders them."""
    halves = values.reshape(heads, 2, values.shape[0] // heads // 2, *values.shape[1:])
    return halves.swapaxes(1, 2).reshape(values.shape)


def settings_of(architecture: str, rows: int) -> dict[str, Any]:
    """Return the sizes of the tiny model, by their names in the file."""
    sizes: dict[str, Any] = {
        "context_length": POSITIONS,
        "embedding_length": WIDTH,
        "block_count": LAYERS,
        "feed_forward_length": INNER,
        "attention.head_count": HEADS,
    }
    if architecture == "gpt2":
        return sizes | {"attention.layer_norm_epsilon": 1e-5}
    sizes |= {"attention.head_count_kv": KEY_HEADS, "attention.layer_norm_rms_epsilon": 1e-6, "rope.freq_base": 1e4}
    more = {
        "llama": {"vocab_size": rows, "rope.dimension_count": HEAD},
        "smollm3": {"vocab_size": rows, "rope.dimension_count": HEAD, "rope.freq_base": 5e6},
        "qwen2": {"rope.freq_base": 1e6},
        "qwen3": {"rope.freq_base": 1e6, "attention.key_length": HEAD, "attention.value_length": HEAD},
        "phi3": {
            "rope.dimension_count": HEAD,
            "rope.scaling.original_context_length": POSITIONS,
            "attention.sliding_window": 47,
        },
        "gemma": {"attention.key_length": HEAD, "attention.value_length": HEAD},
        "gemma2": {
            "attention.key_length": HEAD,
            "attention.value_length": HEAD,
            "attn_logit_softcapping": 50.0,
            "final_logit_softcapping": 30.0,
            "attention.sliding_window": 32,
        },
        "gemma3": {
            "attention.key_length": HEAD,
            "attention.value_length": HEAD,
            "rope.freq_base": 1e6,
            "attention.sliding_window": 32,
        },
    }
    return sizes | more[architecture]


def write_gguf(
    path: Path,
    architecture: str,
    tensors: Tensors,
    tokenizer: Tokenizer,
    settings: Mapping[str, Any],
    *,
    types: Mapping[str, gguf.GGMLQuantizationType] | None = None,
    template: str | None = TEMPLATE,
) -> Path:
    """Write a file.

    Args:
        path: of the file.
        architecture: its name for llama.cpp.
        tensors: as llama.cpp names and orders them.
        tokenizer: what it says of its tokenizer.
        settings: of the architecture, without its name before them.
        types: of tensors that are quantised.
        template: of chats.
    """
    writer = gguf.GGUFWriter(path, architecture)
    for key, value in settings.items():
        _add(writer, f"{architecture}.{key}", value)
    writer.add_tokenizer_model(tokenizer.model)
    writer.add_token_list(tokenizer.tokens)
    writer.add_token_types(tokenizer.kinds)
    if tokenizer.merges is not None:
        writer.add_token_merges(tokenizer.merges)
    if tokenizer.scores is not None:
        writer.add_token_scores(tokenizer.scores)
    for key, value in tokenizer.settings.items():
        _add(writer, f"tokenizer.ggml.{key}", value)
    if template is not None:
        writer.add_chat_template(template)
    for name, values in tensors.items():
        kind = (types or {}).get(name)
        if kind is None:
            writer.add_tensor(name, values)
        else:
            writer.add_tensor(name, gguf.quantize(values, kind), raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    return path


def _add(writer: gguf.GGUFWriter, key: str, value: Any) -> None:
    match value:
        case bool():
            writer.add_bool(key, value)
        case int():
            writer.add_uint32(key, value)
        case float():
            writer.add_float32(key, value)
        case str():
            writer.add_string(key, value)
        case _:
            writer.add_array(key, value)


def tiny_gguf(path: Path, architecture: str = "llama", tokenizer: Tokenizer | None = None, **more: Any) -> Path:
    """Write a tiny model of an architecture; `more` are settings beside the usual."""
    tokenizer = tokenizer or byte_pairs()
    rows = len(tokenizer.tokens)
    tensors = as_llama_cpp_writes(hugging_face_tensors(architecture, rows), architecture)
    return write_gguf(path, architecture, tensors, tokenizer, settings_of(architecture, rows) | more)
