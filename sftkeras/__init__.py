"""Supervised fine-tuning for Keras 3 and TensorFlow: a pretrained encoder in, a served model out.

Imports nothing but the standard library until one of its names is used.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from sftkeras.api.fine_tuning import fine_tune as fine_tune
    from sftkeras.api.pretrained import load_backbone as load_backbone
    from sftkeras.api.run import Run as Run
    from sftkeras.comparison import compare as compare
    from sftkeras.errors import Preempted as Preempted
    from sftkeras.errors import SFTError as SFTError
    from sftkeras.prediction.predictor import load as load

__version__ = "0.1.0"

# Each name that users import, with the module that has it. No name may be that of a module of this package; that of
# compare may, since it is called as the function is. The settings of the tasks, such as TaggingSettings, are found in
# `tasks`.
_HOMES = {
    "Run": "api.run",
    "compare": "comparison",
    "fine_tune": "api.fine_tuning",
    "load": "prediction.predictor",
    "load_backbone": "api.pretrained",
    "Preempted": "errors",
    "SFTError": "errors",
    **dict.fromkeys(
        (
            *("AugmentationConfig", "BackboneConfig", "CheckpointConfig", "CleaningConfig", "DataConfig"),
            *("EarlyStoppingConfig", "ExportConfig", "ObjectiveConfig", "OptimizerConfig", "ReportConfig"),
            *("ResumeConfig", "TaskSettings", "TrainConfig", "TrainingConfig"),
        ),
        "config",
    ),
}

__all__ = ["__version__", *_HOMES]


def __getattr__(name: str) -> Any:
    """Import what users ask for by name."""
    home = "tasks" if name.endswith("Settings") and name not in _HOMES else _HOMES.get(name)
    if home is None:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{home}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
