"""`model.fit` with everything around it, from batches to the weights of the best epoch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

import keras
import numpy as np
import tensorflow as tf

from sftkeras.config import TrainConfig
from sftkeras.console import say
from sftkeras.errors import SFTError
from sftkeras.internals.keras import should_rise
from sftkeras.objectives import distilled_objective, make_objective
from sftkeras.objectives.consolidation import Consolidation
from sftkeras.runs import RunFolder
from sftkeras.tasks import Task, spec_of
from sftkeras.tasks.config_checks import check_monitor
from sftkeras.tasks.head import with_text_vectors
from sftkeras.training.batches import Batches
from sftkeras.training.callbacks import KeepBest, Recorder, StepRecord, StopAtNonFinite, StopEarly
from sftkeras.training.epochs import train_from
from sftkeras.training.position import FollowPosition, Position
from sftkeras.training.resume.event_files import cut_events
from sftkeras.training.resume.preemption import signals_wait
from sftkeras.training.resume.run_state import Part, RunState
from sftkeras.training.resume.saving import SaveStates, StateWriter, Stopped
from sftkeras.training.resume.state_files import StateFiles
from sftkeras.training.step.model import SupervisedModel
from sftkeras.training.step.optimizers import make_optimizer
from sftkeras.training.step.out_of_memory import SmallerSteps
from sftkeras.training.watching.progress import ShowProgress
from sftkeras.training.watching.ruined import RuinWatch
from sftkeras.training.watching.stalls import StallWatch
from sftkeras.training.watching.tensorboard import TensorBoardLogs
from sftkeras.training.watching.timing import Seconds, StepTimer
from sftkeras.training.watching.trackers import Tracking
from sftkeras.training.workers.cluster import agree, all_have, is_chief
from sftkeras.tuning.tuning import ALL_LEARN, Tuning

if TYPE_CHECKING:
    from sftkeras.objectives.inner_distillation import InnerDistillation

_LESS_MEMORY = ", set --training.rematerialise true"  # a remedy, where it is not set


@dataclass(frozen=True)
class Fitted:
    """Outcome of a fit.

    Attributes:
        record: its steps and epochs.
        best_epoch: the epoch whose weights are kept, counted from 1; 0 if the first was interrupted.
        seconds: wall time, that before an interruption included.
        interrupted: whether a signal stopped it.
        time: what its seconds went into, by part; see timing.py.
    """

    record: StepRecord
    best_epoch: int
    seconds: float
    interrupted: bool
    time: Seconds

    @property
    def best_figures(self) -> dict[str, float]:
        """The figures of the best epoch; empty if the first was interrupted."""
        return self.record.epochs[self.best_epoch - 1] if self.best_epoch else {}

    @property
    def examples_per_second(self) -> float:
        """Training speed once it is steady: the first steps, which also trace the graph, are left out."""
        return self._per_second(self.record.examples)

    @property
    def tokens_per_second(self) -> float:
        """The same in tokens, padding left out; in words where the encoder reads texts."""
        return self._per_second(self.record.tokens)

    def _per_second(self, counts: Sequence[int]) -> float:
        record = self.record
        first = min(len(record.seconds) // 10, 5)
        seconds = sum(record.seconds[first:])
        return sum(counts[first:]) / seconds if seconds else 0.0


def prepare_model(
    network: keras.Model,
    task: Task,
    config: TrainConfig,
    *,
    total_steps: int,
    strategy: tf.distribute.Strategy,
    tuning: Tuning = ALL_LEARN,
    inner: InnerDistillation | None = None,
    known: np.ndarray | None = None,
    penalty: Consolidation | None = None,
) -> SupervisedModel:
    """Compile the model that `fit` trains.

    Args:
        network: model inputs to logits.
        task: gives loss and metrics.
        config: the settings.
        total_steps: optimizer steps in the whole run.
        strategy: the devices.
        tuning: what learns.
        inner: what is learned of the inside of a teacher, if anything.
        known: places of the logits that a teacher gives; None if it gives all.
        penalty: of the weights, added to the loss; None adds nothing.
    """
    optimizer, training = config.optimizer, config.training
    targets = task.soft_targets() if config.distillation.teacher else None
    with strategy.scope():
        if targets:
            objective = distilled_objective(config.distillation, task, inner, known)
            learning = targets.learning(network)
        else:
            objective = make_objective(config.objective, task)
            learning = with_text_vectors(network) if config.objective.compares_text_vectors else network
        model = SupervisedModel(
            network,
            task,
            seed=config.seed,
            clip_norm=optimizer.clip_norm,
            accumulation=training.accumulation,
            ema=optimizer.ema,
            learning=learning,
            tuning=tuning,
            objective=objective,
            products=products_of(task, training.precision),
            penalty=penalty,
        )
        model.compile(
            make_optimizer(
                optimizer,
                total_steps=total_steps,
                loss_scaling=training.precision == "mixed_float16",
                rate_factors=tuning.rate_factors,
                own_steps=tuning.unfreezing is not None,
            )
        )
    return model


def products_of(task: Task, precision: str) -> str | None:
    """Return the precision of a decoder's products, the only thing of it that is not float32; None if they are too.

    Args:
        task: that learns.
        precision: the setting.
    """
    is_decoder = spec_of(task.kind).backbone_kind == "decoder"
    return precision.removeprefix("mixed_") if is_decoder and precision.startswith("mixed_") else None


def fit(
    model: SupervisedModel,
    train: Batches,
    validation: Batches,
    config: TrainConfig,
    run: RunFolder,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Fitted:
    """Trains `model` from the newest state of the run, if there is one, and leaves in it the weights of its best epoch.

    SIGTERM and ctrl-C end it cleanly: the state is saved, and so are the best weights, those as they are if no epoch
    is over yet. The model then stays as it is.

    Args:
        callbacks: the user's own. They come after ours, and before the state of a step is saved. One with the methods
            of `Part`, `state` and `restore`, is in the state; the others begin anew when a run is resumed.

    Raises:
        SFTError: SFT401 if the monitored metric does not exist, SFT402 at a loss that is not a finite number, SFT422 if
            the state is of another model, SFT436 if the workers do not find the same one.
    """
    training = config.training
    followed = _follow(model, train, config, run)
    position, best = followed.position, followed.best
    model.guard = SmallerSteps(model, train, position, "" if training.rematerialise else _LESS_MEMORY)
    files = StateFiles(run.states, config.checkpoint.keep)
    state = RunState(model, position, {**followed.parts(), **_with_state(callbacks)})
    done = _resume(state, files, followed.recorder, position, run)
    shown = _show(model, train, config, run, followed)
    writer = StateWriter(files)
    stopped = finished = False
    with signals_wait() as wish:
        saving = SaveStates(
            state,
            writer,
            config.checkpoint,
            position,
            epochs=training.epochs,
            wish=wish,
            flush=(followed.recorder.flush, shown.board.flush),
            timed=followed.timer.saving,
        )
        try:
            if not done:
                ordered = [*_in_order(model, config, run, followed, shown), *callbacks, saving]
                train_from(position, model, train, validation, training.epochs, ordered)
                writer.wait()
            finished = True
        except Stopped:
            stopped = True
            if not best.best_epoch:
                best.save()
            shown.progress.close()
            say(f"Stopped. Kept: {_kept(best.best_epoch)}.")
        finally:
            shown.close(finished=finished)
    interrupted = stopped or wish.wanted
    if is_chief() and not interrupted:  # the other workers are done, and need not wait for the file
        model.network.load_weights(run.best_weights)
    seconds = followed.recorder.seconds
    return Fitted(followed.record, best.best_epoch, seconds, interrupted, followed.timer.divided(seconds))


@dataclass(frozen=True)
class _Followed:
    """Callbacks that follow how far a run is and how it went; most of it is in the run's state."""

    position: Position
    record: StepRecord
    recorder: Recorder
    timer: StepTimer
    best: KeepBest
    stopper: StopEarly

    def parts(self) -> dict[str, Part]:
        """The parts of the run's state."""
        return {"recorder": self.recorder, "best": self.best, "early_stopping": self.stopper, "timer": self.timer}


