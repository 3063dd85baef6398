"""TensorBoard: the curves of training, then figures and predictions of the exported model."""

from __future__ import annotations

import struct
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
import yaml
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.plugins.hparams import api as hparams
from tensorboard.plugins.image import metadata as image_metadata
from tensorboard.plugins.pr_curve import summary as pr_curve
from tensorboard.plugins.scalar.summary_v2 import scalar_pb

from sftkeras.config import TrainConfig, plain
from sftkeras.training.callbacks import Logs, StepRecord
from sftkeras.training.position import Position
from sftkeras.training.watching.timing import StepTimer
from sftkeras.training.workers.cluster import is_chief


class TensorBoardLogs(keras.callbacks.Callback):
    """Writes scalars for each step and epoch, the config, and weight histograms or a profile on request.

    Args:
        folder: of the event files.
        config: the run's settings.
        network: whose weights are drawn.
        record: filled by a `Recorder` that comes before this callback.
        position: where the run is.
        timer: divides each step's time; it comes before this callback too.
    """

    def __init__(
        self,
        folder: Path,
        config: TrainConfig,
        network: keras.Model,
        record: StepRecord,
        position: Position,
        timer: StepTimer,
    ) -> None:
        super().__init__()
        self._folder = folder
        self._config = config
        self._network = network
        self._record = record
        self._position = position
        self._timer = timer
        self._writer = tf.summary.create_file_writer(str(folder)) if is_chief() else tf.summary.create_noop_writer()
        self._learning_rate = 0.0
        self._profiling = False

    def on_train_begin(self, logs: Logs | None = None) -> None:
        """Notes the first step's learning rate, and writes the settings of a run that begins."""
        self._learning_rate = float(self.model.optimizer.learning_rate)
        if self._position.global_step:
            return
        text = yaml.safe_dump(plain(self._config), allow_unicode=True, sort_keys=False)
        with self._writer.as_default(0):
            tf.summary.text("config", f"```yaml\n{text}```")

    def on_train_batch_begin(self, batch: int, logs: Logs | None = None) -> None:
        """Starts the profiler where it is asked to."""
        if self._config.training.profile and self._step == self._config.training.profile[0]:
            tf.profiler.experimental.start(str(self._folder))
            self._profiling = True

    def on_train_batch_end(self, batch: int, logs: Logs | None = None) -> None:
        """Writes the step's figures."""
        assert logs is not None
        record, optimizer = self._record, self.model.optimizer
        seconds = record.seconds[-1]
        figures = {
            "step/loss": record.losses[-1],
            "step/gradient_norm": float(logs["gradient_norm"]),
            "step/learning_rate": self._learning_rate,
            "speed/examples_per_second": record.examples[-1] / seconds,
            f"speed/{record.unit}_per_second": record.tokens[-1] / seconds,
            **{f"time/{part}": took for part, took in self._timer.step.items()},
        }
        if isinstance(optimizer, keras.optimizers.LossScaleOptimizer):
            figures["step/loss_scale"] = float(optimizer.dynamic_scale.numpy())
        self._scalars(figures, self._step)
        self._stop_profiler(self._step)
        self._learning_rate = float(optimizer.learning_rate)  # the next step's

    def on_epoch_end(self, epoch: int, logs: Logs | None = None) -> None:
        """Writes the epoch's figures."""
        figures = self._record.epochs[-1]
        self._scalars({f"epoch/{name}": value for name, value in figures.items() if name != "epoch"}, epoch + 1)
        if self._config.training.histograms:
            with self._writer.as_default(epoch + 1):
                for variable in self._network.trainable_variables:
                    tf.summary.histogram(f"weights/{variable.path}", variable.value)
        self._writer.flush()

    def flush(self) -> None:
        """Hands what is written to the system, where it outlives this process."""
        self._writer.flush()

    def close(self) -> None:
        """Ends the profile and the event file, also when `fit` is interrupted."""
        self._stop_profiler(None)
        self._writer.close()

    @property
    def _step(self) -> int:
        """The step, counted from the run's beginning, from 1."""
        return self._position.global_step + 1

    def _scalars(self, figures: dict[str, float], step: int) -> None:
        """Writes all at once: an operation for each would take milliseconds from every step."""
        values = [value for name, figure in figures.items() for value in scalar_pb(name, figure).value]
        with self._writer.as_default():
            tf.summary.experimental.write_raw_pb(Summary(value=values).SerializeToString(), step=step)

    def _stop_profiler(self, step: int | None) -> None:
        window = self._config.training.profile
        if self._profiling and window and (step is None or step >= window[-1]):
            tf.profiler.experimental.stop()
            self._profiling = False


def write_evaluation(
    folder: Path,
    config: TrainConfig,
    *,
    metrics: dict[str, float | None],
    headline: str,
    best_epoch: dict[str, float],
    pictures: dict[str, Path],
    curves: dict[str, tuple[np.ndarray, np.ndarray]],
    samples: list[tuple[str, str, str]],
) -> None:
    """Writes the figures of the exported model on the test rows, and the run as a trial of the HParams page.

    That page calls the trial by the run's name. It shows the first five scalars in alphabetical order as its columns:
    what tells runs apart is therefore written once more under `compare/`, before `epoch/`. (A list of columns could be
    declared, but the page would take that of any one run for all, whatever their tasks, and no longer show first those
    settings in which the runs differ.)

    Args:
        folder: of the event files.
        config: the run's settings; the numbers and words among them become hyper-parameters.
        metrics: the test metrics.
        headline: the one of them that counts most.
        best_epoch: figures of the epoch whose weights were exported; empty if no epoch was over.
        pictures: PNG files, such as the confusion matrix, by name.
        curves: for each label, its truth [examples] bool and its probability [examples] float32.
        samples: text, truth and answer of a few examples.
    """
    monitor = config.training.early_stopping.monitor
    compared = {
        "learning_rate": config.optimizer.learning_rate,
        f"test_{headline}": metrics[headline],
        monitor: best_epoch.get(monitor),
    }
    with tf.summary.create_file_writer(str(folder)).as_default(0):
        for group, figures in (("test", metrics), ("compare", compared)):
            for name, value in figures.items():
                if value is not None:
                    tf.summary.scalar(f"{group}/{name}", value)
        for name, path in pictures.items():
            _write_picture(f"test/{name}", path.read_bytes())
        for label, (truth, probability) in curves.items():
            curve = pr_curve.pb(f"test/precision_recall/{label}", truth, probability, num_thresholds=101)
            tf.summary.experimental.write_raw_pb(curve.SerializeToString(), step=0)
        rows = "\n".join(f"| {_cell(text)} | {_cell(truth)} | {_cell(answer)} |" for text, truth, answer in samples)
        tf.summary.text("test/samples", f"| text | truth | prediction |\n|---|---|---|\n{rows}")
        hparams.hparams(_flat(plain(config)), trial_id=config.name)


def _write_picture(tag: str, png: bytes) -> None:
    """Writes a picture as it is; `tf.summary.image` takes pixels, and would encode them again."""
    width, height = struct.unpack(">II", png[16:24])  # which stand at the beginning of every PNG
    metadata = image_metadata.create_summary_metadata(display_name=None, description=None)
    tf.summary.write(tag, tf.constant([str(width), str(height), png]), metadata=metadata)


def _cell(text: str) -> str:
    """`text` inside a Markdown table."""
    return " ".join(text.split()).replace("|", "\\|")[:300]


def _flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        if isinstance(value, dict):
            flat.update(_flat(value, f"{prefix}{name}."))
        elif isinstance(value, bool | int | float | str):
            flat[f"{prefix}{name}"] = value
    return flat
