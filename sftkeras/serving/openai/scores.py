"""Log-probabilities of the tokens of given texts, by the signature `score` of an export that generates."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from sftkeras.serving.answering import Answering
from sftkeras.serving.generation.requests import Token, TopToken
from sftkeras.serving.served_version import ServedVersion

_SCORE, _VOCABULARY = "score", "vocabulary"
_IDS, _SCORES, _BEST_IDS, _BEST_SCORES = "token_ids", "log_probabilities", "best_token_ids", "best_log_probabilities"


async def vocabulary_of(answering: Answering, version: ServedVersion) -> list[bytes]:
    """Return the bytes of each token of a version, of special ones none."""
    outputs = await answering.answer_with(version, _VOCABULARY, {})
    return outputs["texts"].tolist()


async def score_texts(
    answering: Answering, version: ServedVersion, prompt: str, texts: Sequence[str], vocabulary: Sequence[bytes]
) -> list[list[Token]]:
    """Return the tokens of texts with their log-probabilities, and with the most probable token in each place.

    Args:
        answering: runs the version.
        version: is held.
        prompt: marked text that stands before each text; where it is empty, nothing predicts the first token, whose
            log-probability is then not a number.
        texts: marked texts.
        vocabulary: the bytes of each token.
    """
    given = {"prompt": [prompt] * len(texts), "text": texts}
    inputs = {name: np.array([text.encode() for text in values], object) for name, values in given.items()}
    outputs = await answering.answer_with(version, _SCORE, inputs, (_IDS, _SCORES, _BEST_IDS, _BEST_SCORES))
    columns = (outputs[name].tolist() for name in (_IDS, _SCORES, _BEST_IDS, _BEST_SCORES))
    scored = [
        [
            Token(number, vocabulary[number], score, (TopToken(best, vocabulary[best], best_score),))
            for number, score, best, best_score in zip(*row, strict=True)
            if number >= 0
        ]
        for row in zip(*columns, strict=True)
    ]
    return scored if prompt else [_unpredicted(tokens[:1]) + tokens[1:] for tokens in scored]


def _unpredicted(tokens: Sequence[Token]) -> list[Token]:
    return [Token(token.id, token.text, math.nan) for token in tokens]
