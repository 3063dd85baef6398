"""Requirements of the tuning settings on the encoder and on other settings. Imports no TensorFlow."""

from __future__ import annotations

from typing import Any

from sftkeras.config import TrainConfig, added_tokens
from sftkeras.errors import SFTError


def needing_layers(config: TrainConfig) -> dict[str, Any]:
    """Return the settings, and their values, that need access to an encoder's layers.

    A value that is false asks for nothing.
    """
    return {
        "--optimizer.layer_decay": config.optimizer.layer_decay,
        "--training.unfreeze": config.training.unfreeze,
        "--training.freeze_embeddings": config.training.freeze_embeddings,
    }


def check_new_tokens_learn(config: TrainConfig) -> None:
    """Refuse to freeze the vectors of tokens that the run itself adds.

    Raises:
        SFTError: SFT386.
    """
    tokens = added_tokens(config)
    if tokens and config.training.freeze_embeddings:
        raise SFTError("SFT386", token=tokens[0])
