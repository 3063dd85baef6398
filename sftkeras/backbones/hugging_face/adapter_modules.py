"""Modules of Hugging Face's library that are linear layers of a backbone, by the names that PEFT has for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sftkeras.backbones import Backbone
    from sftkeras.backbones.linear_parts import Place


class ModulePart(NamedTuple):
    """A linear layer of ours that a module of theirs is, or is a part of."""

    place: Place
    inputs: int
    outputs: int


def modules_of(backbone: Backbone) -> tuple[dict[str, list[ModulePart]], str]:
    """The linear layers by the names of their modules, and what else may stand before these."""
    from sftkeras.backbones.dense.adapters import sizes
    from sftkeras.backbones.linear_parts import linear_parts

    layers = linear_parts(backbone)
    places = {id(layer.kernel): place for place, layer in layers.items()}
    modules: dict[str, list[ModulePart]] = {}
    weights, prefix = _weights(backbone)
    for name, variables in weights:
        found = [places[id(variable)] for variable in variables if id(variable) in places]
        if found:
            modules[name.removesuffix(".weight")] = [ModulePart(place, *sizes(layers[place])) for place in found]
    return modules, prefix


def _weights(backbone: Backbone) -> tuple[Iterator[tuple[str, list[Any]]], str]:
    """The tensors of a checkpoint, each with the variables that it holds; and the prefix of some checkpoints."""
    from sftkeras.backbones.hugging_face.decoders.families import DECODER_FAMILIES
    from sftkeras.backbones.hugging_face.decoders.weights import Joined
    from sftkeras.backbones.hugging_face.writing import family_of

    if backbone.kind == "decoder":
        of_decoder = DECODER_FAMILIES[backbone.model.model_type]
        weights, before, prefix = of_decoder.weights(backbone.model), of_decoder.prefix, of_decoder.prefix
    else:
        of_encoder = family_of(backbone.model)
        assert of_encoder is not None
        weights, before, prefix = of_encoder.weights(backbone.model), "", f"{of_encoder.prefix}."
    held = (
        (before + weight.name, [part.variable for part in (weight.parts if isinstance(weight, Joined) else (weight,))])
        for weight in weights
    )
    return held, prefix
