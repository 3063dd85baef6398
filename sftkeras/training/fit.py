"""`model.fit` with everything around it, from batches to the weights of the best epoch."""

from __future__ import annotations

import time
from dataclasses import dataclass

import keras
import tensorflow as tf

from sftkeras.config import TrainConfig
from sftkeras.console import say
from sftkeras.errors import SFTError, did_you_mean
from sftkeras.runs import Run
from sftkeras.tasks import Task
from sftkeras.training.batches import Batches
from sftkeras.training.callbacks import KeepBest, Recorder, ShowProgress, StepRecord, StopAtNonFinite
from sftkeras.training.model import SupervisedModel
from sftkeras.training.optimizers import make_optimizer
from sftkeras.training.tensorboard import TensorBoardLogs


@dataclass(frozen=True)
class Fitted:
    """How the fit went.

    Attributes:
        record: its steps and epochs.
        best_epoch: the epoch whose weights are kept, counted from 1; 0 if the first was interrupted.
        seconds: wall time.
        interrupted: whether the user stopped it.
    """

    record: StepRecord
    best_epoch: int
    seconds: float
    interrupted: bool

    @property
    def examples_per_second(self) -> float:
        """Training speed once it is steady: the first steps, which also trace the graph, are left out."""
        record = self.record
        first = min(len(record.seconds) // 10, 5)
        seconds = sum(record.seconds[first:])
        return sum(record.examples[first:]) / seconds if seconds else 0.0


def prepare_model(
    network: keras.Model, task: Task, config: TrainConfig, *, total_steps: int, strategy: tf.distribute.Strategy
) -> SupervisedModel:
    """Compiles the model that `fit` trains."""
    with strategy.scope():
        model = SupervisedModel(
            network,
            task,
            seed=config.seed,
            clip_norm=config.optimizer.clip_norm,
            accumulation=config.training.accumulation,
        )
        loss_scaling = config.training.precision == "mixed_float16"
        model.compile(make_optimizer(config.optimizer, total_steps=total_steps, loss_scaling=loss_scaling))
    return model


def fit(
    model: SupervisedModel,
    train: Batches,
    validation: Batches,
    config: TrainConfig,
    run: Run,
) -> Fitted:
    """Trains `model`, and leaves in it, and in the run, the weights of its best epoch.

    Ctrl-C ends it cleanly: the best epoch so far is kept, or the weights as they are if there is none.

    Raises:
        SFTError: SFT401 if the monitored metric does not exist, SFT402 at a loss that is not a finite number.
    """
    training = config.training
    monitor = training.early_stopping.monitor
    higher_is_better = is_higher_better(monitor, model.task)
    record = StepRecord()
    progress = ShowProgress(record, training.epochs, train.steps)
    board = TensorBoardLogs(run.tensorboard, config, model.network, record)
    best = KeepBest(model.network, run.best_weights, monitor, higher_is_better=higher_is_better)
    gradient_matters = training.precision != "mixed_float16"
    callbacks = [
        Recorder(record, train),
        StopAtNonFinite(run.best_weights, gradient=gradient_matters),
        best,
        progress,
        board,
    ]
    if training.early_stopping.patience is not None:
        callbacks.append(_early_stopping(config, monitor, higher_is_better))
    began = time.perf_counter()
    interrupted = False
    try:
        model.fit(
            train.dataset(range(training.epochs)),
            epochs=training.epochs,
            steps_per_epoch=train.steps,
            validation_data=validation.dataset(range(1)),
            shuffle=False,  # the plan has shuffled already
            callbacks=callbacks,
            verbose=0,
        )
    except KeyboardInterrupt:
        interrupted = True
        if not best.best_epoch:
            best.save()
        progress.close()
        say(f"Stopped. Kept: {_kept(best.best_epoch)}.")
    finally:
        progress.close()
        board.close()
    seconds = time.perf_counter() - began
    model.network.load_weights(run.best_weights)
    return Fitted(record, best.best_epoch, seconds, interrupted)


def _kept(best_epoch: int) -> str:
    return f"the weights of epoch {best_epoch}, the best so far" if best_epoch else "the weights as they were"


def is_higher_better(monitor: str, task: Task) -> bool:
    """Whether the best epoch is the one in which `monitor` is highest.

    Raises:
        SFTError: SFT401 if the task has no such metric.
    """
    directions = {"val_loss": False}
    directions.update({f"val_{metric.name}": metric._direction == "up" for metric in task.metrics()})
    if monitor not in directions:
        raise SFTError(
            "SFT401", monitor=monitor, suggestion=did_you_mean(monitor, directions), known=", ".join(directions)
        )
    return directions[monitor]


def _early_stopping(config: TrainConfig, monitor: str, higher_is_better: bool) -> keras.callbacks.EarlyStopping:
    settings = config.training.early_stopping
    return keras.callbacks.EarlyStopping(
        monitor=monitor,
        mode="max" if higher_is_better else "min",
        # Keras stops after `patience` epochs without improvement; 0 and 1 are the same to it.
        patience=settings.patience,
        min_delta=settings.min_delta,
    )
