"""Dynamic batching: requests that wait for the engine run together.

Batches form from what is waiting when a thread is free; requests are not delayed to fill a batch.
What a run means to a protocol is decided elsewhere.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import Counter, deque
from collections.abc import Hashable, Sequence
from concurrent.futures import Future, InvalidStateError
from dataclasses import dataclass, field, replace
from typing import Protocol

import numpy as np
from grpc import StatusCode

from sftkeras.serving.batching_parameters import BatchingParameters
from sftkeras.serving.errors import ServingError, invalid, overloaded, too_late
from sftkeras.serving.observer import Observer
from sftkeras.serving.runs import EngineRun
from sftkeras.tasks.padding import stacked

_log = logging.getLogger(__name__)

Arrays = list[np.ndarray]

# A model of texts pads a batch to its longest text. Texts share a batch if their lengths differ by no more than this
# factor; below so many bytes a text costs about the same whatever its length. With 64 clients that send film reviews,
# this saved a quarter of the time that the processor spends on a request, with 16 clients a twelfth.
_LIKE = 2
_SHORT = 24


class Runner(Protocol):
    """Runs batches: a loaded version."""

    model: str

    def run(self, run: EngineRun) -> Arrays:
        """Runs it; may raise a ServingError."""


@dataclass(eq=False)
class _Request:
    """A run that somebody waits for; split into parts if it is larger than a batch may be."""

    deadline: float | None
    parts: int
    future: Future[Arrays] = field(default_factory=Future)
    arrived: float = field(default_factory=time.monotonic)
    answers: dict[int, Arrays] = field(default_factory=dict)

    def answer(self, number: int, arrays: Arrays) -> None:
        self.answers[number] = arrays
        if len(self.answers) < self.parts:
            return
        try:
            ordered = [self.answers[part] for part in range(self.parts)]
            self._end([stacked(pieces) for pieces in zip(*ordered, strict=True)])
        except Exception as error:  # a fault of this request alone: the others of its batch are answered
            problem = f"the answers to parts of this request do not fit together ({error})"
            self.fail(ServingError(StatusCode.INTERNAL, problem))

    def fail(self, error: Exception) -> None:
        if not isinstance(error, ServingError):
            error = ServingError(StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
        self._end(error)

    def _end(self, outcome: Arrays | Exception) -> None:
        try:
            if isinstance(outcome, Exception):
                self.future.set_exception(outcome)
            else:
                self.future.set_result(outcome)
        except InvalidStateError:
            pass  # the caller has gone, or another part has failed


@dataclass(frozen=True, eq=False)
class _Part:
    """Consecutive rows of a request, as many as a batch may have at most."""

    request: _Request
    number: int
    run: EngineRun
    length: int  # bytes of its longest text

    @property
    def rows(self) -> int:
        return self.run.rows or 1

    def is_wanted(self) -> bool:
        """Whether its caller still waits; one that waited too long gets an error."""
        request = self.request
        if request.deadline is not None and time.monotonic() > request.deadline:
            request.fail(too_late())
        return not request.future.done()

    def is_like(self, other: _Part) -> bool:
        """Whether the two are of like length, so that padding one to the other costs little."""
        shorter, longer = sorted((self.length, other.length))
        return longer + _SHORT <= _LIKE * (shorter + _SHORT)


class Batcher:
    """Runs what is submitted, in batches, in threads of its own; safe to use from any thread.

    Args:
        parameters: how large batches are and how many may wait.
        observer: notified of every batch.
    """

    def __init__(self, parameters: BatchingParameters, observer: Observer) -> None:
        self._parameters = parameters
        self._observer = observer
        # What may share a batch stands in one queue: the same call to the same version with rows of the same shape.
        self._queues: dict[tuple[Runner, Hashable], deque[_Part]] = {}
        self._waiting: Counter[str] = Counter()  # rows, by model
        self._running = 0
        self._closed = False
        self._changed = threading.Condition()
        self._threads = [
            threading.Thread(target=self._work, name=f"batch-{number}", daemon=True)
            for number in range(parameters.num_batch_threads)
        ]
        for thread in self._threads:
            thread.start()

    def submit(self, runner: Runner, run: EngineRun, deadline: float | None = None) -> Future[Arrays]:
        """Puts a run into the queue.

        Args:
            runner: the version that is to run it.
            run: what to run; its inputs must have been checked, since one that fails costs its batch a second run.
            deadline: by `time.monotonic`; a run that has not begun by then is given up.

        Returns:
            The arrays that the run fetches, in time; or a ServingError. Cancelling it takes the run from the queue.

        Raises:
            ServingError: INVALID_ARGUMENT for too many rows, RESOURCE_EXHAUSTED if the queue is full.
        """
        rows = run.rows or 1
        # The messages are those of shared_batch_scheduler.h in tensorflow/tensorflow. There a full queue is
        # UNAVAILABLE, which makes clients try again; RESOURCE_EXHAUSTED, that there is too much already.
        if rows > self._parameters.max_batch_size:
            raise invalid(f"Task size {rows} is larger than maximum input batch size {self._parameters.max_batch_size}")
        runs = self._split(run)
        request = _Request(deadline, len(runs))
        parts = [_Part(request, number, part, _length(part)) for number, part in enumerate(runs)]
        with self._changed:
            if self._closed:
                raise ServingError(StatusCode.UNAVAILABLE, "the server is shutting down")
            if self._waiting[runner.model] + rows > self._parameters.most_waiting_rows:
                raise overloaded("The batch scheduling queue to which this task was submitted is full")
            self._waiting[runner.model] += rows
            self._queues.setdefault((runner, self._group(run)), deque()).extend(parts)
            self._changed.notify(len(parts))
            waiting = self._waiting[runner.model]
        self._observer.waiting(model=runner.model, rows=waiting)
        return request.future

    def close(self, seconds: float) -> None:
        """Takes no more, and waits for what is waiting, but no longer than `seconds`."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        limit = time.monotonic() + seconds
        for thread in self._threads:
            thread.join(max(0.0, limit - time.monotonic()))

    @property
    def is_running(self) -> bool:
        """Whether one of its threads still runs."""
        return any(thread.is_alive() for thread in self._threads)

    def _split(self, run: EngineRun) -> list[EngineRun]:
        most = self._parameters.max_execution_batch_size
        if not run.rows or run.rows <= most or not run.divisible:
            return [run]
        return [run.part(start, min(start + most, run.rows)) for start in range(0, run.rows, most)]

    def _group(self, run: EngineRun) -> Hashable:
        if run.rows is None:
            return object()  # equal to nothing else
        if self._parameters.pad_variable_length_inputs:
            return run.call
        return run.call, tuple(array.shape[1:] for array in run.arrays)

    # The threads.

    def _work(self) -> None:
        while (taken := self._take()) is not None:
            runner, parts = taken
            try:
                self._observer.waiting(model=runner.model, rows=self._waiting[runner.model])
                if parts:
                    self._run(runner, parts)
            except Exception as error:  # a fault here must not end the thread
                _log.exception("a batch of %s failed", runner.model)
                for part in parts:
                    part.request.fail(error)
            finally:
                with self._changed:
                    self._running -= 1
                    self._changed.notify_all()  # what waited only because this one ran

    def _take(self) -> tuple[Runner, list[_Part]] | None:
        """Waits for a batch that is due; None when there will be no more."""
        with self._changed:
            while True:
                now = time.monotonic()
                for key in sorted(self._queues, key=lambda key: self._queues[key][0].request.arrived):
                    if self._is_due(self._queues[key], now):
                        self._running += 1
                        return key[0], self._pull(key)
                if self._closed and not self._queues:
                    return None
                self._changed.wait(self._timeout if self._queues else None)

    @property
    def _timeout(self) -> float:
        return self._parameters.batch_timeout_micros / 1e6

    def _is_due(self, queue: deque[_Part], now: float) -> bool:
        if not self._running or self._closed or now >= queue[0].request.arrived + self._timeout:
            return True
        return sum(part.rows for part in queue) >= self._parameters.max_execution_batch_size

    def _pull(self, key: tuple[Runner, Hashable]) -> list[_Part]:
        """Takes a batch from a queue: what waits longest, and those most like it."""
        queue = self._queues[key]
        taken: list[_Part] = []
        rows = 0
        for part in sorted(filter(queue[0].is_like, queue), key=lambda part: abs(part.length - queue[0].length)):
            if taken and rows + part.rows > self._parameters.max_execution_batch_size:
                break
            taken.append(part)
            rows += part.rows
        self._waiting[key[0].model] -= rows
        if len(taken) == len(queue):
            del self._queues[key]
        else:
            self._queues[key] = deque(part for part in queue if part not in taken)
        return [part for part in taken if part.is_wanted()]

    def _run(self, runner: Runner, parts: Sequence[_Part]) -> None:
        began = time.monotonic()
        try:
            answers = self._answers(runner, parts)
        except Exception as error:
            if len(parts) > 1:  # one of them may be to blame, and the others shall not suffer for it
                for part in parts:
                    self._run(runner, [part])
                return
            if not isinstance(error, ServingError):
                _log.exception("a request to %s failed", runner.model)
            parts[0].request.fail(error)
            return
        for part, arrays in zip(parts, answers, strict=True):
            part.request.answer(part.number, arrays)
        rows = sum(part.rows for part in parts)
        self._observer.ran(
            model=runner.model,
            rows=rows,
            padding=self._parameters.padded(rows) - rows,
            waited=began - min(part.request.arrived for part in parts),
            seconds=time.monotonic() - began,
        )

    def _answers(self, runner: Runner, parts: Sequence[_Part]) -> list[Arrays]:
        """Runs parts as one batch and cuts the answers for each out of it."""
        if parts[0].run.rows is None:
            return [runner.run(parts[0].run)]
        rows = sum(part.rows for part in parts)
        size = self._parameters.padded(rows)
        columns = zip(*(part.run.arrays for part in parts))  # noqa: B905  of one call
        # Inputs are filled up with zeros, as the C++ server does it (batching_util.cc, AddPadding).
        arrays = tuple(_repeated(stacked(column, whole_number=0), size) for column in columns)
        outputs = runner.run(replace(parts[0].run, arrays=arrays, rows=size))
        for output in outputs:
            if not output.ndim or len(output) != size:
                raise ServingError(
                    StatusCode.INTERNAL, f"the model answered {size} rows with an output of shape {output.shape}"
                )
        ends = np.cumsum([part.rows for part in parts])
        return [[output[end - part.rows : end] for output in outputs] for part, end in zip(parts, ends, strict=True)]


def _length(run: EngineRun) -> int:
    return max((len(text) for array in run.arrays if array.dtype == object for text in array.flat), default=0)


def _repeated(array: np.ndarray, rows: int) -> np.ndarray:
    """Repeats the first row at the end until there are so many."""
    return array if len(array) == rows else np.concatenate([array, np.repeat(array[:1], rows - len(array), axis=0)])
