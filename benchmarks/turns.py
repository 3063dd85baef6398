"""Contenders that take turns, so that what else the machine does meets all alike: who begins, who rests, and ratios.

In each round every contender has one short turn, in an order that changes. While one has its turn, the processes of the
others are stopped. A ratio is formed of two turns of one round, and the figure is the median over the rounds, with the
quartiles. What a turn does, and what it costs, is known to the caller.

What changes slowly cannot move such a ratio. Work of others at the same time can: it slows down most who waits for all
cores. So its share of the processor is measured too (`OtherWork`), and stands beside the ratios.
"""

from __future__ import annotations

import os
import random
import signal
import statistics
import time
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Protocol

import psutil
from records import Rows
from rich.console import Console

from sftkeras.bars import Bars

Round = dict[str, Any]
"""The result of each contender's turn, by its name."""


class Contender(Protocol):
    """Someone who takes turns."""

    @property
    def name(self) -> str:
        """In tables and errors."""
        ...

    @property
    def processes(self) -> Sequence[int]:
        """The leaders of the process groups that work in its turn."""
        ...

    def take_turn(self, number: int) -> Any:
        """Work in round `number`; returns what it cost."""
        ...


def order(names: Sequence[str], number: int) -> list[str]:
    """The order of a round, the same in every measurement: in as many rounds as names, each has each place once."""
    drawn = random.Random(number // len(names)).sample(list(names), len(names))
    begins = number % len(names)
    return drawn[begins:] + drawn[:begins]


def take_turns(contenders: Sequence[Contender], rounds: int, words: str) -> list[Round]:
    """Lets all contenders have one turn in each round; `words` describe the progress bar."""
    known = {contender.name: contender for contender in contenders}
    everyone = {process for contender in contenders for process in contender.processes}
    results: list[Round] = []
    with stopped(everyone), Bars(*Bars.get_default_columns(), console=Console(stderr=True)) as bars:
        bar = bars.add_task(words, total=rounds * len(known))
        for number in range(rounds):
            results.append({})
            for name in order(list(known), number):
                with awake(known[name].processes):
                    results[-1][name] = known[name].take_turn(number)
                bars.advance(bar)
    return results


@contextmanager
def stopped(processes: set[int]) -> Iterator[None]:
    """Inside the block these process groups stand still, unless they are `awake`."""
    send(processes, signal.SIGSTOP)
    try:
        yield
    finally:
        send(processes, signal.SIGCONT)


@contextmanager
def awake(processes: Sequence[int]) -> Iterator[None]:
    """Inside the block these stopped process groups work."""
    send(processes, signal.SIGCONT)
    try:
        yield
    finally:
        send(processes, signal.SIGSTOP)


def send(groups: Sequence[int] | set[int], number: signal.Signals) -> None:
    """Sends a signal to process groups; one that is gone is named by who waits for its answer."""
    for group in groups:
        try:
            os.killpg(group, number)
        except ProcessLookupError:
            continue


class OtherWork:
    """The share of all cores' time that others use while a `with` block runs.

    Args:
        processes: that are not others, besides this one and those that it has waited for.

    Attributes:
        share: 0 to 1, once the block has ended.
    """

    def __init__(self, processes: Iterable[int] = ()) -> None:
        self._processes = {os.getpid(), *processes}
        self.share = 0.0

    def __enter__(self) -> OtherWork:
        self._began, self._before = time.perf_counter(), self._by_others()
        return self

    def __exit__(self, *error: object) -> None:
        cores = psutil.cpu_count() or 1
        share = (self._by_others() - self._before) / (cores * (time.perf_counter() - self._began))
        self.share = min(max(share, 0.0), 1.0)

    def _by_others(self) -> float:
        return used_by_machine() - used_by(self._processes)


def used_by(processes: Iterable[int]) -> float:
    """Seconds of processor time that living processes have used, with the children that they have waited for."""
    times = [psutil.Process(process).cpu_times() for process in processes if psutil.pid_exists(process)]
    return sum(each.user + each.system + each.children_user + each.children_system for each in times)


def used_by_machine() -> float:
    """Seconds of processor time that the machine's cores have worked, or were kept from it by other machines."""
    times = psutil.cpu_times()
    return sum(getattr(times, name, 0.0) for name in ("user", "nice", "system", "irq", "softirq", "steal"))


@dataclass(frozen=True)
class Quartiles:
    """The middle of some figures, and where the middle half of them lies."""

    low: float
    median: float
    high: float
    count: int

    @classmethod
    def of(cls, values: Sequence[float]) -> Quartiles:
        """Of one figure or more."""
        if len(values) == 1:
            return cls(values[0], values[0], values[0], 1)
        low, median, high = statistics.quantiles(values, method="inclusive")
        return cls(low, median, high, len(values))

    def shown(self, unit: str = "×") -> str:
        """For example 0.77 × (0.75 to 0.79)."""
        return f"{self.median:.2f} {unit} ({self.low:.2f} to {self.high:.2f})"


class Goal(Protocol):
    """Bound of a ratio."""

    @property
    def name(self) -> str:
        """In tables and records."""
        ...

    @property
    def bound(self) -> float:
        """The least that is to be reached, or the most."""
        ...

    @property
    def most(self) -> bool:
        """Whether it is the most."""
        ...


def beside_goals(goals: Iterable[Goal], ratios: Mapping[str, Mapping[str, Any]]) -> Rows:
    """The ratios of a record beside what they are to reach, those that were measured."""
    rows = []
    for goal in goals:
        if goal.name in ratios:
            found = Quartiles(**ratios[goal.name])
            met = found.median <= goal.bound if goal.most else found.median >= goal.bound
            sign = "≤" if goal.most else "≥"
            rows.append([goal.name, found.shown(), f"{sign} {goal.bound:g}", "reached" if met else "missed"])
    return ["ratio of", "median (quartiles)", "to reach", ""], rows


def ratio(rounds: Sequence[Round], figure: Callable[[Any], float], ours: str, theirs: str) -> Quartiles:
    """A figure of one contender by that of another, pair by pair within the rounds."""
    return Quartiles.of([figure(results[ours]) / figure(results[theirs]) for results in rounds])
