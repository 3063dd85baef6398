"""Timeline of a run: when each part of it began, how long it took, and how many cores it kept busy."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple


class Part(NamedTuple):
    """A part of a run.

    Attributes:
        name: such as "data"; several parts may share one.
        begin: seconds from the beginning of the process.
        seconds: how long it took.
        cores: how many cores were busy on average, in this process and those it started.
    """

    name: str
    begin: float
    seconds: float
    cores: float


class Timeline:
    """Records the parts of a run, one after the other.

    Args:
        started: when the process began, by `time.perf_counter`, if that was to run this: the time until now is then the
            part "start".
    """

    def __init__(self, started: float | None = None) -> None:
        self.parts: list[Part] = []
        self._started = time.perf_counter() if started is None else started
        if started is not None:
            self._add("start", begin=0.0, processor=0.0)

    @contextmanager
    def part(self, name: str) -> Iterator[None]:
        """Records the block as a part, unless it raises."""
        begin, processor = self._now(), _processor_seconds()
        yield
        self._add(name, begin, processor)

    def seconds(self) -> dict[str, float]:
        """Return the seconds of each part, those of one name together."""
        sums: dict[str, float] = {}
        for part in self.parts:
            sums[part.name] = sums.get(part.name, 0.0) + part.seconds
        return sums

    def to_json(self) -> dict[str, Any]:
        """Return the timeline for `report.json`: `cores` of the machine, `seconds` in all, and `parts`."""
        return {
            "cores": len(os.sched_getaffinity(0)),
            "seconds": self._now(),
            "parts": [part._asdict() for part in self.parts],
        }

    def _now(self) -> float:
        return time.perf_counter() - self._started

    def _add(self, name: str, begin: float, processor: float) -> None:
        seconds = self._now() - begin
        busy = _processor_seconds() - processor
        self.parts.append(Part(name, begin, seconds, max(busy, 0.0) / max(seconds, 1e-9)))


def _processor_seconds() -> float:
    """Processor time of this process, of those it started, and of theirs, ended or not."""
    import psutil

    own = os.times()
    total = own.user + own.system + own.children_user + own.children_system
    for child in psutil.Process().children(recursive=True):
        try:
            total += sum(child.cpu_times())
        except psutil.Error:  # it has just ended, and is counted above once it has been waited for
            continue
    return total
