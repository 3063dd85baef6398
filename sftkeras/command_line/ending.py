"""The end of a command's process: at once, when all that Python promises to do at an end is done."""

from __future__ import annotations

import atexit
import os
import sys
import threading
from typing import NoReturn

from sftkeras.console import is_command

_taken_apart = False


def take_apart_at_end() -> None:
    """Lets Python take this process apart when it ends, for what says goodbye to other processes only then."""
    global _taken_apart
    _taken_apart = True


def end(code: int) -> NoReturn:
    """Ends the process of a command with an exit code; raises `SystemExit` where it is not alone in its process.

    A process that has loaded TensorFlow ends without being taken apart: Python's garbage collector takes 6 to 15 s to
    free graphs and models (TensorFlow 2.21), which the system does at once. What Python does before that is done: it
    waits for threads that are no daemons, and calls what is registered to be called at the end, as trackers and loggers
    are. Files are closed before, by their writers.
    """
    if _taken_apart or not is_command() or "tensorflow" not in sys.modules:
        sys.exit(code)
    leave(code)


def leave(code: int) -> NoReturn:
    """Ends this process with an exit code, after what Python does before it takes a process apart."""
    try:
        threading._shutdown()  # type: ignore[attr-defined]  # Python calls these two itself, and names them nowhere
        atexit._run_exitfuncs()
        for stream in (sys.stdout, sys.stderr):
            stream.flush()
    except OSError:  # the output could not be written: Python's own code for that
        code = code or 120
    finally:
        os._exit(code)
