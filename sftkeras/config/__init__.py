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
    ExportPrecision,
    GenerateConfig,
    LaunchConfig,
    PredictConfig,
    PublishConfig,
    PublishedType,
    PublishFormat,
    ReportConfig,
    ServeConfig,
    TrainConfig,
    plain,
)
from sftkeras.config.continual import ContinualConfig
from sftkeras.config.data import AugmentationConfig, DataConfig, LabelledFileConfig, ReadingConfig
from sftkeras.config.distillation import DistillationConfig
from sftkeras.config.markers import added_tokens, closing_marker, markers_of, opening_markers
from sftkeras.config.model import BackboneConfig, CleaningConfig, Pooling, TaskSettings
from sftkeras.config.names import other_writing
from sftkeras.config.objective import ObjectiveConfig
from sftkeras.config.shrink import ShrinkConfig
from sftkeras.config.training import (
    CheckpointConfig,
    EarlyStoppingConfig,
    OptimizerConfig,
    ResumeConfig,
    TrainingConfig,
)
from sftkeras.config.tuning import TuningConfig
from sftkeras.config.values import FileFormat, TagScheme

__all__ = [
    "AugmentationConfig",
    "BackboneConfig",
    "CheckpointConfig",
    "CleaningConfig",
    "CompareConfig",
    "ContinualConfig",
    "DataConfig",
    "DistillationConfig",
    "EarlyStoppingConfig",
    "EvaluateConfig",
    "ExportCommandConfig",
    "ExportConfig",
    "ExportPrecision",
    "FileFormat",
    "GenerateConfig",
    "LabelledFileConfig",
    "LaunchConfig",
    "ObjectiveConfig",
    "OptimizerConfig",
    "Pooling",
    "PredictConfig",
    "PublishConfig",
    "PublishFormat",
    "PublishedType",
    "ReadingConfig",
    "ReportConfig",
    "ResumeConfig",
    "ServeConfig",
    "ShrinkConfig",
    "TagScheme",
    "TaskSettings",
    "TrainConfig",
    "TrainingConfig",
    "TuningConfig",
    "added_tokens",
    "closing_marker",
    "markers_of",
    "opening_markers",
    "other_writing",
    "plain",
]
