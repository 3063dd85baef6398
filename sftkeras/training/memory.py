"""Measures a run's memory by its parts, and estimates its peak. Nothing is saved here."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, fields

import keras
import tensorflow as tf

from sftkeras import runtime
from sftkeras.training.step.model import SupervisedModel

_EXPORT_COPIES = 3  # of the weights: the model built again, its SavedModel's variables, and what is being written


@dataclass(frozen=True)
class MemoryUse:
    """Bytes at the peak of a run.

    Attributes:
        program: libraries and data.
        weights: of the network.
        averages: of the weights, and of what is known of their importance, where they are kept.
        gradients: as large as the weights that learn; less where a step never holds those of looked-up tables whole.
        moments: what the optimizer keeps.
        activations: of the longest batch, and all else that a step needs.
        saving: a copy of weights, averages and moments, which a state needs if a step ends before it is written.
        penalty: the earlier weights and their Fisher information, for elastic weight consolidation.
    """

    program: int
    weights: int
    averages: int
    gradients: int
    moments: int
    activations: int
    saving: int
    penalty: int = 0

    @property
    def peak(self) -> int:
        """The most that training or export needs."""
        parts = {field.name: getattr(self, field.name) for field in fields(self)}
        export = sum(parts.values()) - self.activations - self.gradients + _EXPORT_COPIES * self.weights
        return max(sum(parts.values()), export)

    def describe(self) -> str:
        """The parts, in MiB, in a line."""
        parts = {
            "libraries and data": self.program,
            "weights": self.weights,
            "averages": self.averages,
            "earlier weights and their Fisher information": self.penalty,
            "gradients": self.gradients,
            "moments": self.moments,
            "activations of the longest batch": self.activations,
            "a copy of the state while it is saved": self.saving,
        }
        return ", ".join(f"{name} {size / 2**20:.0f}" for name, size in parts.items() if size)


def memory_use(model: SupervisedModel, *, before: int, peak: int) -> MemoryUse:
    """Divides what was measured.

    Args:
        model: after steps of its longest batches.
        before: bytes that the process held before there were weights.
        peak: the most it has held since.
    """
    devices = model.distribute_strategy.num_replicas_in_sync
    network = model.network
    weights = _bytes(network.variables) * devices
    averages = _bytes([*model.averages, *model.tuning.variables]) * devices
    penalty = _bytes(model.penalty.variables) * devices if model.penalty else 0
    moments = _bytes(model.optimizer.variables) * devices
    beyond = max(0, peak - before - weights - averages - penalty - moments)
    gradients = min(beyond, _bytes(network.trainable_variables) * devices)
    activations = beyond - gradients
    saving = (weights + averages + moments) // devices - _bytes(model.tuning.frozen)
    return MemoryUse(before, weights, averages, gradients, moments, activations, saving, penalty)


def describe_gpus() -> list[str]:
    """The peak of each GPU since the process began, a line each."""
    gpus = tf.config.list_logical_devices("GPU")
    peaks = [tf.config.experimental.get_memory_info(gpu.name.removeprefix("/device:"))["peak"] for gpu in gpus]
    return [f"GPU {number}          {peak / 2**30:.1f} GiB" for number, peak in enumerate(peaks)]


def held_now() -> int:
    """Bytes that this process holds."""
    import psutil

    return psutil.Process().memory_info().rss


def held_at_most() -> int:
    """The most bytes that this process has ever held."""
    return runtime.peak_memory()


def _bytes(variables: Iterable[keras.Variable | tf.Variable]) -> int:
    return sum(math.prod(variable.shape) * tf.as_dtype(variable.dtype).size for variable in variables)
