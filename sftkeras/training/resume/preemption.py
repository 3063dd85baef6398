"""SIGTERM and ctrl-C while a run trains: a wish to stop, which the run grants when its state is safe."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import Any

from sftkeras.console import say
from sftkeras.errors import Preempted

_Handler = Callable[[int, FrameType | None], Any]


class StopWish:
    """Whether a signal asked the run to stop.

    Attributes:
        wanted: it did.
    """

    wanted = False


@contextmanager
def signals_wait() -> Iterator[StopWish]:
    """Inside the block SIGTERM and the first ctrl-C only make a wish; the second ctrl-C raises `KeyboardInterrupt`."""
    wish = StopWish()
    interrupted = False

    def on_signal(number: int, frame: FrameType | None) -> None:
        nonlocal interrupted
        if interrupted and number == signal.SIGINT:
            raise KeyboardInterrupt
        interrupted = interrupted or number == signal.SIGINT
        if not wish.wanted:
            wish.wanted = True
            say("Stopping after this step, with the state saved. A second ctrl-C stops at once.")

    with _handlers({signal.SIGTERM: on_signal, signal.SIGINT: on_signal}):
        yield wish


@contextmanager
def signals_end(run_exists: Callable[[], bool]) -> Iterator[None]:
    """Inside the block SIGTERM raises `Preempted`, and so does ctrl-C once there is a run that can be continued."""

    def on_terminate(number: int, frame: FrameType | None) -> None:
        raise Preempted

    def on_interrupt(number: int, frame: FrameType | None) -> None:
        signal.signal(signal.SIGINT, signal.default_int_handler)  # the next one is meant
        raise Preempted if run_exists() else KeyboardInterrupt

    with _handlers({signal.SIGTERM: on_terminate, signal.SIGINT: on_interrupt}):
        yield


@contextmanager
def _handlers(handlers: dict[int, _Handler]) -> Iterator[None]:
    if threading.current_thread() is not threading.main_thread():  # Python lets no other thread handle signals
        yield
        return
    before = {number: signal.signal(number, handler) for number, handler in handlers.items()}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
