"""Requirements of the tuning settings on the encoder and on other settings. Imports no TensorFlow."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from sftkeras.config import TrainConfig, TuningConfig, added_tokens
from sftkeras.config.tuning import IN_LAYERS, PARTIAL
from sftkeras.errors import SFTError
from sftkeras.tuning.targets import check_targets


def needing_layers(config: TrainConfig) -> dict[str, Any]:
    """Return the settings, and their values, that need access to an encoder's layers.

    A value that is false asks for nothing.
    """
    return {
        "--optimizer.layer_decay": config.optimizer.layer_decay,
        "--training.unfreeze": config.training.unfreeze,
        "--training.freeze_embeddings": config.training.freeze_embeddings,
        "--tuning.method": config.tuning.method if config.tuning.method in IN_LAYERS else None,
        "--tuning.base": config.tuning.base if config.tuning.base != "float32" else None,
    }


def check_tuning(config: TrainConfig) -> None:
    """Refuse settings of what learns that are without effect or contradict one another.

    Raises:
        SFTError: SFT481, SFT483 or SFT486.
    """
    tuning = config.tuning
    default = TuningConfig()
    check_targets(tuning.chosen_targets)
    contradictions = {
        "--training.freeze_embeddings": (config.training.freeze_embeddings, "it freezes them anyway", PARTIAL),
        "--training.unfreeze": (config.training.unfreeze, "no layer of the encoder ever learns", ("head",)),
        "--optimizer.layer_decay": (config.optimizer.layer_decay, "no layer of the encoder learns", ("head",)),
    }
    for setting, (value, problem, methods) in contradictions.items():
        if value and tuning.method in methods:
            shown = str(value).lower()
            raise SFTError("SFT483", method=tuning.method, setting=setting, value=shown, problem=problem)
    if tuning.adapter:
        from sftkeras.backbones.hugging_face.adapter_files import AdapterConfig  # safetensors comes with it

        for name in TuningConfig.OF_ADAPTER:
            if getattr(tuning, name) != getattr(default, name):
                problem = f"it has its own {name}. Leave out --tuning.{name}."
                raise SFTError("SFT486", folder=tuning.adapter, problem=problem)
        AdapterConfig.read(Path(tuning.adapter).expanduser(), tuning.method)


def check_new_tokens_learn(config: TrainConfig) -> None:
    """Refuse to freeze the vectors of tokens that the run itself adds.

    Raises:
        SFTError: SFT386.
    """
    tokens = added_tokens(config)
    if tokens and config.training.freeze_embeddings:
        raise SFTError("SFT386", token=tokens[0])
