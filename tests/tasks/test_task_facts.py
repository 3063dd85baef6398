"""What is known of a task before TensorFlow is loaded is what the loaded task has."""

from __future__ import annotations

import importlib

import numpy as np
import pytest

from sftkeras.config import TASKS, TaskConfig

CONFIGS = [
    *(TaskConfig(kind=kind) for kind in TASKS),  # type: ignore[arg-type]
    TaskConfig(multi_label=True),
    TaskConfig(kind="similarity", loss="cosine"),
    TaskConfig(kind="similarity", loss="contrastive"),
]


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: f"{config.kind}-{config.label_kind}")
def test_the_metrics_are_known_beforehand(config: TaskConfig) -> None:
    labels = np.array([0, 1])
    task = importlib.import_module(f"sftkeras.tasks.{config.kind}.task").make(config, ("a", "b"), labels)
    assert config.metrics == tuple(metric.name for metric in task.metrics())
