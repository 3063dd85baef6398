"""The graph of a version that generates: text to tokens, and one call that reads tokens of several rows and draws the
next of each. The cache stays in the session.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np

from sftkeras.serving.engine import Call, Engine
from sftkeras.serving.errors import failed_precondition
from sftkeras.serving.generation.grammar import allowed_tokens
from sftkeras.serving.generation.limits import GenerationLimits
from sftkeras.serving.generation.pages import Page
from sftkeras.serving.generation.pieces import TextPieces
from sftkeras.serving.generation.requests import GenerationRequest
from sftkeras.serving.generation.streams import Stream

SIGNATURE = "read_pages"
_PAGES = "pages"
_NO_TOKEN = -1
_TIMES_SLOTS = 2  # so many times what the slots can fill: half is for beginnings that are kept


@dataclass(frozen=True)
class Facts:
    """Token facts of an export; see `sftkeras.exporting.generation_file`.

    Attributes:
        end_ids: tokens that end a text.
        positions: most tokens of prompt and text.
        strips_first_space: whether a space that a text begins with is left out.
        max_new_tokens: of a request that does not say.
    """

    end_ids: frozenset[int]
    positions: int
    strips_first_space: bool
    max_new_tokens: int

    @classmethod
    def of(cls, file: Mapping[str, Any]) -> Facts:
        """Facts of the file's content."""
        return cls(
            frozenset(file["end_ids"]),
            file["positions"],
            file["strips_first_space"],
            file["defaults"]["max_new_tokens"],
        )


class Drawn(NamedTuple):
    """The next token of each row.

    Attributes:
        ids: [rows] int32.
        log_probabilities: [rows] float32.
        top_ids: [rows, top] int32.
        top_log_probabilities: [rows, top] float32.
    """

    ids: np.ndarray
    log_probabilities: np.ndarray
    top_ids: np.ndarray
    top_log_probabilities: np.ndarray


