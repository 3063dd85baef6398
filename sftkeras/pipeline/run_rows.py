"""The rows of a run, read again as the run read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from sftkeras.command_line import commands
from sftkeras.config import TrainConfig
from sftkeras.console import progress_bar
from sftkeras.runs import RunFolder
from sftkeras.tasks import spec_of

if TYPE_CHECKING:
    from sftkeras.data import LabelledData


def settings_of(run: RunFolder) -> TrainConfig:
    """Return the settings of a run."""
    return commands.parse(TrainConfig, ["--config", str(run.config_file)])


def read_rows(settings: TrainConfig, task: Mapping[str, Any]) -> LabelledData:
    """Read, check and divide the rows of a run; labels have the numbers that they have in its model.

    Args:
        settings: of the run.
        task: settings of its trained task.

    Raises:
        DataError: the check found errors.
        SFTError: as `load_data`.
    """
    from sftkeras.data import load_data

    spec = spec_of(task["kind"])
    with progress_bar() as progress:
        label_kind = spec.label_kind(spec.restored(task))
        data = load_data(spec.as_recorded(settings.data), label_kind, settings.seed, progress)
    return data.with_labels_first(task.get("label_names", ()))
