"""Requirements of the tuning settings on the encoder and on other settings. Imports no TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from sftkeras.config import TrainConfig, TuningConfig, added_tokens
from sftkeras.config.tuning import IN_LAYERS, PARTIAL, VIRTUAL
from sftkeras.errors import SFTError
from sftkeras.tuning.targets import ENDS, NAMES, check_targets

# Settings for which some methods leave nothing to do, and why; and those for which frozen first layers leave nothing.
_WITHOUT_EFFECT = (
    ("freeze_embeddings", "it freezes them anyway", PARTIAL),
    ("freeze_first", "no layer of the backbone learns", ("head", *VIRTUAL)),
    ("unfreeze", "no layer of the backbone ever learns", ("head", *VIRTUAL)),
    ("unfreeze", "ranks are divided among layers that all learn", ("adalora",)),
    ("layer_decay", "no layer of the backbone learns", ("head", *VIRTUAL)),
)
_OF_FIRST_LAYERS = (
    ("freeze_embeddings", "it freezes them anyway"),
    ("layers", "both say which layers learn"),
)


def needing_layers(config: TrainConfig) -> dict[str, Any]:
    """Return the settings, and their values, that need access to an encoder's layers.

    A value that is false asks for nothing.
    """
    return {
        "--tuning.layer_decay": config.tuning.layer_decay,
        "--tuning.unfreeze": config.tuning.unfreeze,
        "--tuning.freeze_embeddings": config.tuning.freeze_embeddings,
        "--tuning.freeze_first": config.tuning.freeze_first,
        "--tuning.method": config.tuning.method if config.tuning.method in (*IN_LAYERS, *VIRTUAL) else None,
        "--tuning.base": config.tuning.base if config.tuning.base != "float32" else None,
    }


def check_tuning(config: TrainConfig) -> None:
    """Refuse settings of what learns that are without effect or contradict one another.

    Raises:
        SFTError: SFT481, SFT483, SFT486 or SFT493.
    """
    tuning = config.tuning
    default = TuningConfig()
    check_targets(tuning.chosen_targets, ENDS if tuning.method == "adapters" else NAMES)
    for name, problem, methods in _WITHOUT_EFFECT:
        if getattr(tuning, name) and tuning.method in methods:
            raise _contradiction(tuning, "method", name, problem)
    if tuning.method == "adalora" and tuning.first_rank < tuning.rank:
        raise _contradiction(tuning, "rank", "initial_rank", "ranks never rise")
    for name, problem in _OF_FIRST_LAYERS:
        if tuning.freeze_first and getattr(tuning, name):
            raise _contradiction(tuning, "freeze_first", name, problem)
    if tuning.method == "adapters" and (peer := config.export.transformers):
        problem = "transformers has no place for its adapters"
        chosen = f"--tuning.method {tuning.method}"
        raise SFTError("SFT483", choice=chosen, setting="--export.transformers", value=peer, problem=problem)
    if tuning.init_text is not None and tuning.init != default.init:
        raise _contradiction(tuning, "init", "init_text", "both say how virtual tokens begin")
    if tuning.method in VIRTUAL and config.export.transformers:
        flag = f"--export.transformers {config.export.transformers}"
        raise SFTError("SFT493", given=flag, remedy="Leave it out.")
    if tuning.adapter:
        from sftkeras.backbones.hugging_face.adapter_files import AdapterConfig  # safetensors comes with it

        for name in TuningConfig.OF_ADAPTER:
            if getattr(tuning, name) != getattr(default, name):
                problem = f"it has its own {name}. Leave out --tuning.{name}."
                raise SFTError("SFT486", folder=tuning.adapter, problem=problem)
        AdapterConfig.read(Path(tuning.adapter).expanduser(), tuning.method)


def _contradiction(tuning: TuningConfig, one: str, other: str, problem: str) -> SFTError:
    values = {f"--tuning.{name}": json.dumps(getattr(tuning, name)).strip('"') for name in (one, other)}
    (choice, chosen), (setting, value) = values.items()
    return SFTError("SFT483", choice=f"{choice} {chosen}", setting=setting, value=value, problem=problem)


def check_new_tokens_learn(config: TrainConfig) -> None:
    """Refuse to freeze the vectors of tokens that the run itself adds.

    Raises:
        SFTError: SFT386.
    """
    tokens = added_tokens(config)
    for name in ("freeze_embeddings", "freeze_first"):
        if tokens and (value := getattr(config.tuning, name)):
            raise SFTError("SFT386", setting=f"--tuning.{name} {str(value).lower()}", token=tokens[0])
