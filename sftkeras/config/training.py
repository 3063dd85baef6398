"""Settings of training: the optimizer, `fit`, its checkpoints, and going on after an interruption."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from sftkeras.config.values import Fraction, UnitInterval


@dataclass(frozen=True)
class OptimizerConfig:
    """How weights are updated"""

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    """The update rule."""
    learning_rate: PositiveFloat = 5e-5
    """Peak learning rate, reached after warm-up."""
    schedule: Literal["linear", "cosine", "constant"] = "linear"
    """How the learning rate falls after warm-up; linear and cosine end at zero."""
    warmup: UnitInterval = 0.1
    """Share of all optimizer steps in which the learning rate rises from zero."""
    weight_decay: NonNegativeFloat = 0.01
    """Decoupled weight decay (adamw only); biases and layer norms are exempt."""
    clip_norm: PositiveFloat | None = 1.0
    """Largest norm of the whole gradient; null does not clip."""
    beta_1: UnitInterval = 0.9
    """Decay of the gradient's running mean (adam, adamw)."""
    beta_2: UnitInterval = 0.999
    """Decay of the gradient's running square (adam, adamw)."""
    epsilon: PositiveFloat = 1e-8
    """Keeps the update finite where the gradient is tiny (adam, adamw)."""
    momentum: UnitInterval = 0.0
    """Momentum (sgd)."""
    layer_decay: Fraction | None = None
    """Each layer's learning rate is this share of that of the layer above; the head's is learning_rate itself."""
    ema: Fraction | None = None
    """Validate and export a running average of the weights that decays so much a step, such as 0.999; null does not."""

    # Settings that only some of the update rules look at.
    OF_SOME: ClassVar = {
        "weight_decay": ("adamw",),
        "beta_1": ("adam", "adamw"),
        "beta_2": ("adam", "adamw"),
        "epsilon": ("adam", "adamw"),
        "momentum": ("sgd",),
    }


@dataclass(frozen=True)
class EarlyStoppingConfig:
    """When to stop before the last epoch"""

    monitor: str = "val_loss"
    """What is watched: val_loss, or val_ and a metric of the task, such as val_accuracy. It picks the best epoch; of
    equal ones, the first."""
    patience: NonNegativeInt | None = 2
    """Epochs without improvement before the run stops; null never stops early."""
    min_delta: NonNegativeFloat = 0.0
    """Change that an epoch must exceed to put off the stop; the best weights are kept however small the change is."""


@dataclass(frozen=True)
class TrainingConfig:
    """How the model is fitted"""

    epochs: PositiveInt = 3
    """Passes over the training rows, at most."""
    batch_size: PositiveInt = 32
    """Examples in one optimizer step, over all devices and micro-batches together."""
    accumulation: PositiveInt = 1
    """Micro-batches that one batch is computed in: less memory, same result."""
    rematerialise: bool = False
    """Compute each layer's activations again in the backward pass instead of keeping them: less memory, more time."""
    unfreeze: PositiveInt | None = None
    """Train the head alone in the first epoch, then so many more layers each epoch, from the top; null trains all."""
    freeze_embeddings: bool = False
    """Leave the table of token embeddings as it is: quicker and smaller where the vocabulary is large."""
    precision: Literal["float32", "mixed_bfloat16", "mixed_float16"] = "float32"
    """Arithmetic of the encoder. The head, the loss and the weights are float32 always."""
    strategy: Literal["mirrored", "multi_worker"] | None = None
    """mirrored: a copy of the model on each device of this process. multi_worker: on those of several processes. null
    takes mirrored, and multi_worker for what sftkeras.launch starts."""
    devices: PositiveInt | None = None
    """Devices of this process; null takes all. On a CPU, more than one makes logical devices (for tests)."""
    join_minutes: PositiveFloat = 10.0
    """How long a worker waits for the others to come up (multi_worker)."""
    early_stopping: EarlyStoppingConfig = field(default_factory=EarlyStoppingConfig)
    group_by_length: bool = True
    """Put texts of like length into one batch, so that little is spent on padding."""
    deterministic: bool = False
    """Make every operation deterministic: two runs give the same bits, somewhat slower on a GPU."""
    histograms: bool = False
    """Write weight histograms to TensorBoard after each epoch."""
    profile: list[PositiveInt] | None = None
    """First and last step of a profiler trace for TensorBoard, such as [10, 20]."""
    trackers: list[Literal["wandb", "mlflow"]] = field(default_factory=list)
    """Also log to Weights & Biases or MLflow, such as [wandb]. Each reads its address and key from its own settings."""


@dataclass(frozen=True)
class CheckpointConfig:
    """When the state of training is saved, besides at each epoch's end and at a stop"""

    every_steps: PositiveInt | None = None
    """Save after so many steps; null does not count them."""
    every_minutes: PositiveFloat | None = 5
    """Save when so many minutes have passed since the last time; null does not look at the clock."""
    keep: PositiveInt = 2
    """How many states to keep: should the newest be damaged, the run continues from the one before."""


@dataclass(frozen=True)
class ResumeConfig:
    """Whether to continue a run of the same name that was interrupted"""

    mode: Literal["never", "auto", "must"] = "auto"
    """auto: continue it, or start if there is none. Written --resume WORD for short."""
    allow: list[str] = field(default_factory=list, metadata={"separator": ","})
    """What may differ from when it started, such as optimizer.learning_rate or code: names with commas between."""

    SHORT_FOR: ClassVar = "mode"
