"""Tokens with their log-probabilities, in the two forms that OpenAI's API has for them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from itertools import accumulate
from typing import Any

from sftkeras.serving.generation.requests import Token, TopToken

# JSON has no infinity; OpenAI's API writes this for what cannot come.
_IMPOSSIBLE = -9999.0


def of_chat(tokens: Iterable[Token]) -> dict[str, Any]:
    """Return the `logprobs` of a chat's answer."""
    content = [{**_with_bytes(token), "top_logprobs": [_with_bytes(one) for one in token.top]} for token in tokens]
    return {"content": content, "refusal": None}


def of_completion(tokens: Sequence[Token], offset: int) -> dict[str, Any]:
    """Return the `logprobs` of a completion.

    Args:
        tokens: a log-probability that is not a number is written as null.
        offset: where the first begins, in characters.
    """
    names = [name_of(token) for token in tokens]
    ends = accumulate(map(len, names), initial=offset)
    return {
        "tokens": names,
        "token_logprobs": [_or_null(token.log_probability) for token in tokens],
        "top_logprobs": [{name_of(one): bounded(one.log_probability) for one in token.top} or None for token in tokens],
        "text_offset": list(ends)[:-1],
    }


def name_of(token: TopToken) -> str:
    """Return the text of a token; a part of a character is written as U+FFFD."""
    return token.text.decode("utf-8", "replace")


def bounded(log_probability: float) -> float:
    """Return a number that JSON can hold."""
    return max(log_probability, _IMPOSSIBLE)


def _or_null(log_probability: float) -> float | None:
    return None if math.isnan(log_probability) else bounded(log_probability)


def _with_bytes(token: TopToken) -> dict[str, Any]:
    return {"token": name_of(token), "logprob": bounded(token.log_probability), "bytes": list(token.text)}
