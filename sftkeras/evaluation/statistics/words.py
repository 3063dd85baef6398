"""Words of a text in any script, for figures that compare words. Imports nothing."""

from __future__ import annotations

import re

# Letters of scripts that put no space between words: Thai, Lao, Burmese, Khmer, kana, and Chinese characters.
CHINESE = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff"
UNSPACED = f"\u0e00-\u0eff\u1000-\u109f\u1780-\u17ff\u3040-\u30ff{CHINESE}"

# Words, and single characters of scripts that put no space between words, so that 2-grams make sense in both.
TOKEN_PATTERN = rf"[{UNSPACED}]|[^\W{UNSPACED}]+"

_WORD = re.compile(TOKEN_PATTERN)


def words(text: str) -> list[str]:
    """Return the words of a text in lower case, without punctuation; each character of an unspaced script is one."""
    return _WORD.findall(text.lower())
