"""Measures the parts of training's time: waiting for batches, computing, adding up gradients, saving states. What a bad
share means is said in stalls.py."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, TypeVar

import keras
import numpy as np
import tensorflow as tf

from sftkeras.internals.tensorflow import is_op_determinism_enabled

Seconds = dict[str, float]
Nested = TypeVar("Nested")  # tensors in tuples and dictionaries

# What the time of `fit` is divided into. "start" is steps that trace the graph, such as the first of a process;
# "all_reduce" is what the sum over devices takes once this process's own gradient is there; "other" is callbacks, logs.
STEP_PARTS = ("input", "compute", "all_reduce", "checkpoint")
PARTS = ("start", *STEP_PARTS, "validation", "other")


class StepClock:
    """Reads the time inside the step's graph.

    Make it in the strategy's scope. On a GPU, whose kernels run behind the host, the times of the middle are early; the
    step's whole time is right.
    """

    def __init__(self) -> None:
        # Each replica has its own; reading the first one's asks no other device or worker.
        self._times = tf.Variable(
            tf.zeros([3], tf.float64),
            trainable=False,
            synchronization=tf.VariableSynchronization.ON_READ,
            aggregation=tf.VariableAggregation.ONLY_FIRST_REPLICA,
        )
        self._strategy = tf.distribute.get_strategy()

    def arrived(self, batch: Nested) -> tuple[tf.Tensor, Nested]:
        """The time at which a batch, nested tensors, is there; and the batch, for those who compute with it.

        They wait for the time to be read: beside them it might be read only when a thread is free, and what they took
        until then would count as waiting for the batch.
        """
        time_of_arrival = _when(batch)
        with tf.control_dependencies([time_of_arrival]):
            return time_of_arrival, tf.nest.map_structure(tf.identity, batch)

    def note(self, arrived: tf.Tensor, gradients: Any, summed: Any) -> None:
        """Notes when the batch arrived, and when each of these nested tensors is there; nothing waits for that.

        Call it once in a step, on each replica.
        """
        self._times.assign(tf.stack([arrived, _when(gradients), _when(summed)]))

    def read(self) -> tuple[float, float, float]:
        """The three times of the last step on this process's first device, in seconds since 1970."""
        batch, gradients, summed = self._strategy.experimental_local_results(self._times)[0].numpy().tolist()
        return batch, gradients, summed


def _when(tensors: Any) -> tf.Tensor:
    """The time at which the last of these is there."""
    with tf.control_dependencies(tf.nest.flatten(tensors)):
        if is_op_determinism_enabled():  # it refuses the operation, though no result depends on it here
            return tf.ensure_shape(tf.numpy_function(_host_time, [], tf.float64), [])
        return tf.timestamp()


def _host_time() -> np.float64:
    return np.float64(time.time())


class StepTimer(keras.callbacks.Callback):
    """Divides the time of `fit` into `PARTS`.

    Args:
        clock: of the model that is trained.

    Attributes:
        step: seconds of the last step by part of `STEP_PARTS`; "checkpoint" is of the state saved just before it.
        whole: seconds of the last step, from the host asking for it to its figures.
        traced: whether the last step also traced the graph, and so says nothing about speed.
        sums: seconds by part of `PARTS`, since the run's beginning.
        steps: how many steps they are of.
    """

    def __init__(self, clock: StepClock) -> None:
        super().__init__()
        self._clock = clock
        self.step: Seconds = dict.fromkeys(STEP_PARTS, 0.0)
        self.whole = 0.0
        self.sums: Seconds = dict.fromkeys(PARTS, 0.0)
        self.steps = 0
        self.traced = True
        self._function: object = None  # that did the step before
        self._mark: float | None = None  # up to here the time is accounted for
        self._began = self._saved = 0.0

    def state(self) -> Seconds:
        """State of the clocks, from which a resumed run counts on."""
        return {**self.sums, "steps": self.steps}

    def restore(self, state: Seconds) -> None:
        """Restores `state`."""
        self.steps = int(state["steps"])
        self.sums = {part: float(state.get(part, 0.0)) for part in PARTS}

    def divided(self, seconds: float) -> Seconds:
        """Divides the whole time of a training: what no part has is "other", so that the parts add up to it."""
        rest = seconds - sum(self.sums.values())
        return {**self.sums, "other": max(self.sums["other"] + rest, 0.0)}

    @contextmanager
    def saving(self, *, state: bool = True) -> Iterator[None]:
        """Counts the time of the block, in the training loop, as that of a checkpoint; if of a `state`, in a step."""
        self._account("other")
        before = self._now()
        try:
            yield
        finally:
            self._saved += self._now() - before if state else 0.0
            self._account("checkpoint")

    def on_train_begin(self, logs: dict[str, float] | None = None) -> None:
        """Starts the account."""
        if self._mark is None:
            self._mark = self._now()

    def on_test_begin(self, logs: dict[str, float] | None = None) -> None:
        """Ends what came before the validation."""
        self._account("other")

    def on_test_end(self, logs: dict[str, float] | None = None) -> None:
        """Counts the validation."""
        self._account("validation")

    def on_train_batch_begin(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the step's clock."""
        self._account("other")
        assert self._mark is not None
        self._began = self._mark

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Divides the step."""
        self._mark = self._now()
        self.whole = max(self._mark - self._began, 0.0)
        self.step = {**self._divided(), "checkpoint": self._saved}
        self._saved = 0.0
        self.steps += 1
        self.traced = self._function is not self.model.train_function
        self._function = self.model.train_function
        if self.traced:
            self.sums["start"] += self.whole
        else:
            for part in ("input", "compute", "all_reduce"):
                self.sums[part] += self.step[part]

    def _divided(self) -> Seconds:
        """The step's seconds by part: what the graph's clock says, kept within the step if the clock was set."""
        batch, gradients, summed = self._clock.read()
        waiting = min(max(batch - self._began, 0.0), self.whole)
        reducing = min(max(summed - gradients, 0.0), self.whole - waiting)
        return {"input": waiting, "compute": self.whole - waiting - reducing, "all_reduce": reducing}

    def _account(self, part: str) -> None:
        """Counts the time since the last mark as that of `part`."""
        now = self._now()
        if self._mark is not None:
            self.sums[part] += max(now - self._mark, 0.0)
        self._mark = now

    @staticmethod
    def _now() -> float:
        return time.time()  # the clock that TensorFlow's graph reads
