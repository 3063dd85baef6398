"""Every setting of every command: its type, its default and its help text. Imports no TensorFlow.

The dataclasses are the one source of the flags, the YAML keys and `--help`: the text under a field is its help. A stage
of the program is given its own section, never the whole.
"""

from __future__ import annotations

from sftkeras.config.commands import (
    CompareConfig,
    EvaluateConfig,
    ExportCommandConfig,
    ExportConfig,
    LaunchConfig,
    PredictConfig,
    PublishConfig,
    ReportConfig,
    ServeConfig,
    TrainConfig,
    as_recorded,
    plain,
    with_task_columns,
)
from sftkeras.config.data import AugmentationConfig, DataConfig, LabelledFileConfig, ReadingConfig
from sftkeras.config.kinds import TASKS, FileFormat, LabelKind, TagScheme
from sftkeras.config.markers import added_tokens, closing_marker, markers_of, opening_markers
from sftkeras.config.model import BackboneConfig, CleaningConfig, Pooling, TaskConfig
from sftkeras.config.names import other_writing
from sftkeras.config.training import (
    CheckpointConfig,
    EarlyStoppingConfig,
    OptimizerConfig,
    ResumeConfig,
    TrainingConfig,
)

__all__ = [
    "TASKS",
    "AugmentationConfig",
    "BackboneConfig",
    "CheckpointConfig",
    "CleaningConfig",
    "CompareConfig",
    "DataConfig",
    "EarlyStoppingConfig",
    "EvaluateConfig",
    "ExportCommandConfig",
    "ExportConfig",
    "FileFormat",
    "LabelKind",
    "LabelledFileConfig",
    "LaunchConfig",
    "OptimizerConfig",
    "Pooling",
    "PredictConfig",
    "PublishConfig",
    "ReadingConfig",
    "ReportConfig",
    "ResumeConfig",
    "ServeConfig",
    "TagScheme",
    "TaskConfig",
    "TrainConfig",
    "TrainingConfig",
    "added_tokens",
    "as_recorded",
    "closing_marker",
    "markers_of",
    "opening_markers",
    "other_writing",
    "plain",
    "with_task_columns",
]
