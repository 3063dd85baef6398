"""A rehearsal: a few batches shown, a few real steps of each length run, and what the whole run would take."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import tensorflow as tf
from rich.table import Table

from sftkeras.backbones.fetching import BackboneFolders
from sftkeras.config import TrainConfig
from sftkeras.console import say
from sftkeras.data import LabelledData, describe_lengths
from sftkeras.errors import SFTError
from sftkeras.plurals import counted
from sftkeras.training import memory
from sftkeras.training.batches import Batches
from sftkeras.training.precision import set_up_in_precision
from sftkeras.training.setup import Setup
from sftkeras.training.step_times import measure
from sftkeras.training.teaching import Teach

_SHOWN_BATCHES, _SHOWN_ROWS = 2, 3


def dry_run(
    config: TrainConfig,
    data: LabelledData,
    folders: BackboneFolders,
    teach: Teach | None = None,
    *,
    started: float,
) -> None:
    """Prints what a run with these settings would take. Trains nothing and leaves nothing behind but caches.

    Args:
        config: the settings.
        data: read and divided.
        folders: of the backbone.
        teach: asks the teacher, if there is one.
        started: when the process began, by `time.perf_counter`.

    Raises:
        SFTError: SFT462 under mixed_float16 on a CPU, where a step may take minutes.
    """
    if config.training.precision == "mixed_float16" and not tf.config.list_physical_devices("GPU"):
        raise SFTError("SFT462")
    held = memory.held_now()
    setup = set_up_in_precision(config, data, folders, teach)
    say(describe_lengths(setup.inputs.lengths, setup.inputs.unit), setup.describe())
    show_batches(setup, data)
    seconds, first = measure_steps(setup, config.training.epochs)
    table = Table(f"{setup.inputs.unit} in the longest text", "seconds a step", title="Measured")
    for length, second in seconds.items():
        table.add_row(str(length), f"{second:.3f}")
    validate(setup)
    use = memory.memory_use(setup.model, before=held, peak=memory.held_at_most())
    say(table, *summarise(config, setup, seconds, use, before=first - started))


def show_batches(setup: Setup, data: LabelledData) -> None:
    """Prints rows of the first batches as the encoder will see them, each with its label if that is a name or a number.

    What other tasks learn from, such as the number of a pair or places in a text, would say nothing to a reader.
    """
    for step in range(min(_SHOWN_BATCHES, setup.train.steps)):
        inputs, labels, _ = setup.train.arrays(0, step)
        say("", f"Batch {step + 1}: {counted(len(labels), 'row')}")
        for row in range(min(_SHOWN_ROWS, len(labels))):
            label = data.label_kind.batch_label(labels[row], data.label_names)
            shown = f"label {label}  " if label else ""
            say(f"  {shown}{setup.text_model.features.show(inputs, row)}")
    say("")


def measure_steps(setup: Setup, epochs: int) -> tuple[dict[int, float], float]:
    """Runs real training steps at a few lengths that the plan has.

    Returns:
        The seconds of a step by length, and when the first one was done, which traces the graph.
    """
    if learning := setup.model.tuning.learning(epochs - 1):  # the epoch in which most learn
        setup.model.train_only(learning)
    steps = _steps_by_length(setup.train)
    setup.model.make_train_function()
    done: list[float] = []

    def run_step(length: int) -> None:
        assert setup.model.train_function
        logs = setup.model.train_function(_one_batch(setup, setup.train, steps[length]))
        float(logs["loss"])  # waits for the step
        done.append(time.perf_counter())

    return measure(sorted(steps), run_step, run_steps=setup.train.steps * epochs), done[0]


def validate(setup: Setup) -> None:
    """Runs a validation step of the longest batch, since the run's peak may be there."""
    steps = _steps_by_length(setup.validation)
    setup.model.make_test_function()
    assert setup.model.test_function
    float(setup.model.test_function(_one_batch(setup, setup.validation, steps[max(steps)]))["loss"])


def summarise(
    config: TrainConfig, setup: Setup, seconds: dict[int, float], use: memory.MemoryUse, *, before: float
) -> list[str]:
    """Gives the steps, the time and the memory, a line each; the time with the seconds before the first step."""
    train, epochs = setup.train, config.training.epochs
    padded = [train.plan.batch(0, step)[1] for step in range(train.steps)]
    epoch = float(np.interp(padded, list(seconds), list(seconds.values())).sum())
    # Validation is a forward pass, a third of a step's arithmetic.
    epoch *= 1 + setup.validation.examples / train.examples / 3
    at_most = "at most " if len(seconds) == 1 and len(set(padded)) > 1 else ""
    whole = _words(before + epoch * epochs)
    return [
        f"Steps          {train.steps * epochs:,} ({train.steps:,} an epoch, {counted(epochs, 'epoch')})",
        f"Expected time  {at_most}{whole} ({_words(before)} to the first step, {_words(epoch)} an epoch), without "
        "export and report",
        f"Peak memory    {use.peak / 2**30:.1f} GiB, and about 1 GiB for the process that tries the export",
        f"               MiB: {use.describe()}",
        *memory.describe_gpus(),
    ]


def _steps_by_length(batches: Batches) -> dict[int, int]:
    """For each padded length in the first epoch, a step that has it, with as many rows as there are."""
    steps: dict[int, int] = {}
    for step in range(batches.steps):
        rows, length = batches.plan.batch(0, step)
        if length not in steps or len(rows) > len(batches.plan.batch(0, steps[length])[0]):
            steps[length] = step
    return steps


def _one_batch(setup: Setup, batches: Batches, step: int) -> Any:
    """An iterator that begins with this batch of the first epoch."""
    return iter(batches.distributed(range(1), setup.strategy, step))


def _words(duration: float) -> str:
    minutes, seconds = divmod(round(duration), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
