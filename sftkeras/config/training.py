"""Settings of training: the optimizer, `fit`, its checkpoints, and resuming an interrupted run."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from dataclasses import dataclass, field
from typing import ClassVar, Literal

from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from sftkeras.config.tuning import LEARNING_RATES
from sftkeras.config.values import Fraction, UnitInterval


@dataclass(frozen=True)
class OptimizerConfig:
    """Update of the weights"""

    name: Literal["adamw", "adam", "sgd"] = "adamw"
    """The update rule."""
    learning_rate: PositiveFloat | None = None
    """Peak learning rate, reached after warm-up; null takes that of tuning.method: 5e-5 for full, 5e-4 for lora, 2e-4
    for dora, 5e-4 for adalora, 3e-3 for ia3, 3e-4 for adapters, 3e-2 for prompt, 1e-2 for prefix, 1e-3 for bitfit and
    head."""
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
    ema: Fraction | None = None
    """Decay per step of a running average of the weights, such as 0.999, that is validated and exported; null: none."""

    # Settings that only some of the update rules use.
    OF_SOME: ClassVar = {
        "weight_decay": ("adamw",),
        "beta_1": ("adam", "adamw"),
        "beta_2": ("adam", "adamw"),
        "epsilon": ("adam", "adamw"),
        "momentum": ("sgd",),
    }

    @property
    def peak(self) -> float:
        """The learning rate that is set, or that of full fine-tuning: a `TrainConfig` has always one."""
        return self.learning_rate or LEARNING_RATES["full"]


@dataclass(frozen=True)
class EarlyStoppingConfig:
    """When to stop before the last epoch"""

    monitor: str = "val_loss"
    """Metric to watch: val_loss, or val_ and a metric of the task, such as val_accuracy. It picks the best epoch; of
    equal ones, the first."""
    patience: NonNegativeInt | None = 2
    """Epochs without improvement before the run stops; null never stops early."""
    min_delta: NonNegativeFloat = 0.0
    """Smallest improvement that counts for patience; the best weights are kept however small the improvement is."""


@dataclass(frozen=True)
class TrainingConfig:
    """Epochs, batches, devices, precision"""

    epochs: PositiveInt = 3
    """Passes over the training rows, at most."""
    batch_size: PositiveInt = 32
    """Examples in one optimizer step, over all devices and micro-batches together."""
    accumulation: PositiveInt = 1
    """Micro-batches in which one batch is computed: less memory, same result."""
    rematerialise: bool = False
    """Compute each layer's activations again in the backward pass instead of keeping them: less memory, more time."""
    precision: Literal["auto", "float32", "mixed_bfloat16", "mixed_float16"] = "auto"
    """Arithmetic of the encoder, or of a decoder's matrix products alone. Head, loss and weights are float32 always.
    auto: mixed_bfloat16 where the processor (amx_bf16) or GPU is made for it and a short trial of this run's batches
    says that it pays, else float32; the run keeps what was chosen."""
    strategy: Literal["mirrored", "multi_worker"] | None = None
    """mirrored: a copy of the model on each device of this process. multi_worker: on those of several processes. null
    takes mirrored, and multi_worker for what sftkeras.launch starts."""
    devices: PositiveInt | None = None
    """Devices of this process; null takes all. On a CPU, more than one makes logical devices (for tests)."""
    join_minutes: PositiveFloat = 10.0
    """Minutes that a worker waits for the others to start (multi_worker)."""
    early_stopping: EarlyStoppingConfig = field(default_factory=EarlyStoppingConfig)
    group_by_length: bool = True
    """Batch texts of similar length together, so that little is spent on padding."""
    packing: bool = False
    """Put the rows of a batch one behind the other into few rows of up to backbone.max_length tokens, each seeing only
    itself; same result. For decoders on a GPU: on a CPU, batches of similar lengths are quicker."""
    deterministic: bool = False
    """Make every operation deterministic: two runs give the same bits, somewhat slower on a GPU."""
    histograms: bool = False
    """Write weight histograms to TensorBoard after each epoch."""
    profile: list[PositiveInt] | None = None
    """First and last step of a profiler trace for TensorBoard, such as [10, 20]."""
    trackers: list[Literal["wandb", "mlflow"]] = field(default_factory=list)
    """Also log to Weights & Biases or MLflow, such as [wandb]. Each takes its address and key from the environment."""


@dataclass(frozen=True)
class CheckpointConfig:
    """When the state of training is saved, besides at each epoch's end and at a stop"""

    every_steps: PositiveInt | None = None
    """Save after this many steps; null does not count them."""
    every_minutes: PositiveFloat | None = 5
    """Save when this many minutes have passed since the last save; null ignores the time."""
    keep: PositiveInt = 2
    """States to keep: if the newest is damaged, the run resumes from the one before."""


@dataclass(frozen=True)
class ResumeConfig:
    """Whether to resume an interrupted run of the same name"""

    mode: Literal["never", "auto", "must"] = "auto"
    """auto: resume it, or start if there is none. Written --resume WORD for short."""
    allow: list[str] = field(default_factory=list, metadata={"separator": ","})
    """Settings that may differ from its start, such as optimizer.learning_rate or code: names with commas between."""

    SHORT_FOR: ClassVar = "mode"
