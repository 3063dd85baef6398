"""The rows of the runs that a run begins with, read again: to be replayed, and to see what is forgotten of them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from sftkeras.config import TrainConfig
from sftkeras.console import say
from sftkeras.errors import SFTError
from sftkeras.exporting.contract import ModelOrigin
from sftkeras.pipeline.run_rows import read_rows, settings_of
from sftkeras.plurals import counted
from sftkeras.runs import RunFolder

if TYPE_CHECKING:
    from sftkeras.data import LabelledData


def with_earlier_rows(config: TrainConfig, data: LabelledData) -> LabelledData:
    """Return the data of a run with the rows of the runs that it begins with, one after another.

    No row is replayed whose text is held out here, and none tests a model that learns its text here. Rows that are only
    for the report are left out with a warning if they cannot be read.

    Args:
        config: of the run.
        data: its own rows, whose labels have the numbers that they have in the model.

    Raises:
        SFTError: SFT466 if rows are to be replayed and are not what they were.
    """
    if not (config.continual.changed or config.report.baselines):
        return data
    earlier: dict[str, LabelledData] = {}
    known = {data.fingerprint}
    try:
        for folder, rows in _before(config.start_from):
            if rows.fingerprint not in known:
                earlier[folder] = rows.with_labels_first(data.label_names)
            known.add(rows.fingerprint)
    except SFTError as error:
        if config.continual.changed:
            raise
        say(f"Warning: the report will not show what is forgotten. {error}")
    return replace(data, earlier=_apart(earlier, data))


def _before(folder: str | None) -> Iterator[tuple[str, LabelledData]]:
    """Yield the folder and the rows of a run, then those of the run that it began with, and so on."""
    while folder is not None:
        run = RunFolder.open(folder)
        settings = settings_of(run)
        yield folder, _read(run, settings)
        folder = settings.start_from


def _read(run: RunFolder, settings: TrainConfig) -> LabelledData:
    task = run.read_model()["task"]
    trained = ModelOrigin.read(run.origin_file).data_fingerprint if run.origin_file.exists() else None
    try:
        data = read_rows(settings, task)
    except SFTError as error:
        raise SFTError("SFT466", run=run.folder, problem=error) from error
    if trained not in (None, data.fingerprint):
        raise SFTError("SFT466", run=run.folder, problem="they are not those that it was trained on")
    return data


def _apart(earlier: dict[str, LabelledData], data: LabelledData) -> dict[str, LabelledData]:
    """The earlier rows without those to train on that are held out elsewhere, and those to test on that are learned."""
    own_test = data.text_hashes("validation", "test")
    own_training = data.text_hashes("train")
    tests = {folder: rows.text_hashes("test") for folder, rows in earlier.items()}
    found = {}
    for folder, rows in earlier.items():
        others = [hashes for other, hashes in tests.items() if other != folder]
        clean = rows.without("train", own_test, *others).without("test", own_training)
        if left_out := len(rows.splits["test"]) - len(clean.splits["test"]):
            say(f"Note: {counted(left_out, 'test row')} of {folder} are training rows here, and do not test this run.")
        found[folder] = clean
    return found