def _follow(model: SupervisedModel, train: Batches, config: TrainConfig, run: RunFolder) -> _Followed:
    """Raises SFT401 if the monitored metric does not exist."""
    monitor = config.training.early_stopping.monitor
    higher_is_better = is_higher_better(monitor, model.task)
    record, position, timer = StepRecord(), Position(train.steps), StepTimer(model.clock)
    best = KeepBest(
        model.network,
        run.best_weights,
        monitor,
        position,
        higher_is_better=higher_is_better,
        weights=model.validated_weights,
        timed=partial(timer.saving, state=False),
    )
    return _Followed(
        position,
        record,
        Recorder(record, train, position, run.states),
        timer,
        best,
        _early_stopping(config, monitor, higher_is_better),
    )


@dataclass(frozen=True)
class _Shown:
    """Callbacks that show a run while it trains."""

    progress: ShowProgress
    board: TensorBoardLogs
    stalls: StallWatch
    ruin: RuinWatch
    trackers: list[Tracking]

    def close(self, *, finished: bool) -> None:
        """Ends all of them, however training ended."""
        self.progress.close()
        self.board.close()
        for tracker in self.trackers:
            tracker.close(finished=finished)


def _show(model: SupervisedModel, train: Batches, config: TrainConfig, run: RunFolder, followed: _Followed) -> _Shown:
    """Made after a state is restored: an event file begins where the run resumes."""
    position, record, timer = followed.position, followed.record, followed.timer
    trackers = config.training.trackers if is_chief() else []
    return _Shown(
        ShowProgress(record, position, config.training.epochs),
        TensorBoardLogs(run.tensorboard, config, model.network, record, position, timer),
        StallWatch(timer, record, position, followed.best, devices=model.distribute_strategy.num_replicas_in_sync),
        RuinWatch(record, position, model.task, train, config.optimizer.peak),
        [Tracking(name, config, run, position, timer) for name in trackers],
    )