class GeneratingGraph:
    """A loaded version that generates.

    Args:
        engine: the version.
        facts: of its tokens.
        limits: bytes of keys and values, fewer if all slots could never fill them.

    Attributes:
        facts: see above.
        page_tokens: tokens of a page.
        page_count: pages of the cache.
        texts: the bytes of each token.
        holds_to_grammars: whether the tokens that may be drawn are an input.

    Raises:
        ServingError: FAILED_PRECONDITION if not even one page fits; RESOURCE_EXHAUSTED if there is no memory.
    """

    def __init__(self, engine: Engine, facts: Facts, limits: GenerationLimits) -> None:
        self._engine, self.facts = engine, facts
        signature = engine.signatures[SIGNATURE]
        pages = signature.inputs[_PAGES]
        layers, kinds, heads, _, self.page_tokens, size = (it.size for it in pages.tensor_shape.dim)
        rows = layers * kinds * heads * self.page_tokens  # of a page, which the graph counts in int32
        page_bytes = rows * size * np.dtype(np.float32).itemsize
        useful = _TIMES_SLOTS * limits.slots * -(-facts.positions // self.page_tokens)
        self.page_count = min(limits.cache_bytes // page_bytes, useful, np.iinfo(np.int32).max // rows)
        if self.page_count < 1:
            raise failed_precondition(f"{page_bytes} bytes for {self.page_tokens} tokens are more than the cache has")
        shape = (layers, kinds, heads, self.page_count, self.page_tokens, size)
        self._kept = engine.keep(shape)
        self._heads, self._page_numbers = layers * kinds * heads, self.page_tokens * size
        self._cleared = 0  # pages, the first ones; memory is taken as they are used
        self.holds_to_grammars = "allowed" in signature.inputs
        self._inputs = sorted(signature.inputs.keys() - {_PAGES})
        call = Call(
            tuple(signature.inputs[name].name for name in self._inputs),
            tuple(signature.outputs[name].name for name in _OUTPUTS),
        )
        self._read = engine.prepare(call, self._kept, pages.name)
        self.texts: list[bytes] = self._run("vocabulary", {})["texts"].tolist()
        self._warm_up()

    def tokenise(self, text: str) -> list[int]:
        """The tokens of marked text; may be called from any thread."""
        (row,) = self._run("tokenize", {"text": np.array([text.encode("utf-8", "replace")], object)})["token_ids"]
        return row[row != _NO_TOKEN].tolist()

    def read(self, streams: Sequence[Stream], counts: Sequence[int]) -> Drawn:
        """Reads the next tokens of streams into their pages, and draws the one after.

        Args:
            streams: of which each has pages for these tokens.
            counts: so many tokens of each.
        """
        self._clear_to(max(page.number for stream in streams for page in stream.pages))
        requests = [stream.request for stream in streams]
        penalised = any(request.repetition_penalty != 1.0 for request in requests)
        inputs = {
            "token_ids": _matrix(
                [
                    stream.tokens[stream.read : stream.read + count]
                    for stream, count in zip(streams, counts, strict=True)
                ],
                _NO_TOKEN,
            ),
            "positions": np.array([stream.read for stream in streams], np.int32),
            "tables": _matrix([[page.number for page in stream.pages] for stream in streams], 0),
            "numbers": np.array([stream.new_tokens for stream in streams], np.int32),
            "allowed": allowed_tokens([stream.matcher for stream in streams]),
            "history": _matrix([stream.tokens if penalised else [] for stream in streams], _NO_TOKEN),
            "temperature": np.array([request.temperature for request in requests], np.float32),
            "top_k": np.array([request.top_k for request in requests], np.int32),
            "top_p": np.array([request.top_p for request in requests], np.float32),
            "min_p": np.array([request.min_p for request in requests], np.float32),
            "repetition_penalty": np.array([request.repetition_penalty for request in requests], np.float32),
            "seed": np.array([request.seed for request in requests], np.int64),
            "top": np.array(max(request.top_log_probabilities or 0 for request in requests), np.int32),
        }
        return Drawn(*self._read([inputs[name] for name in self._inputs]))

    def _clear_to(self, last: int) -> None:
        """Sets pages up to this one to zero, if they never were: what is not finite could not be hidden from attention.

        Low numbers are given away first, so that none is cleared before its time.
        """
        if last < self._cleared:
            return
        new = np.arange(self._cleared, last + 1, dtype=np.int32)
        rows = np.arange(self._heads, dtype=np.int32)[:, np.newaxis] * self.page_count + new
        self._kept.clear(self._page_numbers, rows.reshape(-1))
        self._cleared = last + 1

    def _warm_up(self) -> None:
        """Reads some tokens, so that the first client does not wait for the graph to be made ready."""
        prompt = self.tokenise("")
        stream = Stream(
            request=GenerationRequest(""),
            tokens=[*prompt, *prompt],
            most_tokens=len(prompt) * 2,
            give=lambda outcome: None,
            texts=TextPieces((), strips_space=False),
            deadline=math.inf,
            pages=[Page(0)],
        )
        for count in (2, 1):
            self.read([stream], [count])

    def _run(self, name: str, inputs: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
        signature = self._engine.signatures[name]
        feeds = tuple(signature.inputs[key].name for key in inputs)
        fetches = tuple(info.name for info in signature.outputs.values())
        arrays = self._engine.run(Call(feeds, fetches), list(inputs.values()))
        return dict(zip(signature.outputs, arrays, strict=True))


_OUTPUTS = ("token_id", "log_probability", "top_ids", "top_log_probabilities")


def _matrix(rows: Sequence[Sequence[int]], filling: int) -> np.ndarray:
    """Rows of different lengths as one array [rows, longest] int32, filled at their ends."""
    matrix = np.full((len(rows), max(map(len, rows))), filling, np.int32)
    for number, row in enumerate(rows):
        matrix[number, : len(row)] = row
    return matrix
