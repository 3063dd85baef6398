"""When a step runs out of memory: done again in half as large micro-batches, and so is every step after it.

Micro-batches do not change the result, so neither does this. It helps where an allocation fails: on GPUs (not run on
one), and on a CPU where the system refuses it. Linux mostly grants what it has not got, and kills the process later; a
limit such as `ulimit -v` makes TensorFlow's own threads fail first. The dry run shows this before.
"""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from sftkeras.console import say
from sftkeras.errors import SFTError
from sftkeras.internals.tensorflow import has_several_workers
from sftkeras.training.batches import Batches
from sftkeras.training.position import Position
from sftkeras.training.step.model import StepFunction, SupervisedModel

Logs = dict[str, tf.Tensor]


class SmallerSteps:
    """Guards the steps of a model: see `SupervisedModel.guard`.

    Args:
        model: what is trained.
        batches: its batches; the one at fault is taken from here again.
        position: where the run is.
        remedy: what else than smaller batches would save memory, as the end of a sentence.
    """

    def __init__(self, model: SupervisedModel, batches: Batches, position: Position, remedy: str = "") -> None:
        self._model = model
        self._batches = batches
        self._position = position
        self._remedy = remedy
        self._updates = model.updates_begun  # the steps that went well

    def __call__(self, step: StepFunction) -> StepFunction:
        """Wraps `step`.

        The function it gives raises:
            SFTError: SFT441 if memory runs out with one row a device, SFT442 if it ran out while weights were changed,
                SFT443 if there are several workers, whose communication TensorFlow cannot repair.
        """

        def guarded(iterator: Any) -> Logs:
            try:
                logs = step(iterator)
            except tf.errors.ResourceExhaustedError as error:
                self._model.split_further(self._more_parts(error))
                assert self._model.train_function is not None
                return self._model.train_function(self._this_batch())  # guarded too
            self._updates += 1
            return logs

        return guarded

    def validating(self, step: StepFunction) -> StepFunction:
        """Wraps the function that validates a batch. None is validated again: the metrics may have a part of it.

        The function it gives raises:
            SFTError: SFT444 if memory runs out.
        """

        def guarded(iterator: Any) -> Logs:
            try:
                return step(iterator)
            except tf.errors.ResourceExhaustedError as error:
                epoch, doubled = self._position.epoch + 1, 2 * self._model.accumulation
                raise SFTError("SFT444", epoch=epoch, accumulation=doubled) from error

        return guarded

    def _more_parts(self, error: tf.errors.ResourceExhaustedError) -> int:
        """Twice as many micro-batches, if that can help; says so."""
        model, position, strategy = self._model, self._position, self._model.distribute_strategy
        doubled = 2 * model.accumulation
        place = {"step": position.step + 1, "epoch": position.epoch + 1}
        if has_several_workers(strategy):
            worker = strategy.cluster_resolver.task_id
            raise SFTError("SFT443", **place, worker=worker, accumulation=doubled) from error
        if model.updates_begun != self._updates:
            raise SFTError("SFT442", **place, accumulation=doubled) from error
        rows, _ = self._batches.plan.batch(position.epoch, position.step)
        most = -(-len(rows) // strategy.num_replicas_in_sync)  # rows on a device
        if model.accumulation >= most:
            raise SFTError("SFT441", **place, remedy=self._remedy) from error
        parts = min(doubled, most)
        say(
            f"Out of memory at step {place['step']} of epoch {place['epoch']}: from here on a batch is computed in "
            f"{parts} parts, as with --training.accumulation {parts}. The result is the same."
        )
        return parts

    def _this_batch(self) -> Any:
        """An iterator over the batch at fault, which the epoch's own has left behind."""
        epoch, strategy = self._position.epoch, self._model.distribute_strategy
        return iter(self._batches.distributed(range(epoch, epoch + 1), strategy, self._position.step))