def _in_order(
    model: SupervisedModel, config: TrainConfig, run: RunFolder, followed: _Followed, shown: _Shown
) -> list[keras.callbacks.Callback]:
    """Our callbacks, each after those it depends on; the one that saves states comes after the user's own."""
    gradient_matters = config.training.precision != "mixed_float16"
    return [
        FollowPosition(followed.position),
        *model.tuning.callbacks(model.train_only),
        followed.timer,
        followed.recorder,
        StopAtNonFinite(run.best_weights, followed.position, gradient=gradient_matters),
        followed.best,
        shown.progress,
        *([shown.board] if is_chief() else []),
        shown.stalls,
        shown.ruin,
        followed.stopper,
        *shown.trackers,
    ]


def _with_state(callbacks: Sequence[keras.callbacks.Callback]) -> dict[str, Part]:
    """The user's callbacks that know something which a resumed run needs."""
    return {f"callback {number}": one for number, one in enumerate(callbacks) if isinstance(one, Part)}


def _resume(state: RunState, files: StateFiles, recorder: Recorder, position: Position, run: RunFolder) -> bool:
    """Goes to where the newest state was saved, or to the beginning; gives whether training was over there."""
    agree(False)  # no worker looks for states before the chief has made or cleared the run's folder
    newest = files.newest()
    if newest:
        state.restore(newest)
    if not all_have(position.global_step):
        raise SFTError("SFT436", folder=run.folder, step=position.global_step)
    if is_chief():
        files.sweep(position.global_step)
        recorder.cut()
        cut_events(run.tensorboard, steps=position.global_step, epochs=position.epoch)
    done = bool(newest and newest.values["done"])
    if newest:
        where = "training is over" if done else f"epoch {position.epoch + 1}, {position.step} of {position.steps} steps"
        say(f"Continuing the interrupted run: {where}.")
    return done


def _kept(best_epoch: int) -> str:
    return f"the weights of epoch {best_epoch}, the best so far" if best_epoch else "the weights as they were"


def is_higher_better(monitor: str, task: Task) -> bool:
    """Whether the best epoch is the one in which `monitor` is highest.

    Raises:
        SFTError: SFT401 if the task has no such metric.
    """
    directions = {metric.name: should_rise(metric) for metric in task.metrics()}
    check_monitor(monitor, list(directions))
    return directions.get(monitor.removeprefix("val_"), False)


def _early_stopping(config: TrainConfig, monitor: str, higher_is_better: bool) -> StopEarly:
    settings = config.training.early_stopping
    return StopEarly(
        monitor=monitor,
        mode="max" if higher_is_better else "min",
        # Keras stops after `patience` epochs without improvement; 0 and 1 are the same to it.
        patience=config.training.epochs if settings.patience is None else settings.patience,
        min_delta=settings.min_delta,
    )
