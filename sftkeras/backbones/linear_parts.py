"""The dense layers of a backbone's transformer layers, by the names that the field has for them in every family."""

from __future__ import annotations

from collections.abc import Mapping

import keras

from sftkeras.backbones.backbone import Backbone
from sftkeras.backbones.decoders.layer import DecoderLayer
from sftkeras.backbones.dense.adapters import AnyDense
from sftkeras.internals.keras_hub import attention_parts, layer_parts

Place = tuple[int, str]  # the number of a transformer layer, from 0, and the name of a dense layer in it


def linear_parts(backbone: Backbone) -> dict[Place, AnyDense]:
    """Return each dense layer by the number of its transformer layer, from 0, and its name; none of a module.

    The names are query, key, value and output of attention, and gate, up and down of the feed-forward part. A layer
    that is run again and again, as ALBERT's, is there once.
    """
    return {
        (number, name): part for number, layer in enumerate(backbone.layers) for name, part in _parts(layer).items()
    }


def name_of(place: Place) -> str:
    """Return the name of a place, such as 3.query."""
    number, name = place
    return f"{number}.{name}"


def _parts(layer: keras.layers.Layer) -> Mapping[str, AnyDense]:
    if isinstance(layer, DecoderLayer):
        names = {"attention_output": "output"}
        dense = ("query", "key", "value", "attention_output", "gate", "up", "down")
        return {names.get(name, name): part for name, part in layer.parts().items() if name in dense}
    parts = layer_parts(layer)
    attention = attention_parts(parts.attention)
    return {
        "query": attention.query,
        "key": attention.key,
        "value": attention.value,
        "output": attention.output,
        "up": parts.intermediate,
        "down": parts.output,
    }
