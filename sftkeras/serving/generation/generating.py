"""A loaded version that generates: checks requests, and hands each its pieces in the event loop that it came from."""

from __future__ import annotations

import asyncio
import contextlib
import math
import time
from collections.abc import AsyncGenerator, Mapping

import numpy as np
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from sftkeras.generation.stop_limits import MOST_BYTES, MOST_STRINGS, too_long
from sftkeras.serving.errors import failed_precondition, invalid
from sftkeras.serving.generation.grammar import Grammars, Matcher
from sftkeras.serving.generation.graph import GeneratingGraph
from sftkeras.serving.generation.limits import GenerationLimits
from sftkeras.serving.generation.observer import GenerationObserver
from sftkeras.serving.generation.pieces import TextPieces
from sftkeras.serving.generation.requests import GenerationRequest, Piece
from sftkeras.serving.generation.scheduler import Scheduler
from sftkeras.serving.generation.streams import Outcome, Stream
from sftkeras.serving.generation.whole_texts import check_whole_texts

MOST_TOP = 20  # most probable tokens a token
_LONGEST_MARK = 64  # bytes of the mark of a special token


class GeneratingVersion:
    """Generates with one version; see `requests.Generating`.

    Args:
        graph: of the version.
        limits: see there.
        observer: notified of what happens to streams.
        model: name of the model.
        version: its number.
    """

    def __init__(
        self,
        graph: GeneratingGraph,
        limits: GenerationLimits,
        observer: GenerationObserver,
        *,
        model: str,
        version: int,
    ) -> None:
        self._graph, self._limits = graph, limits
        self._most_tokens = min(graph.facts.positions, graph.page_count * graph.page_tokens)
        self._longest_text = self._most_tokens * max(_LONGEST_MARK, *map(len, graph.texts))
        self._grammars = Grammars(graph.texts, graph.facts.end_ids)
        self._scheduler = Scheduler(graph, limits, observer, model=model, version=version)

    async def stream(self, request: GenerationRequest, seconds: float | None = None) -> AsyncGenerator[Piece, None]:
        """Generate a text, piece by piece; see `requests.Generating`."""
        arrived = time.monotonic()
        limit = self._limits.seconds if seconds is None else min(seconds, self._limits.seconds)
        _check(request)
        if len(request.text) > self._longest_text:
            raise invalid(f"The prompt is longer than the {self._most_tokens} tokens that there is room for")
        with self._scheduler.place():
            tokens = await asyncio.to_thread(self._graph.tokenise, request.text)
            matcher = await asyncio.to_thread(self._matcher, request.grammar)
            loop = asyncio.get_running_loop()
            outcomes: asyncio.Queue[Outcome] = asyncio.Queue()

            def give(outcome: Outcome) -> None:
                with contextlib.suppress(RuntimeError):  # the loop has ended meanwhile
                    loop.call_soon_threadsafe(outcomes.put_nowait, outcome)

            stream = Stream(
                request=request,
                tokens=tokens,
                most_tokens=self._end(tokens, request),
                give=give,
                texts=TextPieces(request.stop, strips_space=self._graph.facts.strips_first_space),
                deadline=arrived + limit,
                arrived=arrived,
                matcher=matcher,
            )
            self._scheduler.submit(stream)
            try:
                finished = False
                while not finished:
                    outcome = await outcomes.get()
                    if isinstance(outcome, Exception):
                        raise outcome
                    finished = outcome.finish_reason is not None
                    yield outcome
            finally:
                self._scheduler.leave(stream)

    def check_whole(self, signature: SignatureDef, inputs: Mapping[str, np.ndarray]) -> None:
        """Refuse a call of a signature that could generate more tokens than the cache has room for.

        Raises:
            ServingError: INVALID_ARGUMENT, with the limit.
        """
        facts = self._graph.facts
        most = self._graph.page_count * self._graph.page_tokens
        check_whole_texts(signature, inputs, default=facts.max_new_tokens, positions=facts.positions, most=most)

    def close(self) -> None:
        """Ends; no stream may be under way."""
        self._scheduler.close()

    def _matcher(self, grammar: str | None) -> Matcher | None:
        """Return the follower of a text that is held to a grammar, None for one that is not."""
        if grammar is None:
            return None
        if not self._graph.holds_to_grammars:
            raise failed_precondition("This model was exported by a release that held no text to JSON; export it again")
        return self._grammars.matcher(grammar)

    def _end(self, tokens: list[int], request: GenerationRequest) -> int:
        """Tokens of prompt and text at which a text ends."""
        room = self._most_tokens - len(tokens)
        if room < 1:
            raise invalid(
                f"The prompt has {len(tokens)} tokens; with a text after it there is room for {self._most_tokens}"
            )
        return len(tokens) + min(room, request.max_new_tokens or room)


def _check(request: GenerationRequest) -> None:
    """Holds the options of a request against their ranges."""
    for problem in _problems(request):
        raise invalid(problem)


def _problems(request: GenerationRequest) -> list[str]:
    most = request.max_new_tokens
    top = request.top_log_probabilities
    rules = {
        "max_new_tokens must be 1 or more": most is None or most >= 1,
        "temperature must be 0 or more": math.isfinite(request.temperature) and request.temperature >= 0,
        "top_k must be between 0 and 2147483647": 0 <= request.top_k < 2**31,
        "top_p must be above 0 and at most 1": 0 < request.top_p <= 1,
        "min_p must be between 0 and 1": 0 <= request.min_p <= 1,
        "repetition_penalty must be above 0": math.isfinite(request.repetition_penalty)
        and request.repetition_penalty > 0,
        f"stop must have at most {MOST_STRINGS} strings": len(request.stop) <= MOST_STRINGS,
        f"a string of stop must have 1 to {MOST_BYTES} bytes": all(request.stop) and not too_long(request.stop),
        "seed must be a number of 64 bits": -(2**63) <= request.seed < 2**63,
        f"at most {MOST_TOP} of the most probable tokens are told": top is None or 0 <= top <= MOST_TOP,
    }
    return [problem for problem, holds in rules.items() if not holds]
