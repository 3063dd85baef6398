"""Grammars that hold generated texts to a form, by llguidance: which tokens may come next, and what has come.

A grammar is a string that `json_grammar` makes, or `tagged_json_grammar`. Callers write the schemas, so
their size, the time to read them and the memory for their states are bounded here.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from threading import Lock
from typing import Any

import llguidance
import numpy as np

from sftkeras.serving.errors import ServingError, invalid

MOST_SCHEMA_BYTES = 2**16  # as JSON
_WORD_BITS = 32
_ALL_BITS = -1

_LIMITS = llguidance.LLParserLimits(
    max_lexer_states=10_000,  # up to 2 KB each
    verbose_errors=False,
)
# As Python's json.dumps writes it. Whitespace of any length would let a model go on with it to the last token.
_FORM: Any = {"whitespace_flexible": False, "item_separator": ", ", "key_separator": ": ", "lenient": False}


class GrammarError(ServingError):
    """A schema that is wrong, too large, or of a kind that is not supported."""

    def __init__(self, problem: str) -> None:
        super().__init__(invalid("").code, problem)


def json_grammar(schema: Mapping[str, Any]) -> str:
    """Return the grammar of JSON that fits a schema, written on one line.

    Raises:
        GrammarError: the schema is wrong or too large.
    """
    grammar = llguidance.LLMatcher.grammar_from_json_schema(_written(schema), overrides=_FORM)
    problem = llguidance.LLMatcher.validate_grammar(grammar, limits=_LIMITS)
    if problem and not problem.startswith("WARNING"):
        raise GrammarError(_one_line(problem))
    return grammar


class Grammars:
    """Makes matchers for the tokens of a version.

    Args:
        texts: the bytes of each token, of special ones none.
        end_ids: tokens that end a text.
    """

    def __init__(self, texts: Sequence[bytes], end_ids: frozenset[int]) -> None:
        self._texts, self._end_ids = texts, end_ids
        self._lock = Lock()
        self._tokenizer: llguidance.LLTokenizer | None = None

    def matcher(self, grammar: str) -> Matcher:
        """Return the follower of a text that is held to a grammar; takes up to some tenths of a second.

        Raises:
            GrammarError: the grammar is too complex.
        """
        with self._lock:
            if self._tokenizer is None:  # most versions are never asked for JSON
                self._tokenizer = _tokenizer(self._texts, self._end_ids)
        matcher = llguidance.LLMatcher(self._tokenizer, grammar, log_level=0, limits=_LIMITS)
        return Matcher(matcher, -(-len(self._texts) // _WORD_BITS))


class Matcher:
    """Follows one text.

    Args:
        matcher: of llguidance.
        words: of 32 tokens each.

    Raises:
        GrammarError: the grammar is too complex.
    """

    def __init__(self, matcher: llguidance.LLMatcher, words: int) -> None:
        self._matcher, self._words = matcher, words
        self._check()

    def allowed(self) -> np.ndarray:
        """Return the tokens that may come next, a bit each from the lowest of the first on, [words] int32.

        Raises:
            GrammarError: there are too many ways to go on.
        """
        mask = self._matcher.compute_bitmask()
        self._check()
        return np.frombuffer(mask, "<i4")[: self._words]

    def take(self, token: int) -> None:
        """Take the token that has come, which was allowed.

        Raises:
            GrammarError: there are too many ways to go on.
        """
        self._matcher.consume_token(token)
        self._check()

    def _check(self) -> None:
        if self._matcher.is_error():
            raise GrammarError(f"The text cannot be held to this schema: {_one_line(self._matcher.get_error())}")


def allowed_tokens(matchers: Sequence[Matcher | None]) -> np.ndarray:
    """Return the tokens that may come next in each of several texts, [texts, words] int32; [texts, 0] if all may.

    Raises:
        GrammarError: a text has too many ways to go on.
    """
    masks = [matcher.allowed() if matcher else None for matcher in matchers]
    words = max((len(mask) for mask in masks if mask is not None), default=0)
    everything = np.full(words, _ALL_BITS, np.int32)
    return np.stack([everything if mask is None else mask for mask in masks])


class _Vocabulary:
    """Tokens of a version as llguidance reads them."""

    is_tokenizer_wrapper = True
    bos_token_id = None

    def __init__(self, texts: Sequence[bytes], end_ids: frozenset[int]) -> None:
        # One that ends a text is never a part of it, whatever its bytes are.
        self.tokens = [b"" if number in end_ids else text for number, text in enumerate(texts)]
        self.special_token_ids = [number for number, text in enumerate(self.tokens) if not text]
        self.eos_token_id = min(end_ids)
        self._bytes = {text: number for number, text in enumerate(self.tokens) if len(text) == 1}

    def __call__(self, text: bytes | str) -> list[int]:
        """Return tokens of a text, of which llguidance makes no use where it only tells which tokens may come."""
        given = text.encode() if isinstance(text, str) else text
        return [self._bytes[byte] for byte in (given[at : at + 1] for at in range(len(given))) if byte in self._bytes]


def _tokenizer(texts: Sequence[bytes], end_ids: frozenset[int]) -> llguidance.LLTokenizer:
    vocabulary: Any = _Vocabulary(texts, end_ids)
    return llguidance.LLTokenizer(vocabulary, eos_token=sorted(end_ids))


def _written(schema: Mapping[str, Any]) -> str:
    try:
        written = json.dumps(schema)
    except RecursionError:
        raise GrammarError("it is nested too deeply") from None
    if len(written) > MOST_SCHEMA_BYTES:
        raise GrammarError(f"it has {len(written)} bytes as JSON, and may have {MOST_SCHEMA_BYTES}")
    return written


def _one_line(problem: str) -> str:
    return problem.removeprefix("ERROR: ").splitlines()[0]
