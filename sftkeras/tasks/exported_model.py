"""A language model that is exported, by its signatures; see `sftkeras.tasks.language_model`. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np

from sftkeras.tasks.contract import ExportedFunctions
from sftkeras.tasks.language_model import LanguageModel, Progress, TokenRows, padded

RowsOf = Callable[[Sequence[str], Callable[[Sequence[str]], TokenRows]], TokenRows]
"""(texts, a function that makes rows of marked texts) → the rows of the texts, as in training."""

_NO_TOKEN = -1
_AT_ONCE = 64  # texts that are tokenised in one run
_BATCH = 32  # prompts in one run
# Of all rows of a run: of SmolLM2-135M, which keeps 45 KiB of each, 360 MiB.
_CACHED_TOKENS = 8192


class ExportedModel(LanguageModel):
    """An exported version.

    Args:
        version: runs its signatures.
        rows_of: makes rows of texts.
    """

    def __init__(self, version: ExportedFunctions, rows_of: RowsOf) -> None:
        facts = version.facts
        assert facts is not None
        assert version.max_length is not None
        self._run, self._rows_of = version.run, rows_of
        self.max_length, self.positions, self.begin_id = version.max_length, facts["positions"], facts["begin_id"]
        self._strips_first_space = facts["strips_first_space"]
        self._vocabulary: list[bytes] = []

    def rows(self, texts: Sequence[str]) -> TokenRows:
        """By its tokenizer."""
        return self._rows_of(texts, self.marked_rows)

    def tokens(self, marked: Sequence[str]) -> list[np.ndarray]:
        """By its tokenizer."""
        return self.marked_rows(marked).token_ids

    def marked_rows(self, marked: Sequence[str]) -> TokenRows:
        """Return a row for each marked text."""
        token_ids: list[np.ndarray] = []
        learned: list[np.ndarray] = []
        for first in range(0, len(marked), _AT_ONCE):
            found = self._run("tokenize", {"text": list(marked[first : first + _AT_ONCE])})
            there = found["token_ids"] != _NO_TOKEN
            token_ids += [row[mask] for row, mask in zip(found["token_ids"], there, strict=True)]
            learned += [row[mask] for row, mask in zip(found["learned"], there, strict=True)]
        return TokenRows(token_ids, learned, np.arange(len(marked)))

    def losses(self, rows: TokenRows) -> np.ndarray:
        """By its `score_tokens`."""
        inputs = {"token_ids": padded(rows.token_ids, _NO_TOKEN), "scored": padded(rows.learned)}
        found = self._run("score_tokens", inputs)
        there = found["token_ids"] != _NO_TOKEN
        losses = -found["log_probability"].astype(np.float64)
        hits = (found["best_token_ids"] == found["token_ids"]) & there
        return np.stack([losses, there.sum(1), hits.sum(1)], axis=1)

    def write(
        self, prompts: Sequence[np.ndarray], new_tokens: int, progress: Progress = lambda prompts: None
    ) -> tuple[list[str], np.ndarray]:
        """By its `generate_tokens`, in batches of prompts of like lengths."""
        texts, ended = [""] * len(prompts), np.zeros(len(prompts), bool)
        order = sorted(range(len(prompts)), key=lambda prompt: -len(prompts[prompt]))
        while order:
            places = len(prompts[order[0]]) + new_tokens
            rows = min(_BATCH, max(1, _CACHED_TOKENS // places))
            batch, order = order[:rows], order[rows:]
            token_ids = padded([prompts[prompt] for prompt in batch], _NO_TOKEN)
            limit = np.array([new_tokens], np.int32)
            found = self._run("generate_tokens", {"token_ids": token_ids, "max_new_tokens": limit})
            for row, prompt in enumerate(batch):
                texts[prompt], ended[prompt] = str(found["text"][row]), found["ended"][row]
            progress(len(batch))
        return texts, ended

    def decoded(self, rows: Sequence[np.ndarray]) -> list[str]:
        """By the bytes of its tokens."""
        if not self._vocabulary:
            texts = self._run("vocabulary", {})["texts"].tolist()  # str where all are UTF-8
            self._vocabulary = [text.encode() if isinstance(text, str) else text for text in texts]
        texts = (b"".join(map(self._vocabulary.__getitem__, row)).decode("utf-8", "replace") for row in rows)
        return [text.removeprefix(" ") if self._strips_first_space else text for text in texts]
