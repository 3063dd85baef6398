"""`fit` on a network so small that a run takes a second: callbacks, batches and files are tested with it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from sftkeras.config import EarlyStoppingConfig, OptimizerConfig, TrainConfig, TrainingConfig
from sftkeras.data import BatchPlan
from sftkeras.runs import RunFolder
from sftkeras.tasks.classification.spec import ClassificationSettings
from sftkeras.tasks.classification.task import Classification
from sftkeras.training.batches import Batches
from sftkeras.training.fit import prepare_model
from sftkeras.training.step.model import SupervisedModel

ROWS, PIECES = 22, 12


class Tokens:
    """Features of random rows of two to nine tokens, as a token cache gives them."""

    unit = "tokens"

    def __init__(self) -> None:
        random = np.random.default_rng(8)
        self.lengths = random.integers(2, 10, ROWS).astype(np.int32)
        self.rows = [random.integers(1, PIECES, length).astype(np.int32) for length in self.lengths]

    def at(self, epoch: int) -> Tokens:
        return self

    def batch(self, rows: np.ndarray, length: int) -> dict[str, np.ndarray]:
        tokens = np.zeros((len(rows), length), np.int32)
        mask = np.zeros((len(rows), length), np.int32)
        for number, row in enumerate(rows):
            size = min(length, len(self.rows[row]))
            tokens[number, :size] = self.rows[row][:size]
            mask[number, :size] = 1
        return {"token_ids": tokens, "segment_ids": tokens * 0, "padding_mask": mask}


TOKENS = Tokens()
LABELS = np.array([int(row.sum()) % 2 for row in TOKENS.rows], np.int32)
TASK = Classification(("even", "odd"), dropout=0.0)
CONFIG = TrainConfig(
    task=ClassificationSettings(),
    name="small",
    optimizer=OptimizerConfig(learning_rate=0.05, schedule="constant", warmup=0.0),
    training=TrainingConfig(epochs=3, batch_size=8, early_stopping=EarlyStoppingConfig(patience=None)),
)


def configured(config: TrainConfig = CONFIG, *, optimizer: dict | None = None, **training: Any) -> TrainConfig:
    return replace(
        config,
        optimizer=replace(config.optimizer, **(optimizer or {})),
        training=replace(config.training, **training),
    )


def batches(config: TrainConfig, part: str, *, shuffle: bool = True, max_length: int = 16) -> Batches:
    rows = np.arange(16) if part == "train" else np.arange(16, ROWS)
    room = max_length if config.training.packing else None
    plan = BatchPlan(TOKENS.lengths, rows, config.training.batch_size, config.seed, shuffle=shuffle, room=room)
    return Batches(plan, TOKENS, LABELS, TASK, max_length)  # type: ignore[arg-type]


def network() -> keras.Model:
    keras.utils.set_random_seed(4)
    names = ("token_ids", "segment_ids", "padding_mask")
    inputs = {name: keras.Input((None,), dtype="int32", name=name) for name in names}
    tokens = keras.layers.Embedding(PIECES, 6)(inputs["token_ids"])
    return keras.Model(inputs, TASK.head(keras.layers.GlobalMaxPooling1D()(tokens)))


@dataclass
class Prepared:
    """All that `fit` takes."""

    model: SupervisedModel
    train: Batches
    validation: Batches
    config: TrainConfig
    run: RunFolder


def prepare(folder: Path, config: TrainConfig = CONFIG) -> Prepared:
    config = replace(config, runs=str(folder))
    run = RunFolder.plan(config)
    run.create(config)
    train, validation = batches(config, "train"), batches(config, "validation", shuffle=False)
    model = prepare_model(
        network(),
        TASK,
        config,
        total_steps=train.steps * config.training.epochs,
        strategy=tf.distribute.get_strategy(),
    )
    return Prepared(model, train, validation, config, run)
