"""Learning rates over the run: a linear warm-up, then a linear or cosine fall to zero, or none."""

from __future__ import annotations

import math
from typing import Literal

import keras
import tensorflow as tf

Shape = Literal["linear", "cosine", "constant"]


@keras.saving.register_keras_serializable("sftkeras")
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Rises linearly to `peak` over `warmup_steps`, then falls to zero at `total_steps`.

    Args:
        peak: the highest learning rate.
        total_steps: optimizer steps in the whole run.
        warmup_steps: optimizer steps of the rise.
        shape: "linear" and "cosine" (Loshchilov & Hutter, 2017, arXiv:1608.03983) fall to zero, "constant" stays.
    """

    def __init__(self, peak: float, total_steps: int, warmup_steps: int, shape: Shape) -> None:
        self.peak = peak
        self.total_steps = total_steps
        self.warmup_steps = warmup_steps
        self.shape = shape

    def __call__(self, step: tf.Tensor) -> tf.Tensor:
        """The learning rate of optimizer step `step`, counted from 0, as float32."""
        step = tf.cast(step, tf.float32)
        # The first step moves too: step 0 of n warm-up steps has 1/n of the peak.
        rise = (step + 1) / max(1, self.warmup_steps)
        done = tf.clip_by_value((step - self.warmup_steps) / max(1, self.total_steps - self.warmup_steps), 0.0, 1.0)
        fall = {
            "linear": 1 - done,
            "cosine": 0.5 * (1 + tf.cos(math.pi * done)),
            "constant": tf.ones_like(done),
        }[self.shape]
        return self.peak * tf.where(step < self.warmup_steps, rise, fall)

    def get_config(self) -> dict:
        """The arguments."""
        return {
            "peak": self.peak,
            "total_steps": self.total_steps,
            "warmup_steps": self.warmup_steps,
            "shape": self.shape,
        }
