"""A module that trains as it is learns what the encoder that is rebuilt of it learns, step by step."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import tensorflow as tf
from backbones.hub_modules import BERT

from sftkeras.backbones import load_backbone
from sftkeras.config import OptimizerConfig
from sftkeras.tasks import attach_head
from sftkeras.tasks.classification.task import Classification
from sftkeras.training.step.model import SupervisedModel
from sftkeras.training.step.optimizers import make_optimizer

STEPS = 8


def losses(module: Path, mode: str) -> list[float]:
    backbone = load_backbone(module, max_length=9, dropout=0.0 if mode == "native" else None, mode=mode)
    task = Classification(("a", "b"), dropout=0.0)
    network = attach_head(backbone, task, "mean")
    head = network.get_layer("logits")
    head.kernel.assign(np.linspace(-0.5, 0.5, 32).reshape(16, 2))
    model = SupervisedModel(network, task, seed=1, clip_norm=1.0)
    model.compile(make_optimizer(OptimizerConfig(learning_rate=1e-2), total_steps=STEPS, loss_scaling=False))
    random = np.random.default_rng(6)
    ids = random.integers(5, 50, (6, 9)).astype(np.int32)
    mask = (np.arange(9) < random.integers(1, 10, (6, 1))).astype(np.int32)
    inputs = {"token_ids": ids * mask, "segment_ids": 0 * ids, "padding_mask": mask}
    labels, weights = np.array([0, 1, 1, 0, 1, 0], np.int32), np.full(6, 1 / 6, np.float32)
    batches = tf.data.Dataset.from_tensors((inputs, labels, weights)).repeat()
    return model.fit(batches, epochs=STEPS, steps_per_epoch=1, verbose=0).history["loss"]


def test_both_ways_learn_the_same(tmp_path: Path) -> None:
    module = BERT.write(tmp_path / "module")
    native, opaque = losses(module, "native"), losses(module, "opaque")
    np.testing.assert_allclose(opaque, native, atol=1e-5)
    assert native[-1] < native[0] / 2
