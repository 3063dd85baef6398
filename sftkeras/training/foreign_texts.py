"""Whether the backbone's vocabulary knows the language of the texts, by the tokens that it makes of them.

A vocabulary without the characters of a text gives the unknown token or single bytes; one that has the letters but no
words of the language spells each word. Both train without an error, and learn little.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np

from sftkeras.data import Examples, Finding, RowInputs
from sftkeras.data.checks.findings import finding, place
from sftkeras.data.labels.spans.joining import UNSPACED
from sftkeras.text import ModulePreprocessor, Tokenizer
from sftkeras.text.tokenizers.plain_pieces import plain_pieces

MOST_UNKNOWN = 0.1  # of the tokens; texts of a language that is known, with emoji, stay far below
MOST_LETTERS = 0.5  # of the tokens; English by an English vocabulary has 0.05

_ROWS = 2000  # looked at in each part
_ROWS_AT_ONCE = 200
_LONGEST_TEXT = 60  # characters of an example that are shown
_HANGUL = re.compile("[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")  # syllables, and the letters that BERT makes of them

_UNKNOWN, _LETTER = 1, 2
_WARNINGS = ((_UNKNOWN, MOST_UNKNOWN, "SFT404"), (_LETTER, MOST_LETTERS, "SFT405"))


def foreign_texts(
    examples: Examples,
    parts: Mapping[str, np.ndarray],
    inputs: RowInputs,
    tokenizer: Tokenizer | ModulePreprocessor | None,
) -> list[Finding]:
    """Returns a warning if the vocabulary does not know the language of a part.

    Args:
        examples: what is learned.
        parts: the rows of each part.
        inputs: the tokens of the rows.
        tokenizer: what they stand for; nothing is found where the encoder or its preprocessor does not give them, nor
            with that of a decoder, which spells in bytes whatever it has no piece for.
    """
    if not isinstance(tokenizer, Tokenizer) or tokenizer.decoder is not None:
        return []
    tokens = _TokenKinds(tokenizer)
    counted = {part: _count(inputs, inputs.rows_of(rows), tokens) for part, rows in parts.items() if len(rows)}
    for kind, most, code in _WARNINGS:
        shares = {part: counts.share(kind) for part, counts in counted.items()}
        worst = max(shares, key=shares.__getitem__)
        if shares[worst] >= most:
            example = int(inputs.of_rows(np.arange(len(examples)))[counted[worst].worst_row(kind)])
            (where,), (text,) = examples.places([example]), examples.texts([example])
            listed = ", ".join(f"{part} {share:.0%}" for part, share in shares.items())
            return [finding(code, "warning", 1, [where], shares=listed, place=place(*where), text=_shortened(text))]
    return []


class _TokenKinds:
    """The kind of each token, found out for those that occur.

    Args:
        tokenizer: knows what they stand for.
    """

    def __init__(self, tokenizer: Tokenizer) -> None:
        self._tokenizer = tokenizer
        self._kinds = np.full(tokenizer.size, -1, np.int8)
        self._around = [tokenizer.cls_id, tokenizer.sep_id]

    def of(self, ids: np.ndarray) -> np.ndarray:
        """The kind of each token, int8; 0 is an ordinary one."""
        new = np.unique(ids)
        new = new[self._kinds[new] < 0]
        self._kinds[new] = [_kind_of(piece) for piece in plain_pieces(self._tokenizer, new)]
        return self._kinds[ids]

    def of_the_text(self, ids: np.ndarray) -> np.ndarray:
        """Whether each token is one of a text, and not one of those around it, bool."""
        return ~np.isin(ids, self._around)


@dataclass(frozen=True)
class _Counts:
    """Tokens of some rows.

    Attributes:
        rows: [rows], their numbers.
        tokens: [rows], how many each has.
        kinds: [kinds, rows], how many of them are of each kind.
    """

    rows: np.ndarray
    tokens: np.ndarray
    kinds: np.ndarray

    def share(self, kind: int) -> float:
        return float(self.kinds[kind].sum() / max(self.tokens.sum(), 1))

    def worst_row(self, kind: int) -> int:
        """The row with the largest share of a kind; of equal ones, the longest."""
        shares = self.kinds[kind] / np.maximum(self.tokens, 1)
        return int(self.rows[np.lexsort((self.tokens, shares))[-1]])


def _count(inputs: RowInputs, rows: np.ndarray, tokens: _TokenKinds) -> _Counts:
    """Looks at rows from all over a part."""
    rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), _ROWS)).astype(int))]
    counts = _Counts(rows, np.zeros(len(rows), np.int64), np.zeros((_LETTER + 1, len(rows)), np.int64))
    for begin in range(0, len(rows), _ROWS_AT_ONCE):
        some = slice(begin, begin + _ROWS_AT_ONCE)
        for ids, mask in _tokens_of(inputs, rows[some]):
            counted = mask & tokens.of_the_text(ids)
            counts.tokens[some] += counted.sum(1)
            for kind in (_UNKNOWN, _LETTER):
                counts.kinds[kind, some] += (counted & (tokens.of(ids) == kind)).sum(1)
    return counts


def _tokens_of(inputs: RowInputs, rows: np.ndarray) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """The tokens of rows and where there are any, each [rows, length]; of each text where a row has two apart."""
    batch = inputs.batch(rows, int(inputs.lengths[rows].max()))
    for name, ids in batch.items():
        if name.endswith("token_ids"):
            yield ids, batch[name.removesuffix("token_ids") + "padding_mask"] > 0


def _kind_of(piece: str | None) -> int:
    """A letter is one of an alphabet: in scripts without spaces, and of Hangul, one character may be a word."""
    if piece is None:
        return _UNKNOWN
    is_letter = len(piece) == 1 and piece.isalpha() and not UNSPACED.match(piece) and not _HANGUL.match(piece)
    return _LETTER if is_letter else 0


def _shortened(text: str) -> str:
    words = " ".join(text.split())
    return words if len(words) <= _LONGEST_TEXT else words[:_LONGEST_TEXT] + "…"
