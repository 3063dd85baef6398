"""`python killed.py MODULE:OWNER.FUNCTION CALL FLAG…` trains, and kills its own process right after one call of one of
its functions: the only way to die at a moment that a test can name."""

from __future__ import annotations

import importlib
import operator
import os
import signal
import sys
from typing import Any

from sftkeras import runtime, train
from sftkeras.command_line import commands
from sftkeras.config import TrainConfig


def kill_after(target: str, call: int) -> None:
    """Wraps the function so that the process is killed once it has returned for the so-many-th time."""
    runtime.start_tensorflow()
    module, _, path = target.partition(":")
    owner_path, _, name = path.rpartition(".")
    owner: Any = importlib.import_module(module)
    owner = operator.attrgetter(owner_path)(owner) if owner_path else owner
    stock, calls = getattr(owner, name), []

    def wrapped(*arguments: Any, **named: Any) -> Any:
        result = stock(*arguments, **named)
        calls.append(name)
        if len(calls) == call:
            os.kill(os.getpid(), signal.SIGKILL)
        return result

    setattr(owner, name, wrapped)


if __name__ == "__main__":
    kill_after(sys.argv[1], int(sys.argv[2]))
    sys.argv[1:] = sys.argv[3:]
    commands.run(train.main, TrainConfig)
