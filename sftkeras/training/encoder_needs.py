"""Requirements of settings that reach into the encoder. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from sftkeras.config import TrainConfig, added_tokens, opening_markers
from sftkeras.errors import SFTError
from sftkeras.tuning.needs import check_new_tokens_learn, needing_layers

if TYPE_CHECKING:
    from sftkeras.backbones import Backbone
    from sftkeras.text import Cleaning

_NO_LAYERS = "which gives no access to its layers"
_NO_VOCABULARY = "whose vocabulary cannot be added to"


def check_opaque(config: TrainConfig) -> None:
    """Refuses what a TF-Hub module that is trained as it is cannot do.

    Raises:
        SFTError: SFT440.
    """
    settings = {
        **{setting: (value, _NO_LAYERS) for setting, value in needing_layers(config).items()},
        "--backbone.layers": (config.backbone.layers, _NO_LAYERS),
        "--optimizer.ema": (config.optimizer.ema, "which computes with its own weights and not with their averages"),
        "--objective.kind": (config.objective.changes_token_vectors and config.objective.kind, _NO_LAYERS),
        "--backbone.extra_tokens": (bool(config.backbone.extra_tokens), _NO_VOCABULARY),
        "--data.mark": (bool(config.data.mark), _NO_VOCABULARY),
        "--training.rematerialise": (
            config.training.rematerialise,
            "whose graph fixes what is kept for the backward pass",
        ),
    }
    for setting, (value, reason) in settings.items():
        if value:
            raise SFTError("SFT440", setting=setting, value=str(value).lower(), reason=reason)


def check_pooling(config: TrainConfig, backbone: Backbone) -> None:
    """Refuses a pooling for an encoder that gives one vector a text.

    Args:
        backbone: the encoder.

    Raises:
        SFTError: SFT440.
    """
    if config.backbone.pooling and not backbone.gives_token_vectors:
        reason = "which gives one vector a text and none of its tokens"
        raise SFTError("SFT440", setting="--backbone.pooling", value=config.backbone.pooling, reason=reason)


def check_tokens(config: TrainConfig) -> None:
    """Refuses what does not go together with the tokens that the run adds to the vocabulary.

    Raises:
        SFTError: SFT384 if there are no markers to pool by, SFT386 or SFT387 for settings that would spoil the tokens.
    """
    tokens = added_tokens(config)
    if config.backbone.pooling == "markers" and not opening_markers(tokens):
        raise SFTError("SFT384")
    check_new_tokens_learn(config)
    if tokens and config.data.augmentation.active:
        raise SFTError("SFT387", token=tokens[0])


def check_cleaning(cleaning: Cleaning | None, tokens: Sequence[str]) -> None:
    """Makes sure that texts keep their added tokens when they are cleaned.

    Raises:
        SFTError: SFT385.
    """
    cleaned = cleaning.clean(list(tokens)) if cleaning and tokens else tokens
    for token, kept in zip(tokens, cleaned, strict=True):
        if kept != token:
            raise SFTError("SFT385", token=token, kept=kept)
