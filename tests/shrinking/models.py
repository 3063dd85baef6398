"""Untrained models as `restore_run` gives them, with the rows that they would learn from."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from sftkeras.backbones import load_backbone
from sftkeras.command_line.commands import parse
from sftkeras.config import TrainConfig
from sftkeras.data import LabelledData, load_data
from sftkeras.runs.restoring import RestoredRun
from sftkeras.tasks import TextModel, attach_head, make_task, spec_of


def untrained(folder: Path, rows: Path, *words: str, pooling: Any = "mean") -> tuple[RestoredRun, LabelledData]:
    """A model of a backbone's folder, by the settings of a training."""
    config = parse(TrainConfig, [f"--data.train={rows}", f"--backbone.handle={folder}", *words])
    spec = spec_of(config.task.kind)
    config = spec.with_columns(config)
    data = load_data(config.data, spec.label_kind(config.task), config.seed)
    backbone = load_backbone(folder, max_length=16)
    task = make_task(config.task, data.label_names, data.examples.labels, backbone.tokenizer).for_folder(folder)
    network = attach_head(backbone, task, pooling)
    features = task.features(backbone.tokenizer, max_length=16, pairs=False)
    return RestoredRun(TextModel(features, network, task, backbone), backbone, pooling, 16, {}), data


def all_texts(data: LabelledData) -> Sequence[str]:
    """The texts of all rows."""
    return [text for texts, _ in data.examples.text_batches(100) for text in texts]
