"""Measures steps at a few lengths, within bounds: an estimate must not take as long as what it is of."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence

import numpy as np

SECONDS = 30.0  # after the first step; then no further one begins, and one that has begun is waited for
SHARE = 0.25  # of the run's steps, at most, but half of a few
_LENGTHS = 6  # the most that are measured; between them a line is drawn
_STEPS = 4  # the most of a length; the first, which traces the graph and claims memory, is timed only if it is alone
_FEWEST = 2


def measure(
    lengths: Sequence[int],
    run_step: Callable[[int], object],
    *,
    run_steps: int,
    seconds: float = SECONDS,
    now: Callable[[], float] = time.perf_counter,
) -> dict[int, float]:
    """Times steps at some of the lengths, those that say most first, until time or steps are used up.

    Args:
        lengths: that steps of the run have, ascending.
        run_step: does a step of a length.
        run_steps: how many the whole run has, of which no more than a quarter are done here, or four of eight and more.
        seconds: when to stop.
        now: the clock.

    Returns:
        The seconds of a step by length, ascending. The longest is always there. If it is the only one, its time may be
        that of a first step, and that of the others is less.
    """
    began = now()
    # Two lengths at least, where that is no more than half of the run: a line needs two.
    fewest = 2 * _FEWEST if run_steps >= 4 * _FEWEST else _FEWEST
    most = max(fewest, int(run_steps * SHARE))
    times: dict[int, list[float]] = {}
    for length in _in_order(lengths):
        done = sum(map(len, times.values()))
        if done and (done >= most or now() - began >= seconds):
            break
        step_began = now()
        run_step(length)
        times.setdefault(length, []).append(now() - step_began)
        if not done:
            began = now()  # tracing may take longer than all steps, and its time says nothing of theirs
    usable = {length: taken for length, taken in times.items() if len(taken) > 1} or times
    return {length: float(np.median(usable[length][1:] or usable[length])) for length in sorted(usable)}


def _in_order(lengths: Sequence[int]) -> Iterator[int]:
    """Each length of a few twice: the longest, the shortest, those between; then all again."""
    chosen = sorted({lengths[round(place)] for place in np.linspace(0, len(lengths) - 1, _LENGTHS)})
    ends = [chosen[-1], *chosen[:1]] if len(chosen) > 1 else chosen
    for length in [*ends, *chosen[1:-1]]:
        yield from [length] * _FEWEST
    for _ in range(_STEPS - _FEWEST):
        yield from chosen
