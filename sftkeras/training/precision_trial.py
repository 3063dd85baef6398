"""Tries whether bfloat16 makes a run's steps faster: its first layers, forwards and backwards, on a batch of its own.

Products alone would promise too much: they may be six times as fast where a whole step is 1.3 times (an Intel Xeon
with AMX), since what stands between them is not.
"""

from __future__ import annotations

import shutil
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones import Backbone, load_backbone
from sftkeras.backbones.dense.operations import products_in
from sftkeras.backbones.dropout import dropout_stream, use_stream_dropout
from sftkeras.plurals import counted
from sftkeras.runtime import in_precision
from sftkeras.training.batches import Batches
from sftkeras.training.setup import Setup

LEAST_GAIN = 1.1  # times as fast; less than this is not worth rounding
_LAYERS = 2
_TURNS = 5
_SECONDS = 4.0  # after which no further turn begins
_MOST_TOKENS = 4096  # of a batch: products of more rows are no faster
_LOOKED_AT = 25  # steps of the plan among which a typical one is found

Step = Callable[[], object]


@dataclass(frozen=True)
class Trial:
    """Times of the same work in float32 and in bfloat16, which took turns.

    Attributes:
        exact: seconds in float32, of each turn.
        rounded: seconds in bfloat16, of each turn.
        rows: of the batch.
        length: of the batch, in tokens.
    """

    exact: Sequence[float]
    rounded: Sequence[float]
    rows: int
    length: int

    @property
    def gain(self) -> float:
        """Speed in bfloat16 over the speed in float32, the median of the turns."""
        return float(np.median(np.divide(self.exact, self.rounded)))

    @property
    def pays(self) -> bool:
        """Whether the gain is worth it."""
        return self.gain >= LEAST_GAIN

    def describe(self) -> str:
        """The outcome, as the rest of a sentence that names the precision."""
        least = "" if self.pays else f", and less than {LEAST_GAIN} does not pay"
        return (
            f"since bfloat16 is {self.gain:.2f} times as fast as float32 in this run's first layers, "
            f"on {counted(self.rows, 'row')} of {counted(self.length, 'token')}{least}"
        )


def try_bfloat16(setup: Setup) -> Trial:
    """Times the first layers of a run's backbone in both precisions, in turns, on a typical batch.

    Args:
        setup: of the run in float32, whose backbone is no TF-Hub module; it stays as it is.
    """
    inputs = typical_inputs(setup.train, parts=setup.strategy.num_replicas_in_sync * setup.config.training.accumulation)
    exact, rounded = take_turns(*_both(setup, inputs))
    rows, length = inputs["token_ids"].shape
    return Trial(exact, rounded, rows=rows, length=length)


def typical_inputs(batches: Batches, *, parts: int) -> dict[str, np.ndarray]:
    """Return model inputs of a device's part of the batch that has the median number of tokens, in arrays of its rows.

    Args:
        batches: of the training.
        parts: parts that devices and micro-batches make of a batch.
    """
    plan = batches.plan
    steps = np.unique(np.linspace(0, batches.steps - 1, min(batches.steps, _LOOKED_AT)).astype(int))
    sizes = [len(rows) * length for rows, length in (plan.batch(0, int(step)) for step in steps)]
    inputs, _, _ = batches.arrays(0, int(steps[np.argsort(sizes)[len(sizes) // 2]]))
    count, length = inputs["token_ids"].shape
    count = max(1, min(count // parts, _MOST_TOKENS // length))
    return {name: array[:count] for name, array in inputs.items()}


def take_turns(
    one: Step, other: Step, *, now: Callable[[], float] = time.perf_counter
) -> tuple[list[float], list[float]]:
    """Gives the seconds of each of two functions in each turn; the first call of each is not timed.

    Args:
        one: does the work in one way, and waits for it.
        other: in the other.
        now: the clock.
    """
    one()
    other()
    began, turns = now(), list[tuple[float, float]]()
    while len(turns) < _TURNS and (not turns or now() - began < _SECONDS):
        start = now()
        one()
        between = now()
        other()
        turns.append((between - start, now() - between))
    return [first for first, _ in turns], [second for _, second in turns]


def _both(setup: Setup, inputs: dict[str, np.ndarray]) -> tuple[Step, Step]:
    """The work in float32 and in bfloat16."""
    backbone, strategy = setup.backbone, setup.strategy
    if backbone.kind == "decoder":  # which is one network in both: its products alone differ
        return _step(backbone, strategy, inputs), _step(backbone, strategy, inputs, products="bfloat16")
    with strategy.scope():
        exact, rounded = (
            _twin(backbone, setup.config.backbone.dropout, policy) for policy in ("float32", "mixed_bfloat16")
        )
    return _step(exact, strategy, inputs), _step(rounded, strategy, inputs)


def _step(
    backbone: Backbone,
    strategy: tf.distribute.Strategy,
    inputs: dict[str, np.ndarray],
    *,
    products: str | None = None,
) -> Step:
    """A function that computes the first layers and the gradients of their weights, and waits for them."""
    layers = backbone.layers[:_LAYERS]
    network = keras.Model(backbone.model.input, layers[-1].output)
    taken = {name: tf.constant(array) for name, array in inputs.items() if name in backbone.model.input}

    def compute() -> tf.Tensor:
        variables = [variable.value for layer in layers for variable in layer.trainable_variables]
        with products_in(products) if products else nullcontext(), dropout_stream(0, tf.constant(0)):
            with tf.GradientTape() as tape:
                loss = tf.reduce_mean(tf.square(tf.cast(network(taken, training=True), tf.float32)))
            return tf.linalg.global_norm([loss, *tape.gradient(loss, variables)])  # of frozen layers, the loss alone

    run = tf.function(lambda: strategy.run(compute), autograph=False)
    return lambda: [float(norm) for norm in strategy.experimental_local_results(run())]


def _twin(backbone: Backbone, dropout: float | None, policy: str) -> Backbone:
    """The same encoder without the checkpoint's weights, in a precision of its own."""
    with tempfile.TemporaryDirectory() as name, in_precision(policy):
        for file, path in backbone.files.items():
            copy = Path(name, file)
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        twin = load_backbone(
            Path(name),
            max_length=backbone.max_positions,
            dropout=dropout,
            without_weights=backbone.format,
        )
    use_stream_dropout(twin.model)
    return twin
