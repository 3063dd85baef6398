"""Requests that run together, with a runner of the test's own in place of a model."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace

import grpc
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftkeras.serving.batching import Arrays, Batcher
from sftkeras.serving.batching_parameters import BatchingParameters
from sftkeras.serving.engine import Call
from sftkeras.serving.errors import ServingError, invalid
from sftkeras.serving.runs import EngineRun

CALL = Call(("x",), ("y",))
UNLUCKY = -13.0


class Nobody:
    """An observer that does not listen."""

    def request(self, **_: object) -> None: ...
    def examples(self, **_: object) -> None: ...
    def answered(self, **_: object) -> None: ...
    def ran(self, **_: object) -> None: ...
    def waiting(self, **_: object) -> None: ...


class Doubler:
    """Answers twice the input; fails for UNLUCKY; runs only while `gate` is open."""

    def __init__(self, model: str = "doubler") -> None:
        self.model = model
        self.batches: list[np.ndarray] = []
        self.gate = threading.Event()
        self.gate.set()

    def run(self, run: EngineRun) -> Arrays:
        assert self.gate.wait(300)
        (array,) = run.arrays
        self.batches.append(array)
        if (array == UNLUCKY).any():
            raise invalid("unlucky")
        return [array * 2]


def rows(*values: float, call: Call = CALL) -> EngineRun:
    return EngineRun(call, (np.array(values, np.float32),), len(values))


@contextmanager
def batcher(**settings: object) -> Iterator[Batcher]:
    it = Batcher(BatchingParameters(**{"num_batch_threads": 1, **settings}), Nobody())
    try:
        yield it
    finally:
        it.close(300)
        assert not it.is_running


@contextmanager
def busy(doubler: Doubler, it: Batcher) -> Iterator[None]:
    """Keeps the one thread busy inside the block, so that what is submitted there waits."""
    doubler.gate.clear()
    first = it.submit(doubler, rows(0))
    while not first.done() and it._queues:
        time.sleep(0.001)
    yield
    doubler.gate.set()
    first.result(300)


def answer(future: Future[Arrays]) -> list[float]:
    return future.result(300)[0].tolist()


@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=1, max_size=9), min_size=1, max_size=20))
def test_everybody_gets_what_a_run_of_his_own_would_give(requests: list[list[float]]) -> None:
    doubler = Doubler()
    with batcher(max_execution_batch_size=4) as it:
        futures = [it.submit(doubler, rows(*values)) for values in requests if UNLUCKY not in values]
        expected = [(np.array(values, np.float32) * 2).tolist() for values in requests if UNLUCKY not in values]
        assert [answer(future) for future in futures] == expected
    assert max((len(batch) for batch in doubler.batches), default=0) <= 4


def test_what_waits_runs_together() -> None:
    doubler = Doubler()
    with batcher() as it:
        with busy(doubler, it):
            futures = [it.submit(doubler, rows(number)) for number in range(5)]
        assert [answer(future) for future in futures] == [[0], [2], [4], [6], [8]]
    assert [len(batch) for batch in doubler.batches] == [1, 5]


def test_an_idle_engine_runs_at_once_whatever_the_timeout() -> None:
    with batcher(batch_timeout_micros=600_000_000, num_batch_threads=2) as it:
        assert answer(it.submit(Doubler(), rows(1))) == [2]


def test_a_part_of_a_batch_waits_for_more_while_another_runs() -> None:
    first, second = Doubler("first"), Doubler("second")
    with batcher(batch_timeout_micros=600_000_000, max_execution_batch_size=3, num_batch_threads=2) as it:
        first.gate.clear()
        running = it.submit(first, rows(0))
        futures = []
        for number in range(3):
            futures.append(it.submit(second, rows(number)))
            time.sleep(0.01)
        assert [answer(future) for future in futures] == [[0], [2], [4]]
        first.gate.set()
        running.result(300)
    assert [len(batch) for batch in second.batches] == [3]


def test_a_part_of_a_batch_runs_after_its_time_while_another_runs() -> None:
    first, second = Doubler("first"), Doubler("second")
    with batcher(batch_timeout_micros=10_000, num_batch_threads=2) as it:
        first.gate.clear()
        running = it.submit(first, rows(0))
        assert answer(it.submit(second, rows(1))) == [2]
        assert not running.done()
        first.gate.set()
        running.result(300)


def test_a_bad_request_alone_fails() -> None:
    doubler = Doubler()
    with batcher() as it:
        with busy(doubler, it):
            good, bad, other = (it.submit(doubler, rows(number)) for number in (1, UNLUCKY, 3))
        assert (answer(good), answer(other)) == ([2], [6])
        with pytest.raises(ServingError, match="unlucky"):
            answer(bad)


class Lists(Doubler):
    """Answers rows of as many numbers as the largest of the batch says, and twice if UNLUCKY is among them."""

    def run(self, run: EngineRun) -> Arrays:
        assert self.gate.wait(300)
        (array,) = run.arrays
        self.batches.append(array)
        listed = np.full((len(array), int(array.max())), -1, np.int32)
        for row, number in enumerate(array.astype(int)):
            listed[row, : max(number, 0)] = number
        return [listed] * (2 if (array == UNLUCKY).any() else 1)


def test_parts_of_other_widths_are_put_together() -> None:
    lists = Lists()
    with batcher(max_execution_batch_size=2) as it:
        assert answer(it.submit(lists, rows(1, 0, 3, 1, 2))) == [
            [1, -1, -1],
            [-1, -1, -1],
            [3, 3, 3],
            [1, -1, -1],
            [2, 2, -1],
        ]
    assert len(lists.batches) == 3


def test_parts_that_cannot_be_put_together_fail_their_request_alone() -> None:
    lists = Lists()
    with batcher(max_execution_batch_size=3) as it:
        with busy(lists, it):
            before = it.submit(lists, rows(1))
            bad = it.submit(lists, rows(2, 2, 2, UNLUCKY))
            beside = it.submit(lists, rows(1, 2))
        assert (answer(before), answer(beside)) == ([[1]], [[1, -1], [2, 2]])
        with pytest.raises(ServingError, match="do not fit together") as failed:
            answer(bad)
        assert failed.value.code == grpc.StatusCode.INTERNAL
        assert answer(it.submit(lists, rows(1))) == [[1]]


def test_a_run_that_only_the_model_can_put_together_runs_whole() -> None:
    lists = Lists()
    with batcher(max_execution_batch_size=2) as it:
        whole = replace(rows(1, 3, 2), divisible=False)
        assert answer(it.submit(lists, whole)) == [[1, -1, -1], [3, 3, 3], [2, 2, -1]]
    assert len(lists.batches) == 1


def test_a_full_queue_refuses_and_other_models_do_not_suffer() -> None:
    doubler, other = Doubler(), Doubler("other")
    with batcher(max_execution_batch_size=2, max_enqueued_batches=2) as it:
        with busy(doubler, it):
            accepted = [it.submit(doubler, rows(1)) for _ in range(4)]
            with pytest.raises(ServingError) as refused:
                it.submit(doubler, rows(1))
            accepted.append(it.submit(other, rows(1)))
        assert refused.value.code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert [answer(future) for future in accepted] == [[2]] * 5
        assert answer(it.submit(doubler, rows(5))) == [10]  # and there is room again


def test_batches_are_filled_up_to_allowed_sizes_and_cut_again() -> None:
    doubler = Doubler()
    with batcher(max_execution_batch_size=8, allowed_batch_sizes=(4, 8)) as it:
        assert answer(it.submit(doubler, rows(1, 2))) == [2, 4]
        assert answer(it.submit(doubler, rows(1, 2, 3, 4, 5))) == [2, 4, 6, 8, 10]
    assert [len(batch) for batch in doubler.batches] == [4, 8]


def test_inputs_of_other_shapes_run_apart_unless_they_may_be_padded() -> None:
    shapes = ((1, 2), (1, 3), (1, 2))
    for pad, batches in ((False, 2), (True, 1)):
        doubler = Doubler()
        with batcher(pad_variable_length_inputs=pad) as it:
            with busy(doubler, it):
                runs = [EngineRun(CALL, (np.ones(shape, np.float32),), 1) for shape in shapes]
                futures = [it.submit(doubler, run) for run in runs]
            widths = [future.result(300)[0].sum() for future in futures]
        assert widths == [4, 6, 4]
        assert len(doubler.batches) == 1 + batches


def test_strings_are_padded_with_empty_ones() -> None:
    class Echo(Doubler):
        def run(self, run: EngineRun) -> Arrays:
            self.gate.wait(300)
            return [run.arrays[0]]

    echo = Echo()
    with batcher(pad_variable_length_inputs=True) as it:
        with busy(echo, it):
            texts = [np.array([[b"a"]], object), np.array([[b"b", b"c"]], object)]
            futures = [it.submit(echo, EngineRun(CALL, (array,), 1)) for array in texts]
        assert [answer(future) for future in futures] == [[[b"a", b""]], [[b"b", b"c"]]]


def test_other_calls_run_apart() -> None:
    doubler = Doubler()
    with batcher() as it:
        with busy(doubler, it):
            futures = [it.submit(doubler, rows(1)), it.submit(doubler, rows(2, call=Call(("x",), ("z",))))]
        assert [answer(future) for future in futures] == [[2], [4]]
    assert len(doubler.batches) == 3


def test_a_run_without_rows_stays_alone() -> None:
    doubler = Doubler()
    with batcher() as it:
        with busy(doubler, it):
            futures = [it.submit(doubler, EngineRun(CALL, (np.float32(number),), None)) for number in (1, 2)]
        assert [answer(future) for future in futures] == [2, 4]


def test_what_is_too_late_or_cancelled_is_not_run() -> None:
    doubler = Doubler()
    with batcher() as it:
        with busy(doubler, it):
            late = it.submit(doubler, rows(7), time.monotonic() - 1)
            cancelled = it.submit(doubler, rows(8))
            cancelled.cancel()
            kept = it.submit(doubler, rows(9))
        assert answer(kept) == [18]
        with pytest.raises(ServingError) as refused:
            answer(late)
    assert refused.value.code == grpc.StatusCode.DEADLINE_EXCEEDED
    assert np.concatenate(doubler.batches).tolist() == [0, 9]


def test_a_model_that_answers_other_rows_than_asked_fails_and_only_that() -> None:
    class Wrong(Doubler):
        def run(self, run: EngineRun) -> Arrays:
            return [np.zeros(1 + len(run.arrays[0]))]

    with batcher() as it:
        with pytest.raises(ServingError, match="output of shape"):
            answer(it.submit(Wrong(), rows(1, 2)))
        assert answer(it.submit(Doubler(), rows(1))) == [2]


def test_a_fault_of_the_runner_is_an_internal_error() -> None:
    class Broken(Doubler):
        def run(self, run: EngineRun) -> Arrays:
            raise KeyError("nothing")

    with batcher() as it, pytest.raises(ServingError) as refused:
        answer(it.submit(Broken(), rows(1)))
    assert refused.value.code == grpc.StatusCode.INTERNAL


def test_closing_answers_what_waits_and_takes_no_more() -> None:
    doubler = Doubler()
    it = Batcher(BatchingParameters(num_batch_threads=1, max_execution_batch_size=1), Nobody())
    futures = [it.submit(doubler, rows(number)) for number in range(20)]
    it.close(300)
    assert [answer(future) for future in futures] == [[2 * number] for number in range(20)]
    with pytest.raises(ServingError) as refused:
        it.submit(doubler, rows(1))
    assert refused.value.code == grpc.StatusCode.UNAVAILABLE


def test_texts_of_like_length_run_together_and_the_oldest_first() -> None:
    class Lengths(Doubler):
        def run(self, run: EngineRun) -> Arrays:
            assert self.gate.wait(300)
            texts = run.arrays[0]
            self.batches.append(texts)
            return [np.array([len(text) for text in texts])]

    def text(length: int) -> EngineRun:
        return EngineRun(CALL, (np.array([b"x" * length], object),), 1)

    lengths = Lengths()
    with batcher() as it:
        lengths.gate.clear()
        first = it.submit(lengths, text(1))
        while it._queues:
            time.sleep(0.001)
        futures = [it.submit(lengths, text(length)) for length in (300, 1, 320, 40, 5)]
        lengths.gate.set()
        assert [answer(future) for future in (first, *futures)] == [[1], [300], [1], [320], [40], [5]]
    assert [[len(text) for text in batch] for batch in lengths.batches] == [[1], [300, 320], [1, 5], [40]]
