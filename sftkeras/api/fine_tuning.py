"""`sftkeras.fine_tune`: what `python -m sftkeras.train` does, called from Python, which it leaves as it was."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from os import PathLike
from typing import TYPE_CHECKING, Any

from sftkeras.api.run import Run
from sftkeras.api.settings import errors_in_keywords, train_config
from sftkeras.config import TrainConfig
from sftkeras.console import fresh_output
from sftkeras.data.formats.in_memory import with_rows_as_files
from sftkeras.errors import SFTError
from sftkeras.pipeline.checks import check_settings
from sftkeras.pipeline.fine_tuning import train_and_export
from sftkeras.pipeline.stages import rehearse
from sftkeras.runs import RunFolder
from sftkeras.runtime import left_as_it_was
from sftkeras.tasks import spec_of

if TYPE_CHECKING:
    import keras


def fine_tune(
    config: TrainConfig | Mapping[str, Any] | str | PathLike[str] | None = None,
    *,
    callbacks: Sequence[keras.callbacks.Callback] = (),
    verbose: bool = True,
    **settings: Any,
) -> Run:
    """Fine-tune a pretrained encoder, export it, evaluate the export, and return the run.

    The same call resumes a run that was interrupted.

    ```python
    run = sftkeras.fine_tune(
        name="reviews",
        data="reviews.csv",
        backbone="hf://sentence-transformers/all-MiniLM-L6-v2",
        training={"epochs": 2},
    )
    print(run.report["metrics"])
    ```

    Args:
        config: settings as a `TrainConfig` or a dictionary, or the path of a YAML file.
        callbacks: Keras callbacks of your own, called after those of sftkeras.
        verbose: whether to print what happens.
        **settings: the settings of `python -m sftkeras.train --help`, which override `config`: as dictionaries or
            settings' dataclasses (`training={"epochs": 2}`), or dotted names (`**{"training.epochs": 2}`). One word in
            place of a group is its main setting: the task's kind, the backbone's handle, the training data. `data`, its
            parts (`data={"train": …, "test": …}`), `train`, `validation` and `test` also take rows in memory: a pandas
            DataFrame, a Dataset of `datasets`, a pyarrow Table, a list of dictionaries or of (text, label) pairs.

    Returns:
        The finished run; with `dry_run`, which trains nothing, the run as it would be.

    Raises:
        SFTError: what is wrong, with its code; the codes are those of the command line.
        Preempted: training was interrupted (a `KeyboardInterrupt`), and its state is saved.

    `training.strategy` multi_worker is for the command line: its workers are processes of their own.
    """
    from sftkeras.training.warm_start import with_warm_start
    from sftkeras.training.workers import cluster

    with errors_in_keywords(), fresh_output(verbose=verbose), left_as_it_was(), _states_written():
        settled = train_config(config, **with_rows_as_files(settings))
        settled = with_warm_start(spec_of(settled.task.kind).with_columns(settled))
        if settled.training.strategy == "multi_worker":
            raise SFTError("SFT430", problem="the workers are processes of their own, not calls of Python")
        cluster.enter(settled.training.strategy)
        check_settings(settled)
        if settled.dry_run:
            rehearse(settled)
            return Run(RunFolder.of(settled).folder)
        return Run(train_and_export(settled, callbacks).folder)


@contextmanager
def _states_written() -> Iterator[None]:
    """Waits, at the end of the block, for a state that is still written: the call may be repeated at once."""
    from sftkeras.training.resume.state_files import THREAD

    try:
        yield
    finally:
        for thread in threading.enumerate():
            if thread.name == THREAD:
                thread.join()
