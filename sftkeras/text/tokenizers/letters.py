"""Texts as letters: invalid UTF-8 repaired; and lower case as tokenizers of BERT's descent make it, each letter by
itself, on every machine alike."""

from __future__ import annotations

import tensorflow as tf

# Capitals whose lower form ICU makes depend on the letters around them or on the machine's language (LANG): a Turkish
# server would turn "I" into "ı". NFD takes all but Σ apart.
_SIGMA = {"Σ": "σ"}
_DOTTED = {"İ": "i\u0307", "Ì": "ì", "Í": "í", "Ĩ": "ĩ", "Į": "į"}


def valid(texts: tf.Tensor) -> tf.Tensor:
    """Makes bytes that are no UTF-8, on which operations disagree, U+FFFD in `texts` [batch] string."""
    return tf.strings.unicode_transcode(texts, "UTF-8", "UTF-8")


def lower(texts: tf.Tensor, *, decomposed: bool) -> tf.Tensor:
    """Lowers `texts` [batch] string.

    Args:
        texts: the texts, without NUL characters, at which ICU would end them.
        decomposed: whether letters and their accents stand apart, as in NFD.
    """
    texts = tf.strings.lower(texts)  # ASCII alone, where ICU looks at the language too
    for capital, small in (_SIGMA if decomposed else _SIGMA | _DOTTED).items():
        texts = tf.strings.regex_replace(texts, capital, small)
    return tf.strings.lower(texts, encoding="utf-8")
