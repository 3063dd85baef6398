"""Guesses a file's encoding by its bytes: advice for messages, never followed unasked."""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable, Iterable

_SAMPLE = 1 << 16  # bytes of lines that have more than ASCII
_SCANNED = 1 << 26  # bytes that are looked through for such lines
_FEW = 10  # letters, too few to distinguish Korean from Chinese
_RUN = 3  # letters that follow one another in languages without Latin ones


def advice_on_encoding(lines: Iterable[bytes], encoding: str) -> str:
    """Returns a sentence on what a file that is not valid in an encoding may be in.

    Args:
        lines: those of the file.
        encoding: the one it was read in.
    """
    sample = _sample(lines)
    if sample.isascii() and b"\0" not in sample:  # what is wrong was written in ASCII, such as half an emoji in JSON
        return ""
    if encoding in ("utf-8", "utf8", "utf-8-sig") and _is_mostly_utf8(sample):
        return " Its other letters are valid UTF-8."
    if likely := likely_encoding(sample):
        return f" It looks like {likely}: set --data.encoding {likely}"
    return " Another encoding is read with --data.encoding, such as cp1252."


def likely_encoding(sample: bytes) -> str | None:
    """Returns the encoding in which some bytes are common letters of a language; None if there is no such."""
    if sample.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    half = len(sample) / 2
    for name, nulls in (("utf-16-le", sample[1::2]), ("utf-16-be", sample[::2])):
        if half and nulls.count(0) > half / 4:
            return name
    for name, (is_common, share) in _COMMON.items():
        runs = re.findall(r"[^\0-\x7f]+", sample.decode(name, "replace"))
        letters = "".join(runs)
        least = {"cp949": _FEW, "cp1251": _RUN * len(runs)}.get(name, 1)
        if len(letters) < least:
            continue
        if sum(map(is_common, letters)) >= share * len(letters):
            return name
    return None


def _sample(lines: Iterable[bytes]) -> bytes:
    sample, scanned = b"", 0
    for line in lines:
        if not scanned or not line.isascii():
            sample += line[: _SAMPLE - len(sample)]
        scanned += len(line)
        if len(sample) >= _SAMPLE or scanned > _SCANNED:
            break
    return sample


def _is_mostly_utf8(sample: bytes) -> bool:
    letters = [letter for letter in sample.decode("utf-8", "replace") if letter > "\x7f"]
    return letters.count("\ufffd") * 2 < len(letters)


def _is_hangul(letter: str) -> bool:
    return "\uac00" <= letter <= "\ud7a3" and _is_between(letter, "euc_kr", 0xB0, 0xC8)


def _is_kana(letter: str) -> bool:
    return "\u3040" <= letter <= "\u30ff"


def _is_simplified(letter: str) -> bool:
    """Whether a letter is among the 3,755 of the first level of GB 2312, or punctuation of Chinese."""
    return _is_between(letter, "gb2312", 0xB0, 0xD7) or _is_mark(letter)


def _is_traditional(letter: str) -> bool:
    """Whether a letter is among the 5,401 of the first level of Big5, or punctuation of Chinese."""
    return _is_between(letter, "big5", 0xA4, 0xC6) or _is_mark(letter)


def _is_between(letter: str, encoding: str, first: int, last: int) -> bool:
    code = letter.encode(encoding, "ignore")
    return len(code) == 2 and first <= code[0] <= last


def _is_mark(letter: str) -> bool:
    return "\u3000" <= letter <= "\u301f" or "\uff01" <= letter <= "\uff5e" or letter in "“”‘’…—·"


def _is_japanese(letter: str) -> bool:
    return _is_kana(letter) or _is_mark(letter) or _is_between(letter, "cp932", 0x88, 0x97)


def _is_cyrillic(letter: str) -> bool:
    return "а" <= letter <= "я" or letter in "ёіїє«»—"


def _is_western(letter: str) -> bool:
    return letter in "àâäáãåæçèéêëìíîïñòóôõöøùúûüýÿßœÀÂÄÁÅÇÈÉÊËÍÎÑÓÔÖØÙÚÛÜŒ’‘“”«»…–—€£°¿¡\xa0"


# With the share of letters that must be common ones. In this order: Korean in GB 2312 is all of its first level, and
# Chinese in Korean's encoding is Hangul only in part; Cyrillic letters are Western ones too.
_COMMON: dict[str, tuple[Callable[[str], bool], float]] = {
    "cp949": (_is_hangul, 0.9),
    "gb18030": (_is_simplified, 0.75),
    "euc-jp": (_is_kana, 0.5),
    "big5": (_is_traditional, 0.75),
    "cp932": (_is_japanese, 0.75),
    "cp1251": (_is_cyrillic, 0.75),
    "cp1252": (_is_western, 0.75),
}
