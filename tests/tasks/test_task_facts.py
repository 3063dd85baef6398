"""What is known of a task before TensorFlow is loaded is what the loaded task has."""

from __future__ import annotations

import importlib
from typing import Any

import numpy as np
import pytest

from sftkeras.tasks import TASKS, Task, spec_of
from sftkeras.tasks.classification.spec import ClassificationSettings
from sftkeras.tasks.similarity.spec import SimilaritySettings

SETTINGS: list[Any] = [
    *(spec_of(kind).settings() for kind in TASKS),
    ClassificationSettings(multi_label=True),
    SimilaritySettings(loss="cosine"),
    SimilaritySettings(loss="contrastive"),
]


def named(settings: Any) -> str:
    return f"{settings.kind}-{spec_of(settings.kind).label_kind(settings).name}"


def made(settings: Any) -> Task:
    """The task before it knows a vocabulary."""
    labels = np.array([[0, 1], [1, 0]]) if "classes" in named(settings) else np.array([0, 1])
    task: Task = importlib.import_module(f"sftkeras.tasks.{settings.kind}.task").make(settings, ("a", "b"), labels)
    return task


@pytest.mark.parametrize("settings", SETTINGS, ids=named)
def test_the_metrics_are_known_beforehand(settings: Any) -> None:
    task = made(settings)
    assert spec_of(settings.kind).metrics(settings) == tuple(metric.name for metric in task.metrics())


@pytest.mark.parametrize("kind", TASKS)
def test_a_task_has_the_name_of_its_folder_and_settings_that_say_it(kind: str) -> None:
    spec = spec_of(kind)
    assert spec.kind == kind
    assert spec.settings().kind == kind


# masked_lm keeps its settings only once it knows a vocabulary.
@pytest.mark.parametrize("settings", [each for each in SETTINGS if each.kind != "masked_lm"], ids=named)
def test_its_settings_come_back_from_what_an_export_keeps(settings: Any) -> None:
    spec = spec_of(settings.kind)
    assert spec.label_kind(spec.restored(made(settings).settings())) == spec.label_kind(settings)
