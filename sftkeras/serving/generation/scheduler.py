"""Continuous batching: a thread that writes the next token of all streams, turn by turn (Yu et al., 2022, Orca).

Streams join between two turns and leave when they are done. A turn reads a part of the prompts that are new, and then
one token of every stream. The oldest stream always gets the pages that it needs; where there are none left, the
youngest gives its own back and waits, to be read again later.
"""

from __future__ import annotations

import logging
import threading
import time
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Protocol

from grpc import StatusCode

from sftkeras.serving.errors import ServingError, overloaded, too_late
from sftkeras.serving.generation.graph import Drawn, Facts
from sftkeras.serving.generation.limits import GenerationLimits
from sftkeras.serving.generation.observer import GenerationObserver, Load
from sftkeras.serving.generation.pages import Pages
from sftkeras.serving.generation.requests import Token, TopToken
from sftkeras.serving.generation.streams import Stream

_log = logging.getLogger(__name__)


class Graph(Protocol):
    """Interface of a version that the scheduler drives; see `sftkeras.serving.generation.graph`."""

    facts: Facts
    page_tokens: int
    page_count: int
    texts: list[bytes]

    def read(self, streams: Sequence[Stream], counts: Sequence[int]) -> Drawn:
        """Read so many tokens of each stream into its pages, and draw the next ones."""
        ...


