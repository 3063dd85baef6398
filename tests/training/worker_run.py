"""One worker of a tiny training, in a process of its own; workers.py's tests start several.

`python tests/training/worker_run.py FOLDER '{"name": {settings}, …}'` finds the other workers by TF_CONFIG, fits a
random encoder for each entry and leaves what it ended with in FOLDER/NAME-WORKER.npz.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from sftkeras import runtime

runtime.start_tensorflow()

import keras  # noqa: E402
import numpy as np  # noqa: E402
import small_fit  # noqa: E402
import tensorflow as tf  # noqa: E402
import tiny_run  # noqa: E402
from toy_decoder import toy_backbone  # noqa: E402

from sftkeras.backbones import Backbone  # noqa: E402
from sftkeras.config import TrainingConfig  # noqa: E402
from sftkeras.tasks import Task, attach_head  # noqa: E402
from sftkeras.tasks.classification.task import Classification  # noqa: E402
from sftkeras.tasks.next_tokens import LEARNED, NextTokens  # noqa: E402
from sftkeras.tasks.similarity.features import FIRST, SECOND  # noqa: E402
from sftkeras.tasks.similarity.task import MatchingPairs  # noqa: E402
from sftkeras.training.fit import prepare_model  # noqa: E402
from sftkeras.training.workers import cluster as workers  # noqa: E402
from sftkeras.training.workers.meeting import meet  # noqa: E402

EPOCHS, BATCH = 2, 5  # of 16 rows: an epoch's last batch has one, so that workers or devices get none of it


class Pairs:
    """Each row of `small_fit.TOKENS` with the next one, as the token cache gives pairs of texts."""

    unit = "tokens"
    lengths = small_fit.TOKENS.lengths

    def at(self, epoch: int) -> Pairs:
        return self

    def batch(self, rows: np.ndarray, length: int) -> dict[str, np.ndarray]:
        texts = ((FIRST, rows), (SECOND, (rows + 1) % small_fit.ROWS))
        return {
            side + name: array
            for side, of_side in texts
            for name, array in small_fit.TOKENS.batch(of_side, length).items()
        }


class NextTokensOfTest(NextTokens):
    """Learns each other token of a row."""

    kind = "causal_lm"

    def targets(self, inputs: dict[str, np.ndarray], labels: Any, random: np.random.Generator) -> Any:
        return super().targets({**inputs, LEARNED: inputs["token_ids"] % 2}, labels, random)


def decoder_with_losses(task: Task) -> keras.Model:
    keras.utils.set_random_seed(4)
    return attach_head(toy_backbone(small_fit.PIECES, 16), task, "mean")


def encoder_with_head(task: Task) -> keras.Model:
    keras.utils.set_random_seed(4)
    encoder = tiny_run.build_encoder(tiny_run.Settings())
    return attach_head(Backbone(encoder, None, 16, False, "hugging_face", {}), task, "mean")


def train(given: dict[str, Any], strategy: tf.distribute.Strategy) -> dict[str, Any]:
    patience = given.pop("patience", None)
    task: Task = Classification(("even", "odd"), dropout=0.0, class_weights=tuple(given.pop("class_weights", ())))
    pairs = given.pop("pairs", False)
    if pairs:
        task = MatchingPairs()
    if next_tokens := given.pop("next_tokens", False):
        task = NextTokensOfTest()
    optimizer, small = given.pop("optimizer"), given.pop("small", False)
    training = {"epochs": EPOCHS, "batch_size": BATCH, **given}
    config = small_fit.configured(optimizer={"clip_norm": 0.5, **optimizer}, **training)
    with strategy.scope():
        made = decoder_with_losses if next_tokens else encoder_with_head
        network = small_fit.network() if small else made(task)
    train, validation = (small_fit.batches(config, part, shuffle=part == "train") for part in ("train", "validation"))
    for batches in (train, validation):
        batches._task = task
        batches._inputs = Pairs() if pairs else batches._inputs
    total = train.steps * config.training.epochs
    model = prepare_model(network, task, config, total_steps=total, strategy=strategy)
    callbacks = [] if patience is None else [keras.callbacks.EarlyStopping("val_loss", patience=patience)]
    history = model.fit(
        train.distributed(range(config.training.epochs), strategy),
        epochs=config.training.epochs,
        steps_per_epoch=train.steps,
        validation_data=validation.distributed(range(1), strategy),
        validation_steps=validation.steps,
        shuffle=False,
        callbacks=callbacks,
        verbose=0,
    ).history
    weights = {f"weights/{it.path}": it.numpy() for it in network.trainable_variables}
    return weights | {f"history/{name}": np.asarray(values) for name, values in history.items()}


def stock_fit_fails(strategy: tf.distribute.Strategy) -> bool:
    """Whether Keras' own `fit` fails under this strategy."""
    with strategy.scope():
        model = keras.Sequential([keras.Input((2,)), keras.layers.Dense(1)])
        model.compile("sgd", "mse")
    dataset = tf.data.Dataset.from_tensors((np.ones((4, 2), np.float32), np.ones((4, 1), np.float32)))
    options = tf.data.Options()
    options.experimental_distribute.auto_shard_policy = tf.data.experimental.AutoShardPolicy.OFF
    try:
        model.fit(dataset.with_options(options), verbose=0)
    except Exception:
        return True
    return False


def main(folder: str, devices: str, runs: str) -> None:
    several = workers.TF_CONFIG in os.environ
    config = TrainingConfig(strategy="multi_worker" if several else "mirrored", devices=int(devices))
    cluster = workers.enter(config.strategy)
    meet(cluster, runs, 60)
    strategy = runtime.make_strategy(config, 5)
    workers.connect(strategy)
    raised = workers.agree(cluster.index == 1, False)
    assert workers.all_have(2**62 + 5)
    assert workers.all_have(cluster.index + 6) == (not several)
    for name, given in json.loads(runs).items():
        result = train(given, strategy)
        np.savez(Path(folder) / f"{name}-{cluster.index}.npz", agreed=np.array(raised), **result)
    (Path(folder) / f"stock-{cluster.index}").write_text(str(stock_fit_fails(strategy)), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
