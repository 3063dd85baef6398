"""The end of a program that does training steps: it answers each line of standard input with the seconds of steps."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Sequence
from typing import Any


def answer_turns(step: Callable[..., Any], batches: Sequence[Any]) -> None:
    """Answers lines until there are no more.

    Args:
        step: a training step, which takes the arrays of a batch and gives a tensor.
        batches: whose numbers a line names: {"steps": numbers}.
    """
    for line in sys.stdin:
        print(json.dumps([_timed(step, batches[number]) for number in json.loads(line)["steps"]]), flush=True)


def _timed(step: Callable[..., Any], batch: Any) -> float:
    began = time.perf_counter()
    step(*batch).numpy()
    return time.perf_counter() - began
