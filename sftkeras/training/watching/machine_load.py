"""Load of the machine from elsewhere while this process trains: other processes, swapping, a container's limit."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path

import psutil

_CGROUP = Path("/sys/fs/cgroup/cpu.stat")  # of a container, or of a service


@dataclass(frozen=True)
class Load:
    """Counters of the machine at one moment.

    Attributes:
        at: seconds of a clock that only goes forward.
        busy: processor seconds that all processes have used.
        own: of them, those of this process and, in a gang of workers, of the others with the same parent.
        swapped: bytes that were read back from swap.
        throttled: seconds in which the container's limit stopped its threads, over all of them.
    """

    at: float
    busy: float
    own: float
    swapped: int
    throttled: float

    @classmethod
    def now(cls, *, gang: bool = False) -> Load:
        """Reads the counters; `gang` says that processes of the same parent train too."""
        times = psutil.cpu_times()
        idle = times.idle + getattr(times, "iowait", 0.0)
        guests = getattr(times, "guest", 0.0) + getattr(times, "guest_nice", 0.0)  # counted as user time too
        return cls(time.monotonic(), sum(times) - guests - idle, _own(gang), psutil.swap_memory().sin, _throttled())

    def since(self, earlier: Load) -> Usage:
        """Use of the machine between `earlier` and this moment."""
        seconds = max(self.at - earlier.at, 1e-3)
        cores = psutil.cpu_count() or 1
        busy = min((self.busy - earlier.busy) / seconds, cores)
        return Usage(
            cores=cores,
            idle=cores - busy,
            others=max(busy - (self.own - earlier.own) / seconds, 0.0),
            swapping=(self.swapped - earlier.swapped) / seconds,
            throttled=(self.throttled - earlier.throttled) / seconds,
        )


@dataclass(frozen=True)
class Usage:
    """Use of the machine between two moments, on average.

    Attributes:
        cores: that the machine has.
        idle: cores that did nothing.
        others: cores that other processes used.
        swapping: bytes a second that were read back from swap.
        throttled: threads that the container's limit stopped.
    """

    cores: int
    idle: float
    others: float
    swapping: float
    throttled: float


def _own(gang: bool) -> float:
    """Processor seconds of this process, or of all processes of its parent."""
    process = psutil.Process()
    parent = process.parent() if gang else None
    family = parent.children(recursive=True) if parent else [process]
    seconds = 0.0
    for each in family:
        try:
            used = each.cpu_times()
        except psutil.Error:  # it has just ended
            continue
        seconds += used.user + used.system
    return seconds


def _throttled() -> float:
    try:
        lines = dict(line.split() for line in _CGROUP.read_text().splitlines())
        return int(lines["throttled_usec"]) / 1e6
    except (OSError, ValueError, KeyError):  # not Linux, no container, or cgroups of version 1
        return 0.0
