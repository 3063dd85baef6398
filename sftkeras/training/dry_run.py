"""A rehearsal: a few batches shown, a few real steps of each length run, and what the whole run would take."""

from __future__ import annotations

import time

import numpy as np
import tensorflow as tf
from rich.table import Table

from sftkeras import runtime
from sftkeras.backbones.fetching import BackboneFolders
from sftkeras.config import TrainConfig
from sftkeras.console import say
from sftkeras.data import LabelledData, describe_lengths
from sftkeras.training.batches import Batches
from sftkeras.training.setup import Setup, set_up

_SHOWN_BATCHES, _SHOWN_ROWS = 2, 3
_LENGTHS = 6  # step times are measured at so many lengths, and drawn as a line between them
_STEPS = 3  # of each length, after one that is not timed


def dry_run(config: TrainConfig, data: LabelledData, folders: BackboneFolders) -> None:
    """Prints what a run with these settings would take. Trains nothing and leaves nothing behind but caches."""
    setup = set_up(config, data, folders)
    say(describe_lengths(setup.inputs.lengths, setup.inputs.unit), setup.describe())
    show_batches(setup)
    lengths, seconds = measure_steps(setup)
    table = Table(f"{setup.inputs.unit} in the longest text", "seconds a step", title="Measured")
    for length, second in zip(lengths, seconds, strict=True):
        table.add_row(str(length), f"{second:.3f}")
    say(table, *summarise(config, setup, lengths, seconds))


def show_batches(setup: Setup) -> None:
    """Prints rows of the first batches as the encoder will see them."""
    for step in range(min(_SHOWN_BATCHES, setup.train.steps)):
        inputs, labels, _ = setup.train.arrays(0, step)
        say("", f"Batch {step + 1}: {len(labels)} rows")
        for row in range(min(_SHOWN_ROWS, len(labels))):
            say(f"  label {labels[row]}  {setup.text_model.features.show(inputs, row)}")
    say("")


def measure_steps(setup: Setup) -> tuple[list[int], list[float]]:
    """Runs real training steps at a few lengths that the plan has; gives the lengths and the seconds of a step."""
    steps = _steps_by_length(setup.train)
    known = sorted(steps)
    lengths = sorted({known[round(place)] for place in np.linspace(0, len(known) - 1, _LENGTHS)})
    setup.model.make_train_function()
    return lengths, [_seconds_of_a_step(setup, steps[length]) for length in lengths]


def summarise(config: TrainConfig, setup: Setup, lengths: list[int], seconds: list[float]) -> list[str]:
    """Gives the steps, the time, the memory and the sizes, a line each."""
    train, epochs = setup.train, config.training.epochs
    padded = [train.plan.batch(0, step)[1] for step in range(train.steps)]
    epoch = float(np.interp(padded, lengths, seconds).sum())
    # Validation is a forward pass, a third of a step's arithmetic.
    epoch *= 1 + setup.validation.examples / train.examples / 3
    network = setup.model.network
    weights = sum(variable.value.shape.num_elements() * 4 for variable in network.trainable_variables)
    moments = sum(variable.value.shape.num_elements() * 4 for variable in setup.model.optimizer.variables)
    return [
        f"Steps          {train.steps * epochs:,} ({train.steps:,} an epoch, {epochs} epochs)",
        f"Expected time  {_words(epoch * epochs)} ({_words(epoch)} an epoch), without export and report",
        f"Peak memory    {runtime.peak_memory() / 2**30:.1f} GiB so far, with steps of the longest batches",
        f"Model          {weights / 2**20:.0f} MiB of weights",
        f"Optimizer      {moments / 2**20:.0f} MiB",
    ]


def _steps_by_length(batches: Batches) -> dict[int, int]:
    """For each padded length in the first epoch, a step that has it."""
    return {batches.plan.batch(0, step)[1]: step for step in range(batches.steps)}


def _seconds_of_a_step(setup: Setup, step: int) -> float:
    arrays = setup.train.arrays(0, step)
    dataset = tf.data.Dataset.from_tensors(arrays).repeat(_STEPS + 1)
    iterator = iter(setup.strategy.experimental_distribute_dataset(dataset))
    times = []
    for _ in range(_STEPS + 1):
        began = time.perf_counter()
        logs = setup.model.train_function(iterator)
        float(logs["loss"])  # waits for the step
        times.append(time.perf_counter() - began)
    return float(np.median(times[1:]))


def _words(duration: float) -> str:
    minutes, seconds = divmod(round(duration), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min {seconds} s" if minutes else f"{seconds} s"
