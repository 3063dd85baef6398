"""Names of weights: KerasHub's of the parts of layers, and Hugging Face's of the tensors of each family."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from sftkeras.backbones.hugging_face.decoders.weights import NAMES


@dataclass(frozen=True)
class Names:
    """Names that Hugging Face gives the tensors of a family.

    Attributes:
        layer: what stands before those of a layer.
        parts: what it calls the parts of a layer that have a tensor of their own.
        joined: the parts that one tensor holds side by side, by its name.
        embedding: the table of tokens.
        norm: the last norm.
        positions: the table of learned positions; "" for none.
        first_position: rows of that table before the first that a token has.
        as_multiplied: whether kernels stand as they are multiplied, [inputs, outputs].
    """

    layer: str = "model.layers.{}"
    parts: Mapping[str, str] = field(default_factory=lambda: NAMES)
    joined: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    embedding: str = "model.embed_tokens"
    norm: str = "model.norm"
    positions: str = ""
    first_position: int = 0
    as_multiplied: bool = False


# Parts of layers.

_ATTENTION = ("query", "key", "value")


def _attention(layer: str, mark: str = "") -> dict[str, str]:
    """The dense layers of attention, whose names may begin with a mark."""
    names = dict.fromkeys(_ATTENTION) | {"attention_output": "output"}
    return {part: f"{layer}/{mark}{name or part}_dense" for part, name in names.items()}


_FEED_FORWARD = {"up": "_feedforward_intermediate_dense", "down": "_feedforward_output_dense"}
LLAMA_PARTS = {
    "attention_norm": "_self_attention_layernorm",
    **_attention("_self_attention_layer", "_"),
    "feed_forward_norm": "_feedforward_layernorm",
    "gate": "_feedforward_gate_dense",
    **_FEED_FORWARD,
}
QWEN3_PARTS = LLAMA_PARTS | {
    f"{part}_norm": f"_self_attention_layer/_{part}_dense_layer_norm" for part in ("query", "key")
}
GEMMA_PARTS = {
    "attention_norm": "pre_attention_norm",
    **_attention("attention"),
    "feed_forward_norm": "pre_ffw_norm",
    "gate": "gating_ffw",
    "up": "gating_ffw_2",
    "down": "ffw_linear",
}
GEMMA2_PARTS = GEMMA_PARTS | {
    "after_attention_norm": "post_attention_norm",
    "after_feed_forward_norm": "post_ffw_norm",
}
GEMMA3_PARTS = GEMMA2_PARTS | {"query_norm": "attention/query_norm", "key_norm": "attention/key_norm"}
PHI3_PARTS = {
    "attention_norm": "pre_attention_layernorm",
    **_attention("attention"),
    "feed_forward_norm": "post_attention_layernorm",
    "gate": "feedforward_gate_dense",
    "up": "feedforward_intermediate_dense",
    "down": "feedforward_output_dense",
}
SMOLLM3_PARTS = {part: name.replace(".", "/") for part, name in NAMES.items() if part not in ("query_norm", "key_norm")}
GPT2_PARTS = {
    "attention_norm": "_self_attention_layer_norm",
    **_attention("_self_attention_layer"),
    "feed_forward_norm": "_feedforward_layer_norm",
    **_FEED_FORWARD,
}
