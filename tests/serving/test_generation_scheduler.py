"""Continuous batching, without a model: which streams run, who has which pages, what their clients get."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence

import numpy as np
import pytest

from sftkeras.serving.errors import ServingError
from sftkeras.serving.generation.graph import Drawn, Facts
from sftkeras.serving.generation.limits import GenerationLimits
from sftkeras.serving.generation.observer import Unobserved
from sftkeras.serving.generation.pages import Pages
from sftkeras.serving.generation.pieces import TextPieces
from sftkeras.serving.generation.requests import GenerationRequest, Piece, Token
from sftkeras.serving.generation.scheduler import Scheduler
from sftkeras.serving.generation.streams import Outcome, Stream

END = 0
SIZE = 4


class CountingGraph:
    """Writes the token after the last one read, whose number is one more, and remembers what every page holds."""

    facts = Facts(frozenset([END]), 64, False, 8)
    page_tokens = SIZE

    def __init__(self, pages: int) -> None:
        self.page_count = pages
        self.texts = [b"" if number == END else chr(96 + number % 26).encode() for number in range(100)]
        self.held: dict[tuple[int, int], int] = {}
        self.calls: list[list[int]] = []
        self.gate = threading.Semaphore(0)
        self.gated = False
        self.faulty: set[int] = set()

    def read(self, streams: Sequence[Stream], counts: Sequence[int]) -> Drawn:
        if self.gated:
            self.gate.acquire()
        self.calls.append(list(counts))
        drawn = []
        for stream, count in zip(streams, counts, strict=True):
            if stream.tokens[0] in self.faulty:
                raise ValueError("faulty")
            for place in range(stream.read, stream.read + count):
                self.held[stream.pages[place // SIZE].number, place % SIZE] = stream.tokens[place]
            seen = [self.held[stream.pages[place // SIZE].number, place % SIZE] for place in range(stream.read + count)]
            assert seen == stream.tokens[: stream.read + count], "a page holds another stream's tokens"
            drawn.append(seen[-1] + 1)
        nothing = np.zeros([len(drawn), 0])
        return Drawn(np.array(drawn), np.zeros(len(drawn)), nothing, nothing)


class Client:
    """A stream, and what it was given."""

    def __init__(self, prompt: Sequence[int], new: int, *, seconds: float = 600.0) -> None:
        self.given: list[Outcome] = []
        self.ended = threading.Event()
        self.stream = Stream(
            request=GenerationRequest(""),
            tokens=list(prompt),
            most_tokens=len(prompt) + new,
            give=self._give,
            texts=TextPieces((), strips_space=False),
            deadline=time.monotonic() + seconds,
        )

    def _give(self, outcome: Outcome) -> None:
        self.given.append(outcome)
        if isinstance(outcome, Exception) or outcome.finish_reason:
            self.ended.set()

    def tokens(self) -> list[int]:
        assert self.ended.wait(600), "the stream did not end"
        for outcome in self.given:
            if isinstance(outcome, Exception):
                raise outcome
        return [token.id for piece in self.given if isinstance(piece, Piece) for token in piece.tokens]


def scheduler(graph: CountingGraph, **limits: int) -> Scheduler:
    return Scheduler(graph, GenerationLimits(**limits), Unobserved(), model="m", version=1)


def wait_for(condition: object) -> None:
    limit = time.monotonic() + 600
    while not condition():  # type: ignore[operator]
        assert time.monotonic() < limit
        time.sleep(0.002)


def test_streams_of_all_lengths_get_their_own_tokens_whoever_is_beside_them() -> None:
    """So few pages that streams must give theirs back again and again; the graph checks what each page holds."""
    graph = CountingGraph(pages=14)
    batching = scheduler(graph, slots=5, prompt_tokens_a_call=6)
    random = np.random.default_rng(0)
    clients = [
        Client([1 + int(number) % 9] * int(length), int(new))
        for number, length, new in random.integers([0, 1, 1], [30, 25, 30], [60, 3])
    ]
    for client in clients:
        batching.submit(client.stream)
    for client in clients:
        first = client.stream.tokens[0] + 1
        assert client.tokens() == list(range(first, first + client.stream.most_tokens - client.stream.prompt_tokens))
    assert max(map(len, graph.calls)) == 5
    wait_for(lambda: batching._pages.held == 0)
    batching.close()


def test_a_common_beginning_is_read_once() -> None:
    graph = CountingGraph(pages=32)
    batching = scheduler(graph, slots=4)
    beginning = [5] * 12
    clients = [Client([*beginning, 7 + number], 3) for number in range(3)]
    graph.gated = True
    for client in clients:
        batching.submit(client.stream)
    graph.gated = False
    graph.gate.release(2)
    for client in clients:
        client.tokens()
    batching.close()
    assert graph.calls[0] == [13]
    assert sum(sum(call) for call in graph.calls) <= 13 + 3 * 4
    assert sorted(client.stream.cached_tokens for client in clients) == [0, 12, 12]


def test_a_stream_whose_client_leaves_frees_its_slot_and_its_pages() -> None:
    graph = CountingGraph(pages=8)
    graph.gated = True
    batching = scheduler(graph, slots=1)
    leaving, waiting = Client([1, 2], 25), Client([3], 2)
    batching.submit(leaving.stream)
    batching.submit(waiting.stream)
    graph.gate.release(2)
    wait_for(lambda: leaving.given)
    batching.leave(leaving.stream)
    graph.gated = False
    graph.gate.release(2)
    assert waiting.tokens() == [4, 5]
    assert not leaving.ended.is_set()
    wait_for(lambda: batching._pages.held == 0)
    batching.close()


def test_what_fails_alone_fails_alone() -> None:
    graph = CountingGraph(pages=16)
    graph.faulty = {9}
    batching = scheduler(graph)
    good, bad = Client([1, 2, 3], 5), Client([9, 9], 5)
    batching.submit(good.stream)
    batching.submit(bad.stream)
    assert good.tokens() == [4, 5, 6, 7, 8]
    with pytest.raises(ServingError, match="INTERNAL: ValueError: faulty"):
        bad.tokens()
    batching.close()


def test_time_places_and_the_end_are_bounds() -> None:
    graph = CountingGraph(pages=16)
    batching = scheduler(graph, slots=1, queue=1)
    with batching.place(), batching.place(), pytest.raises(ServingError, match="RESOURCE_EXHAUSTED"), batching.place():
        pass
    late = Client([1], 30, seconds=-1)
    batching.submit(late.stream)
    with pytest.raises(ServingError, match="DEADLINE_EXCEEDED"):
        late.tokens()
    graph.gated = True
    open_still = Client([1], 30)
    batching.submit(open_still.stream)
    graph.gate.release(2)
    wait_for(lambda: open_still.given)
    closing = threading.Thread(target=batching.close)
    closing.start()
    wait_for(lambda: batching._closed)
    graph.gate.release(100)
    closing.join(600)
    with pytest.raises(ServingError, match="UNAVAILABLE"):
        open_still.tokens()
    with pytest.raises(ServingError, match="UNAVAILABLE"):
        batching.submit(late.stream)


def test_pages_that_are_kept_give_way_from_the_end_of_the_oldest() -> None:
    pages = Pages(4, 2)
    first = pages.take(3)
    assert first is not None
    pages.fill(first, [1, 2, 3, 4, 5, 6])
    pages.release(first)
    assert (pages.free, pages.held) == (4, 0)
    assert pages.take(5) is None
    taken = pages.take(2)  # the one that was never used, and the last of the three
    assert taken is not None
    assert taken[1].number == first[2].number
    again: list = []
    pages.find(again, [1, 2, 3, 4, 5, 6, 7])
    assert [page.number for page in again] == [first[0].number, first[1].number]
    assert pages.free == 0
    to_be_read: list = []
    pages.find(to_be_read, [1, 2])
    assert to_be_read == []  # the last token is read whatever is known


@pytest.mark.parametrize(
    ("texts", "stop", "pieces"),
    [
        ([b"a", b"b"], (), ["a", "b", ""]),
        (["ü".encode()[:1], "ü".encode()[1:], b"x"], (), ["", "ü", "x", ""]),
        (["ü".encode()[:1], b"x"], (), ["", "\ufffdx", ""]),
        ([b"x", "ü".encode()[:1]], (), ["x", "", "\ufffd"]),
        ([b"one", b" tw", b"o!"], ("two!",), ["one", " ", "", ""]),
        ([b"one", b" tw", b"ice"], ("two",), ["one", " ", "twice", ""]),
        ([b"ab", b"ab", b"c"], ("abc",), ["", "ab", "", ""]),
        ([b"a STOP b"], ("b", "STOP"), ["a ", ""]),
    ],
)
def test_pieces_hold_back_parts_of_characters_and_of_stop_strings(
    texts: list[bytes], stop: tuple[str, ...], pieces: list[str]
) -> None:
    stream = TextPieces(stop, strips_space=False)
    given = [stream.push(Token(number, text, 0.0)) for number, text in enumerate(texts)]
    given.append(stream.finish())
    assert [text for text, _ in given] == pieces
    tokens = [token.id for _, tokens in given for token in tokens]
    assert tokens == sorted(tokens)
    if not stream.stopped:
        assert tokens == list(range(len(texts)))


def test_a_space_that_the_tokenizer_wrote_is_left_out() -> None:
    stream = TextPieces((), strips_space=True)
    given = [stream.push(Token(0, b"", 0.0)), stream.push(Token(1, b" a", 0.0)), stream.push(Token(2, b" b", 0.0))]
    assert [text for text, _ in given] == ["", "a", " b"]
