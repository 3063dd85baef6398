"""Methods of tuning: the variables of a backbone that each freezes, and those that it adds."""

from __future__ import annotations

from typing import Any

import keras

from sftkeras.backbones import Backbone
from sftkeras.backbones.dropout import use_stream_dropout
from sftkeras.config import TrainConfig, added_tokens
from sftkeras.errors import SFTError
from sftkeras.tuning.low_rank import attach_low_rank
from sftkeras.tuning.needs import PARTIAL
from sftkeras.tuning.targets import chosen_layers

_BIASES_AND_NORMS = ("bias", "gamma", "beta")


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
            SFT486 if an adapter cannot be begun with.
    """
    method = config.tuning.method
    if method in PARTIAL:
        learning = {id(variable) for variable in _learning(backbone, config)}
        for variable in variables_of(backbone):
            variable.trainable = variable.trainable and id(variable) in learning
    if config.training.freeze_embeddings:
        assert backbone.token_embedding is not None  # a module is refused before: see `needs`
        backbone.token_embedding.trainable = False
    notes: tuple[str, ...] = ()
    if method == "lora":
        notes = attach_low_rank(backbone, config)
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


def _learning(backbone: Backbone, config: TrainConfig) -> list[keras.Variable]:
    """The variables of the backbone that learn where most do not; with added tokens, also the tables of all tokens."""
    method = config.tuning.method
    tables: list[Any] = []
    has_own_head = backbone.kind == "decoder" and not backbone.model.config.tied
    if added_tokens(config):
        tables.append(backbone.token_embedding)
    if has_own_head and (method == "head" or added_tokens(config)):
        tables.append(backbone.model.output_layer)
    learning = [variable for table in tables for variable in table.variables]
    return [*learning, *_biases_and_norms(backbone, config)] if method == "bitfit" else learning


def _biases_and_norms(backbone: Backbone, config: TrainConfig) -> list[keras.Variable]:
    """Biases and norms of the chosen layers; of all, also those around the layers (Ben Zaken et al., 2022)."""
    variables = variables_of(backbone)
    if config.tuning.layers is not None:
        layers = [backbone.layers[number] for number in chosen_layers(config.tuning, len(backbone.layers))]
        variables = [variable for layer in layers for variable in layer.variables]
    return [variable for variable in variables if variable.name in _BIASES_AND_NORMS]
