"""Methods of tuning: the variables of a backbone that each freezes, and those that it adds."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import keras

from sftkeras.backbones import Backbone
from sftkeras.backbones.bottlenecks import bottlenecks_of
from sftkeras.backbones.dropout import use_stream_dropout
from sftkeras.backbones.virtual_tokens import virtual_weights
from sftkeras.config import TrainConfig, added_tokens
from sftkeras.config.tuning import ADAPTING, PARTIAL, VIRTUAL, Method
from sftkeras.errors import SFTError
from sftkeras.tuning.adapters import attach_adapters, hold_kernels
from sftkeras.tuning.bottlenecks import add_bottlenecks
from sftkeras.tuning.layers import variables_before
from sftkeras.tuning.targets import chosen_layers

_NORMS = ("gamma", "beta")


def choose_what_learns(network: keras.Model, backbone: Backbone, config: TrainConfig) -> tuple[str, ...]:
    """Freezes what is not to learn of a network, and adds what is to learn beside it; in the strategy's scope.

    Args:
        network: the backbone with a head, whose weights are those to begin with.
        backbone: the encoder or decoder in it.
        config: the settings.

    Returns:
        Notes for the user.

    Raises:
        SFTError: SFT481, SFT482 or SFT484 for what does not fit the backbone, SFT485 if nothing is left to learn,
            SFT486 if an adapter cannot be begun with, SFT490 if no layer is left to learn.
    """
    method = config.tuning.method
    if method in PARTIAL:
        learning = {id(variable) for variable in [*_tables(backbone, config), *_LEARNING[method](backbone, config)]}
        for variable in variables_of(backbone):
            variable.trainable = variable.trainable and id(variable) in learning
    for variable in _first_layers(backbone, config):
        variable.trainable = False
    if config.tuning.freeze_embeddings:
        assert backbone.token_embedding is not None  # a module is refused before: see `needs`
        backbone.token_embedding.trainable = False
    if config.tuning.base != "float32":
        hold_kernels(backbone, config.tuning.base)
    notes: tuple[str, ...] = ()
    if add := _ADDING.get(method):
        notes = add(backbone, config)
        use_stream_dropout(network)
    if not network.trainable_variables:
        reason = "this task has no weights beside those of the backbone"
        raise SFTError("SFT485", method=method, reason=reason)
    return notes


def variables_of(backbone: Backbone) -> list[keras.Variable]:
    """Return the variables of a backbone, those of a decoder's own head included."""
    if backbone.kind == "encoder" or backbone.model.config.tied:
        return list(backbone.model.variables)
    return [*backbone.model.variables, *backbone.model.output_layer.variables]


def _first_layers(backbone: Backbone, config: TrainConfig) -> list[keras.Variable]:
    """The variables of embeddings and first layers that stay as they are."""
    first, count = config.tuning.freeze_first, len(backbone.layers)
    if first is None:
        return []
    if first >= count:
        raise SFTError("SFT490", first=first, count=count)
    return variables_before(backbone, first)


def _tables(backbone: Backbone, config: TrainConfig) -> list[keras.Variable]:
    """The tables of all tokens, which learn where tokens are added."""
    if not added_tokens(config):
        return []
    assert backbone.token_embedding is not None
    return [*backbone.token_embedding.variables, *_own_head(backbone, config)]


def _own_head(backbone: Backbone, config: TrainConfig) -> list[keras.Variable]:
    """The variables of a decoder's output layer, if that is not its token embedding."""
    has_own_head = backbone.kind == "decoder" and not backbone.model.config.tied
    return list(backbone.model.output_layer.variables) if has_own_head else []


def _biases_and_norms(backbone: Backbone, config: TrainConfig) -> list[keras.Variable]:
    """Biases and norms (Ben Zaken et al., 2022)."""
    return _called(("bias", *_NORMS), backbone, config)


def _norms_and_bottlenecks(backbone: Backbone, config: TrainConfig) -> list[keras.Variable]:
    """Norms (Houlsby et al., 2019), and the bottleneck adapters of an earlier run."""
    kept = (variable for bottleneck in bottlenecks_of(backbone).values() for variable in bottleneck.variables)
    return [*_called(_NORMS, backbone, config), *kept]


def _called(names: Sequence[str], backbone: Backbone, config: TrainConfig) -> list[keras.Variable]:
    """The variables of these names in the chosen layers; of all layers, also those around them."""
    variables = variables_of(backbone)
    if config.tuning.layers is not None:
        layers = [backbone.layers[number] for number in chosen_layers(config.tuning, len(backbone.layers))]
        variables = [variable for layer in layers for variable in layer.variables]
    return [variable for variable in variables if variable.name in names]


def _virtual_tokens(backbone: Backbone, config: TrainConfig) -> list[keras.Variable]:
    """The variables of virtual tokens."""
    return virtual_weights(backbone)


def _nothing(backbone: Backbone, config: TrainConfig) -> list[keras.Variable]:
    """No variable: what learns is beside them."""
    return []


# The variables of the backbone that learn with each method that freezes others.
_LEARNING: Mapping[Method, Callable[[Backbone, TrainConfig], list[keras.Variable]]] = {
    **dict.fromkeys(ADAPTING, _nothing),
    "adapters": _norms_and_bottlenecks,
    **dict.fromkeys(VIRTUAL, _virtual_tokens),
    "bitfit": _biases_and_norms,
    "head": _own_head,
}

# What adds parts to the backbone, which learn.
_ADDING: Mapping[Method, Callable[[Backbone, TrainConfig], tuple[str, ...]]] = {
    **dict.fromkeys(ADAPTING, attach_adapters),
    "adapters": add_bottlenecks,
}
