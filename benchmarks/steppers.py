"""Contenders that do training steps: processes that compute the same, and do a step for each batch in their turn."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from processes import Worker

Ready = dict[str, Any]
"""The first message of each contender, by its name."""


@dataclass(frozen=True)
class Program:
    """The program of a contender.

    Attributes:
        name: in tables and errors.
        file: a program of this folder.
        words: its arguments after the recipe.
        is_peer: whether it runs in the peers' environment.
    """

    name: str
    file: str
    words: tuple[str, ...]
    is_peer: bool


@dataclass(frozen=True)
class Stepper:
    """A contender; its turn is a step for each batch."""

    name: str
    worker: Worker
    batches: int

    @property
    def processes(self) -> list[int]:
        """The one process."""
        return [self.worker.pid]

    def take_turn(self, number: int) -> float:
        """The seconds of all steps but the first, which wakes the caches up."""
        return sum(self.worker.ask(steps=[0, *range(self.batches)])[1:])


@contextmanager
def all_steppers(
    programs: Sequence[Program], recipe: Path, work: Path, *, batches: int, peer_python: str
) -> Iterator[tuple[list[Stepper], Ready]]:
    """Starts them one after the other; gives also what each says when it is ready.

    Args:
        programs: one for each contender.
        recipe: the file that all read.
        work: a folder for logs.
        batches: that the recipe names.
        peer_python: interpreter of the peers' environment.
    """
    with ExitStack() as stack:
        steppers, ready = [], {}
        for program in programs:
            python = {"python": peer_python} if program.is_peer else {}
            words = [str(recipe), *program.words]
            worker = stack.enter_context(Worker(program.file, words, work / f"{program.name}.log", **python))
            steppers.append(Stepper(program.name, worker, batches))
            ready[program.name] = worker.answer()
        yield steppers, ready


def compare(ready: Ready, figures: str, base: str, most: Mapping[bool, float]) -> None:
    """Compares figures that all computed with those of one of them.

    Args:
        ready: what each contender said.
        figures: the name of an array in it.
        base: the contender that the others are compared with.
        most: how much a figure may differ, by whether one of the two computes in bfloat16.

    Raises:
        SystemExit: one computes something else, so its time says nothing.
    """
    expected = np.array(ready[base][figures])
    for name, said in ready.items():
        difference = np.abs(np.array(said[figures]) - expected).max()
        if not difference <= most["bfloat16" in name]:
            raise SystemExit(f"{name} computes other {figures} than {base}: they differ by {difference:.2g}.")
