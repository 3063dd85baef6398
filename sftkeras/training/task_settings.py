"""What a task makes of its settings and of those of the data: one that it would not look at is refused.

Whoever sets it means something by it. Imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import fields
from importlib import util

from sftkeras.config import TASKS, DataConfig, TaskConfig, TrainConfig
from sftkeras.errors import SFTError, did_you_mean
from sftkeras.tasks import spec_of


def check_task(config: TrainConfig) -> None:
    """Looks at the settings of the task, and at those of the data that it decides on.

    Raises:
        SFTError: SFT412 for one without effect, SFT290 without second texts where it needs them, SFT107 if a package is
            missing, SFT401 if the monitor is nothing that the task measures.
    """
    task, facts = config.task, TASKS[config.task.kind]
    looked_at = {"kind", *task.looked_at}
    for name in (setting.name for setting in fields(TaskConfig)):
        if name not in looked_at and getattr(task, name) != getattr(TaskConfig(), name):
            raise SFTError("SFT412", setting=f"--task.{name}", answers=task.answers)
    for name in (*facts.refuses, *spec_of(task.kind).label_kind(task).refuses):
        if getattr(config.data, name) != getattr(DataConfig(), name):
            raise SFTError("SFT412", setting=f"--data.{name}", answers=facts.answers)
    if config.backbone.pooling is not None and not facts.pools:
        raise SFTError("SFT412", setting="--backbone.pooling", answers=facts.answers)
    if facts.needs_pair and config.data.pair is None:
        raise SFTError("SFT290", kind=task.kind)
    if task.chinese_words:
        check_installed("jieba", "chinese")
    if task.metrics:
        check_monitor(config.training.early_stopping.monitor, task.metrics)


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
