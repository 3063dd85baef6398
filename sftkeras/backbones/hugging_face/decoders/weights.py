"""The variables of a decoder and the tensors of a checkpoint that hold them, by the names that most families have."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from sftkeras.backbones.hugging_face.family import Weight, table

if TYPE_CHECKING:
    import keras

    from sftkeras.backbones.decoders.decoder import Decoder
    from sftkeras.backbones.decoders.layer import DecoderLayer


@dataclass(frozen=True)
class Joined:
    """Several variables that one tensor of a checkpoint holds side by side.

    Attributes:
        parts: the variables in their order, as if each had a tensor; their names mean nothing.
        name: the tensor's name, without the checkpoint's prefix.
        axis: of the tensor, along which they stand.
    """

    name: str
    parts: tuple[Weight, ...]
    axis: int = 0

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        shape = list(self.parts[0].shape)
        shape[self.axis] = sum(part.shape[self.axis] for part in self.parts)
        return tuple(shape)

    def assign(self, tensor: np.ndarray) -> None:
        """Sets the variables to their parts of `tensor`, which has `shape`."""
        ends = np.cumsum([part.shape[self.axis] for part in self.parts])[:-1]
        for part, values in zip(self.parts, np.split(tensor, ends, self.axis), strict=True):
            part.assign(values)

    def tensor(self) -> np.ndarray:
        """The variables' values as a checkpoint stores them."""
        return np.concatenate([part.tensor() for part in self.parts], self.axis)


DecoderWeights = Iterator[Weight | Joined]

# What Llama, and most families after it, call the parts of a layer.
NAMES = {
    "attention_norm": "input_layernorm",
    "query": "self_attn.q_proj",
    "key": "self_attn.k_proj",
    "value": "self_attn.v_proj",
    "query_norm": "self_attn.q_norm",
    "key_norm": "self_attn.k_norm",
    "attention_output": "self_attn.o_proj",
    "feed_forward_norm": "post_attention_layernorm",
    "gate": "mlp.gate_proj",
    "up": "mlp.up_proj",
    "down": "mlp.down_proj",
}


def weights(decoder: Decoder, names: Mapping[str, str] = NAMES) -> DecoderWeights:
    """All weights of a decoder as Llama names them, but for those of an untied head."""
    yield from table(decoder.token_embedding.embeddings, "embed_tokens")
    for number, layer in enumerate(decoder.transformer_layers):
        yield from layer_weights(layer, f"layers.{number}", names)
    yield from norm(decoder.last_norm, "norm")


def layer_weights(layer: DecoderLayer, prefix: str, names: Mapping[str, str]) -> DecoderWeights:
    """The weights of the parts of a layer that `names` has, each of which the layer has too."""
    for part, module in layer.parts().items():
        if part not in names:
            continue
        if part.endswith("norm"):
            yield from norm(module, f"{prefix}.{names[part]}")
        else:
            yield from dense(module, f"{prefix}.{names[part]}")


def dense(layer: keras.layers.Dense, name: str) -> Iterator[Weight]:
    """The kernel of a dense layer, [outputs, inputs], and its bias if it has one."""
    yield Weight(layer.kernel, f"{name}.weight", tuple(layer.kernel.shape)[::-1], is_kernel=True)
    if layer.bias is not None:
        yield Weight(layer.bias, f"{name}.bias", tuple(layer.bias.shape))


def norm(layer: keras.layers.Layer, name: str) -> Iterator[Weight]:
    """The scale of a norm, and the shift of a layer norm."""
    for variable, part in zip(layer.weights, ("weight", "bias"), strict=False):
        yield Weight(variable, f"{name}.{part}", tuple(variable.shape))


def head(decoder: Decoder) -> Iterator[Weight]:
    """The head's own weights: none where the token embedding is the head. They have no prefix."""
    if not decoder.config.tied:
        yield from table(decoder.output_kernel, "lm_head")
