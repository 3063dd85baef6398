"""Compares an answer with a true one by the normalisation, exact match and F1 of SQuAD's official evaluation.

Rajpurkar et al., 2016 (arXiv:1606.05250) and 2018 (arXiv:1806.03822). That divides words by spaces; here each character
of a script without spaces, such as Chinese, is a word of its own, as in MLQA (Lewis et al., 2020, arXiv:1910.07475).
Texts without such characters get SQuAD's own figures.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Iterable

_UNSPACED = "\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3005-\u3007\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
_CJK_PUNCTUATION = "\u3001-\u3003\u3008-\u3011\u3014-\u301f\uff01-\uff0f\uff1a-\uff20\uff3b-\uff40\uff5b-\uff65"
_PUNCTUATION = re.compile(f"[{re.escape(string.punctuation)}{_CJK_PUNCTUATION}]")
_ARTICLE = re.compile(r"\b(a|an|the)\b")
_WORD = re.compile(rf"[{_UNSPACED}]|[^\s{_UNSPACED}]+")


def words(answer: str) -> list[str]:
    """The words that are compared: in lower case, without punctuation and without English articles."""
    return _WORD.findall(_ARTICLE.sub(" ", _PUNCTUATION.sub("", answer.lower())))


def exact_match(answer: str, truths: Iterable[str]) -> float:
    """1 if the answer has the words of a true one, else 0; of no truth, if it has none."""
    return max(float(words(answer) == true) for true in _known(truths))


def f1(answer: str, truths: Iterable[str]) -> float:
    """The F1 of words that the answer shares with the nearest true one; of no truth, 1 if the answer has no words."""
    given = words(answer)
    return max(_f1(given, true) for true in _known(truths))


def _known(truths: Iterable[str]) -> list[list[str]]:
    """The words of the true answers that have any; an empty one if there is none, which stands for no answer."""
    return [found for true in truths if (found := words(true))] or [[]]


def _f1(given: list[str], true: list[str]) -> float:
    if not given or not true:
        return float(given == true)
    shared = sum((Counter(given) & Counter(true)).values())
    return 2 * shared / (len(given) + len(true))
