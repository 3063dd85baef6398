"""Checks of a run's settings that every task makes: a setting that it would not look at is refused.

It is set for a purpose. Imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from importlib import util
from typing import TYPE_CHECKING

from sftkeras.config import (
    CleaningConfig,
    DataConfig,
    ObjectiveConfig,
    OptimizerConfig,
    TaskSettings,
    TrainConfig,
    TuningConfig,
)
from sftkeras.errors import SFTError, did_you_mean

if TYPE_CHECKING:
    from sftkeras.tasks.contract import TaskSpec


def check_config(spec: TaskSpec, config: TrainConfig) -> None:
    """Checks the settings of a task, and those of the data and the encoder that depend on it.

    Raises:
        SFTError: SFT412 for one without effect, SFT115 for one of another optimizer, objective or tuning method, SFT413
            for an objective that does not suit the task, SFT290 without second texts where it needs them, SFT401 if
            the monitor is nothing that the task measures.
    """
    task = config.task
    for name in spec.unused(task):
        if getattr(task, name) != getattr(type(task), name):
            raise without_effect(spec, task, f"--task.{name}")
    for name in (*spec.refuses, *spec.label_kind(task).refuses):
        if getattr(config.data, name) != getattr(DataConfig(), name):
            raise without_effect(spec, task, f"--data.{name}")
    for name in () if spec.cleans else vars(config.cleaning):
        if getattr(config.cleaning, name) != getattr(CleaningConfig(), name):
            raise without_effect(spec, task, f"--cleaning.{name}")
    if config.backbone.pooling is not None and not spec.pools:
        raise without_effect(spec, task, "--backbone.pooling")
    if config.backbone.extra_tokens and not spec.adds_tokens:
        raise without_effect(spec, task, "--backbone.extra_tokens")
    if config.training.packing:
        check_packing(spec, config)
    if spec.needs_pair and config.data.pair is None:
        raise SFTError("SFT290", kind=spec.kind)
    if metrics := spec.metrics(task):
        check_monitor(config.training.early_stopping.monitor, metrics)
    check_objective(spec, config)
    check_used(config.optimizer, "optimizer", "name")
    check_used(config.tuning, "tuning", "method")


def check_packing(spec: TaskSpec, config: TrainConfig) -> None:
    """Checks that rows of a batch can be packed.

    Raises:
        SFTError: SFT412 where the task's rows stay rows, SFT102 where each has a weight of its own.
    """
    if not spec.packs:
        raise without_effect(spec, config.task, "--training.packing")
    if config.data.weight is not None:
        problem = "packed rows cannot have weights of their own. Leave out --data.weight, or do not pack."
        raise SFTError("SFT102", flag="--training.packing", problem=problem)


def without_effect(spec: TaskSpec, task: TaskSettings, flag: str) -> SFTError:
    """SFT412 for a setting that the task does not look at."""
    return SFTError("SFT412", setting=flag, predicts=spec.predicts(task))


def check_objective(spec: TaskSpec, config: TrainConfig) -> None:
    """Checks that the task can be trained by the objective.

    Raises:
        SFTError: SFT413 if its loss is made otherwise; SFT115 for a setting of another objective.
    """
    if config.objective.kind not in spec.objectives:
        raise objective_refused(spec, config, spec.objectives)
    check_used(config.objective, "objective", "kind")


def objective_refused(spec: TaskSpec, config: TrainConfig, known: Sequence[str]) -> SFTError:
    """SFT413 for an objective that is none of those which are known for the task."""
    predicts = spec.predicts(config.task)
    return SFTError("SFT413", kind=config.objective.kind, task=spec.kind, predicts=predicts, known=", ".join(known))


def check_used(config: ObjectiveConfig | OptimizerConfig | TuningConfig, section: str, choice: str) -> None:
    """Checks that the settings of a section that are set have an effect with the one that was chosen.

    Args:
        config: the section; its `OF_SOME` has the choices that use a setting.
        section: its name.
        choice: name of its setting that chooses.

    Raises:
        SFTError: SFT115.
    """
    chosen, default = getattr(config, choice), type(config)()
    for name, users in config.OF_SOME.items():
        if chosen not in users and getattr(config, name) != getattr(default, name):
            shown = f"--{section}.{choice} {chosen}"
            raise SFTError("SFT115", setting=f"--{section}.{name}", choice=shown, users=", ".join(users))


def check_monitor(monitor: str, metrics: Sequence[str]) -> None:
    """Makes sure that what picks the best epoch is measured.

    Args:
        monitor: the setting.
        metrics: names of what is measured besides the loss.

    Raises:
        SFTError: SFT401.
    """
    known = ["val_loss", *(f"val_{name}" for name in metrics)]
    if monitor not in known:
        meant = monitor if monitor.startswith("val") else f"val_{monitor}"
        raise SFTError("SFT401", monitor=monitor, suggestion=did_you_mean(meant, known), known=", ".join(known))


def check_installed(package: str, extra: str) -> None:
    """Makes sure that a package is there which `sftkeras[extra]` installs.

    Raises:
        SFTError: SFT107.
    """
    if util.find_spec(package) is None:
        raise SFTError("SFT107", package=package, install=f"'sftkeras[{extra}]'")
