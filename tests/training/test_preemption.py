"""A signal asks to stop, a second ctrl-C does not ask; what stood there before comes back."""

from __future__ import annotations

import signal
import threading

import pytest

from sftkeras.errors import Preempted
from sftkeras.training.resume.preemption import signals_end, signals_wait


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_first_signal_is_only_a_wish(number: signal.Signals) -> None:
    with signals_wait() as wish:
        assert not wish.wanted
        signal.raise_signal(number)
        assert wish.wanted


def test_a_second_ctrl_c_stops_at_once() -> None:
    with signals_wait():
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_ctrl_c_after_sigterm_is_the_first() -> None:
    with signals_wait() as wish:
        for number in (signal.SIGTERM, signal.SIGTERM, signal.SIGINT):
            signal.raise_signal(number)
        assert wish.wanted


@pytest.mark.parametrize(
    ("number", "run_exists", "stop"),
    [
        (signal.SIGTERM, False, Preempted),
        (signal.SIGTERM, True, Preempted),
        (signal.SIGINT, True, Preempted),
        (signal.SIGINT, False, KeyboardInterrupt),
    ],
)
def test_outside_of_training_a_signal_ends_the_command(
    number: signal.Signals, run_exists: bool, stop: type[BaseException]
) -> None:
    with signals_end(lambda: run_exists):
        with pytest.raises(KeyboardInterrupt) as raised:
            signal.raise_signal(number)
        assert raised.type is stop
        with pytest.raises(KeyboardInterrupt) as raised:
            signal.raise_signal(signal.SIGINT)
        if number == signal.SIGINT:
            assert raised.type is KeyboardInterrupt


def test_the_handlers_before_come_back() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)]
    with signals_end(lambda: True), signals_wait():
        pass
    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)] == before


def test_a_thread_trains_without_handlers() -> None:
    ended = []

    def train() -> None:
        with signals_wait() as wish:
            ended.append(wish.wanted)

    thread = threading.Thread(target=train)
    thread.start()
    thread.join()
    assert ended == [False]
