"""The text that tokens stand for, or that they stand for nothing that the vocabulary knows."""

from __future__ import annotations

import re

import numpy as np

from sftkeras.text.tokenizers.byte_pair import BYTES, BytePair
from sftkeras.text.tokenizers.special_strings import without_special_strings
from sftkeras.text.tokenizers.tokenizer import Tokenizer

_UNKNOWN = re.compile(r"\[UNK\]|<unk>|<0x[0-9A-F]{2}>")  # the last is a byte of a character that is no piece
_MARKS = re.compile("^(?:##|\u2581)")  # of a piece within a word, and of one that begins a word
_BYTE = {letter: byte for byte, letter in enumerate(BYTES)}


def plain_pieces(tokenizer: Tokenizer, numbers: np.ndarray) -> list[str | None]:
    """Returns the characters that each of these tokens stands for, without the marks of the vocabulary.

    None is for the unknown token, and for a token that is a part of a character: a vocabulary of bytes has those for
    characters that it does not know.
    """
    read = _of_bytes if isinstance(without_special_strings(tokenizer), BytePair) else _of_characters
    return [read(piece) for piece in tokenizer.pieces(numbers)]


def without_marks(piece: str) -> str:
    """Returns a piece without what says that it begins a word, or stands within one."""
    return _MARKS.sub("", piece)


def _of_characters(piece: str) -> str | None:
    return None if _UNKNOWN.fullmatch(piece) else without_marks(piece)


def _of_bytes(piece: str) -> str | None:
    if not all(letter in _BYTE for letter in piece):  # a string that was made a token
        return piece
    try:
        return bytes(_BYTE[letter] for letter in piece).decode().strip()
    except UnicodeDecodeError:
        return None
