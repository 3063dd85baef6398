"""Settings that reach into the encoder, and so need one that is made of layers here. Imports no TensorFlow."""

from __future__ import annotations

from sftkeras.config import TrainConfig
from sftkeras.errors import SFTError

_NO_LAYERS = "which has no layers that can be told apart"


def check_opaque(config: TrainConfig) -> None:
    """Refuses what a TF-Hub module that is trained as it is cannot do.

    Raises:
        SFTError: SFT440.
    """
    settings = {
        "--optimizer.layer_decay": (config.optimizer.layer_decay, _NO_LAYERS),
        "--optimizer.ema": (config.optimizer.ema, "which computes with its own weights and not with their averages"),
        "--training.unfreeze": (config.training.unfreeze, _NO_LAYERS),
        "--training.rematerialise": (
            config.training.rematerialise,
            "whose graph fixes what is kept for the backward pass",
        ),
    }
    for setting, (value, reason) in settings.items():
        if value:
            raise SFTError("SFT440", setting=setting, value=str(value).lower(), reason=reason)
