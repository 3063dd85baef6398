"""Patterns of personal data, by which it is masked. They go by shape alone and check no digits."""

from __future__ import annotations

from collections.abc import Sequence

import tensorflow as tf

from sftkeras.text.tokenizers.origin import Replace

_GAP = "[ .-]?"

# In RE2's notation. \b is a boundary of ASCII letters and digits, so that a number may follow a Chinese character.
PATTERNS = {
    "url": r"\b(?:(?:https?|ftp)://|www\.)[A-Za-z0-9\-._~:/?#\[\]@!$&'()*+,;=%]*[A-Za-z0-9/_~#&=%\-]",
    "email": r"\b[A-Za-z0-9._%+\-]+@[A-Za-z0-9\-]+(?:\.[A-Za-z0-9\-]+)*\.[A-Za-z]{2,}\b",
    "id_number": (
        # A Chinese resident's: place, birthday, number, check digit. Then IBANs, in fours or not.
        r"\b[1-9][0-9]{5}(?:18|19|20)[0-9]{2}(?:0[1-9]|1[0-2])(?:0[1-9]|[12][0-9]|3[01])[0-9]{3}[0-9Xx]\b"
        r"|\b[A-Z]{2}[0-9]{2}(?: ?[A-Z0-9]{4}){2,7}(?: ?[A-Z0-9]{1,3})?\b"
    ),
    # 4-4-4-4 and three more, 4-6-5, or 13 to 19 digits as they are.
    "card": r"\b[2-6][0-9]{3}[ -]?(?:[0-9]{4}[ -]?[0-9]{4}[ -]?[0-9]{4}(?:[ -]?[0-9]{3})?|[0-9]{6}[ -]?[0-9]{5})\b"
    r"|\b[2-6][0-9]{12,18}\b",
    "phone": (
        # +COUNTRY and 6 to 12 digits; a Chinese mobile phone and landline; (555) 123-4567, and the like without ( ).
        rf"\+[0-9]{{1,3}}(?:{_GAP}\(?[0-9]{{1,4}}\)?){{2,5}}\b"
        rf"|\b1[3-9][0-9]{_GAP}[0-9]{{4}}{_GAP}[0-9]{{4}}\b"
        r"|\b0[0-9]{2,3}-[0-9]{7,8}\b"
        rf"|(?:\([0-9]{{3}}\) ?|\b[0-9]{{3}}[ .-])[0-9]{{3}}[ .-][0-9]{{4}}\b"
    ),
}


def masking(kinds: Sequence[str]) -> tuple[str, Replace]:
    """Return a pattern of personal data of these kinds, and a function that gives a placeholder such as <email>.

    Where a text fits several kinds, the first in the order of `PATTERNS` counts.
    """
    patterns = {kind: pattern for kind, pattern in PATTERNS.items() if kind in kinds}

    def replacement(pieces: tf.Tensor, at_end: tf.Tensor) -> tf.Tensor:
        for kind, pattern in patterns.items():
            pieces = tf.where(tf.strings.regex_full_match(pieces, pattern), f"<{kind}>", pieces)
        return pieces

    return "|".join(f"(?:{pattern})" for pattern in patterns.values()), replacement
