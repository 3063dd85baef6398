"""The tokens of a decoder that stand for no ordinary text: a template's markers, padding, the end of an answer."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class DecoderTokens:
    """Tokens that were added to a decoder's vocabulary, and what some of them are for.

    Attributes:
        special: the number of each string that a mark of `sftkeras.text.marks` may name. In a text that a user wrote
            such a string is ordinary text.
        pad_id: fills a row; never learned, since what is learned is marked.
        end_ids: end an answer.
        begin_id: stands before a text; None if the model has none.
        in_texts: the number of each string that is a token in any text, such as Gemma's "\\n\\n".
        skipped: tokens that stand for no text, and are left out of generated ones.
        takes_space_before: special strings that the white space before them belongs to.
        takes_space_behind: likewise behind them, as Phi-3's.
    """

    special: Mapping[str, int]
    pad_id: int
    end_ids: tuple[int, ...]
    begin_id: int | None = None
    in_texts: Mapping[str, int] = field(default_factory=dict)
    skipped: frozenset[int] = frozenset()
    takes_space_before: frozenset[str] = frozenset()
    takes_space_behind: frozenset[str] = frozenset()

    @property
    def fingerprint(self) -> str:
        """A hash of all that decides the token numbers of a text."""
        tokens = [sorted(self.special.items()), sorted(self.in_texts.items()), self.pad_id, self.end_ids, self.begin_id]
        rules = [*tokens, sorted(self.takes_space_before), sorted(self.takes_space_behind)]
        return hashlib.sha256(json.dumps(rules).encode()).hexdigest()