class Scheduler:
    """Writes the streams of one version, in a thread of its own.

    Args:
        graph: the version.
        limits: how many streams there may be.
        observer: notified of what happens to them.
        model: name of the model.
        version: its number.
    """

    def __init__(
        self, graph: Graph, limits: GenerationLimits, observer: GenerationObserver, *, model: str, version: int
    ) -> None:
        self._graph, self._limits, self._observer = graph, limits, observer
        self._model, self._version = model, version
        self._pages = Pages(graph.page_count, graph.page_tokens)
        self._running: list[Stream] = []  # the oldest first; of the thread alone
        self._waiting: deque[Stream] = deque()
        self._open = 0
        self._closed = False
        self._changed = threading.Condition()
        self._tell_load()
        self._thread = threading.Thread(target=self._work, name=f"generate-{model}-{version}", daemon=True)
        self._thread.start()

    @contextmanager
    def place(self) -> Iterator[None]:
        """Takes a place in the queue, or a slot, for the time of the block.

        Raises:
            ServingError: RESOURCE_EXHAUSTED if there is none, UNAVAILABLE while the version is unloaded.
        """
        with self._changed:
            self._check_open()
            if self._open >= self._limits.slots + self._limits.queue:
                raise overloaded(f"{self._open} texts are being generated or wait; try again later")
            self._open += 1
        try:
            yield
        finally:
            with self._changed:
                self._open -= 1

    def submit(self, stream: Stream) -> None:
        """Queues a stream, which has a place.

        Raises:
            ServingError: UNAVAILABLE while the version is unloaded.
        """
        with self._changed:
            self._check_open()
            self._waiting.append(stream)
            self._changed.notify()

    def leave(self, stream: Stream) -> None:
        """Notes that nobody waits for a stream any more: what it holds is free before the next token."""
        with self._changed:
            stream.left = True
            self._changed.notify()

    def close(self) -> None:
        """Fails what is not done, and ends the thread after its current call."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()
        self._observer.loaded(model=self._model, version=self._version, load=None)

    def _check_open(self) -> None:
        if self._closed:
            raise ServingError(StatusCode.UNAVAILABLE, "the version is being unloaded")

    # The thread.

    def _work(self) -> None:
        while self._wait():
            try:
                self._turn()
            except Exception as error:  # a fault here must not end the thread
                _log.exception("generation of %s failed", self._model)
                for stream in list(self._running):
                    self._fail(stream, error)
        for stream in [*self._running, *self._waiting]:
            self._fail(stream, ServingError(StatusCode.UNAVAILABLE, "the version is being unloaded"))

    def _wait(self) -> bool:
        """Waits for streams; False when there will be no more."""
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._running or self._waiting)
            return not self._closed

    def _turn(self) -> None:
        """Reads a part of new prompts, then a token of each stream."""
        self._drop()
        self._admit()
        self._tell_load()
        self._read(*self._prompts())
        writing = [stream for stream in list(self._running) if stream.unread == 1 and self._has_room(stream, 1)]
        self._read(writing, [1] * len(writing))
        if not self._running and not self._waiting:
            self._tell_load()

    def _drop(self) -> None:
        """Takes out streams whose clients have left, or whose time is over."""
        now = time.monotonic()
        with self._changed:
            streams = [*self._running, *self._waiting]
        for stream in streams:
            if stream.left:
                self._end(stream, "left")
            elif now > stream.deadline:
                self._fail(stream, too_late())

    def _admit(self) -> None:
        """Gives slots to streams that wait, as long as there are pages for all that is to be read."""
        promised = sum(map(self._missing, self._running))
        with self._changed:
            while self._waiting and len(self._running) < self._limits.slots:
                promised += self._missing(self._waiting[0])
                if self._running and promised > self._pages.free:
                    return
                self._running.append(self._waiting.popleft())

    def _prompts(self) -> tuple[list[Stream], list[int]]:
        """Streams with more than their last token to be read, and how many tokens of each are read next.

        Short prompts share a call. One that begins with what another is about to read waits for it.
        """
        most = self._limits.prompt_tokens_a_call
        streams: list[Stream] = []
        counts: list[int] = []
        beginnings = set()
        for stream in list(self._running):
            self._find_known(stream)
            count = min(stream.unread, most)
            key = self._pages.key(stream.pages[: stream.read // self._pages.size], stream.tokens)
            fits = (len(streams) + 1) * max([count, *counts]) <= most or not streams
            if count > 1 and fits and key not in beginnings and self._has_room(stream, count):
                streams.append(stream)
                counts.append(count)
                beginnings.add(key)
        return streams, counts

    def _find_known(self, stream: Stream) -> None:
        """Gives a stream the pages that earlier ones have filled with the same tokens."""
        if stream.read < len(stream.pages) * self._pages.size:
            return  # it is writing its last page
        self._pages.find(stream.pages, stream.tokens)
        known = len(stream.pages) * self._pages.size
        if not stream.new_tokens:
            stream.cached_tokens += known - stream.read
        stream.read = known

    def _missing(self, stream: Stream, count: int | None = None) -> int:
        """Pages that a stream needs for its next tokens; by default for all, and the one that will be drawn."""
        tokens = stream.read + count if count else len(stream.tokens) + 1
        return max(0, -(-tokens // self._pages.size) - len(stream.pages))

    def _has_room(self, stream: Stream, count: int) -> bool:
        """Gives a stream pages for its next tokens, if need be those of younger ones; False if it gave up its own."""
        while stream in self._running:
            pages = self._pages.take(self._missing(stream, count))
            if pages is not None:
                stream.pages += pages
                return True
            self._put_off(self._running[-1])
        return False

    def _put_off(self, stream: Stream) -> None:
        """Takes slot and pages from a stream, which is the next to get them again."""
        self._running.remove(stream)
        self._pages.release(stream.pages)
        stream.pages, stream.read = [], 0
        if not stream.new_tokens:
            stream.cached_tokens = 0  # counted anew
        with self._changed:
            self._waiting.appendleft(stream)

    def _read(self, streams: Sequence[Stream], counts: Sequence[int]) -> None:
        """Reads so many tokens of each stream, and gives those that have read all their next one."""
        there = [(stream, count) for stream, count in zip(streams, counts, strict=True) if stream in self._running]
        if not there:
            return
        began = time.monotonic()
        try:
            drawn = self._graph.read([stream for stream, _ in there], [count for _, count in there])
        except Exception as error:
            if len(there) == 1:
                if not isinstance(error, ServingError):  # of which its client is to blame
                    _log.warning("a text of %s could not be generated: %s", self._model, error)
                self._fail(there[0][0], error)
            else:  # one of them may be to blame; reading again writes the same
                for stream, count in there:
                    self._read([stream], [count])
            return
        new = 0
        for row, (stream, count) in enumerate(there):
            stream.read += count
            if stream.read % self._pages.size < count:  # a page is full
                self._pages.fill(stream.pages, stream.tokens[: stream.read])
            if not stream.unread:
                new += 1
                self._take(stream, self._token(drawn, row, stream.request.top_log_probabilities))
        seconds = time.monotonic() - began
        self._observer.generated(model=self._model, tokens=new, seconds=seconds)

    def _take(self, stream: Stream, token: Token) -> None:
        """Adds a token to a stream."""
        if stream.first_at is None:
            stream.first_at = time.monotonic()
            self._observer.stream_began(
                model=self._model,
                seconds=stream.first_at - stream.arrived,
                prompt_tokens=stream.prompt_tokens,
                cached_tokens=stream.cached_tokens,
            )
        try:
            reason = stream.add(token, ends=token.id in self._graph.facts.end_ids)
        except ServingError as error:
            self._fail(stream, error)
            return
        if reason:
            self._end(stream, reason)

    def _token(self, drawn: Drawn, row: int, top: int | None) -> Token:
        number = int(drawn.ids[row])
        probable = zip(drawn.top_ids[row][: top or 0], drawn.top_log_probabilities[row], strict=False)
        others = tuple(TopToken(int(other), self._graph.texts[other], float(it)) for other, it in probable)
        score = 0.0 if top is None else float(drawn.log_probabilities[row])
        return Token(number, self._graph.texts[number], score, others)

    def _fail(self, stream: Stream, error: Exception) -> None:
        if not isinstance(error, ServingError):
            error = ServingError(StatusCode.INTERNAL, f"{type(error).__name__}: {error}")
        stream.give(error)
        self._end(stream, error.code.name)

    def _end(self, stream: Stream, outcome: str) -> None:
        """Takes a stream out, and its pages."""
        with self._changed:
            if stream in self._running:
                self._running.remove(stream)
            elif stream in self._waiting:
                self._waiting.remove(stream)
        self._pages.release(stream.pages)
        stream.pages = []
        seconds = 0.0 if stream.first_at is None else time.monotonic() - stream.first_at
        self._observer.stream_ended(model=self._model, outcome=outcome, new_tokens=stream.new_tokens, seconds=seconds)

    def _tell_load(self) -> None:
        load = Load(len(self._running), self._limits.slots, len(self._waiting), self._pages.held, self._pages.count)
        self._observer.loaded(model=self._model, version=self._version, load=load)
