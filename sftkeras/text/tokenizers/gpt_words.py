"""Beginnings of words by GPT-2's pattern, by the classes of characters: byte pairs are merged within words.

The pattern is `'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+`. Regular expressions
of TensorFlow know no `(?!…)`, and need a microsecond for each word; this takes a fifth of the time.
"""

from __future__ import annotations

import tensorflow as tf

from sftkeras.text.tokenizers.characters import BLANK, NUMBER, earlier, kinds, later


def gpt_words(codes: tf.Tensor, opens: tf.Tensor) -> tf.Tensor:
    """Whether a word begins at each character, [characters] bool.

    Args:
        codes: [characters] int32, those of all texts.
        opens: [characters + 1] bool, whether a text begins there.
    """
    classes = kinds(codes)
    return with_contractions(codes, _begins(classes, classes >= BLANK, opens), opens)


def gpt_words_and_digits(codes: tf.Tensor, opens: tf.Tensor) -> tf.Tensor:
    """As `gpt_words`, but that each digit stands alone, as if a text ended before and after it (SmolLM2)."""
    is_digit = tf.concat([kinds(codes) == NUMBER, [False]], 0)
    return gpt_words(codes, opens | is_digit | later(is_digit))


def with_contractions(codes: tf.Tensor, begins: tf.Tensor, opens: tf.Tensor) -> tf.Tensor:
    """Makes 's, 't, 're, 've, 'm, 'll and 'd words of their own where an apostrophe begins a word.

    Args:
        codes: [characters] int32.
        begins: [characters] bool, where words begin if apostrophes are like any other character.
        opens: [characters + 1] bool, whether a text begins there.
    """
    short, long = contractions(codes, begins, opens)
    begins = begins & ~later(short | long)
    return begins | later(later(short)) | later(later(later(long)))


def contractions(codes: tf.Tensor, quotes: tf.Tensor, opens: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Beginnings of 's, 't, 'm and 'd, and of 're, 've and 'll, [characters] bool each.

    Args:
        codes: [characters] int32.
        quotes: [characters] bool, where one may begin.
        opens: [characters + 1] bool, whether a text begins there.
    """
    one, two = earlier(codes), earlier(earlier(codes))
    ends_one, ends_two = opens[1:], earlier(opens[1:])  # whether the text ends after this character, after the next
    begins_here = quotes & (codes == ord("'")) & ~ends_one
    short = begins_here & _is_any(one, "stmd")
    long = (
        begins_here & ~ends_two & ((_is_any(one, "rv") & (two == ord("e"))) | ((one == ord("l")) & (two == ord("l"))))
    )
    return short, long


def _is_any(codes: tf.Tensor, letters: str) -> tf.Tensor:
    return tf.reduce_any(tf.stack([codes == ord(letter) for letter in letters]), 0)


def _begins(classes: tf.Tensor, is_space: tf.Tensor, opens: tf.Tensor) -> tf.Tensor:
    """Beginnings of words if apostrophes are like any other character, [characters] bool."""
    before, space_before = later(classes), later(is_space)
    is_first, is_last = opens[:-1], opens[1:]
    # Spaces are a word of their own, but for the last before something else: " " belongs to what follows.
    space_begins = ~space_before | ~(earlier(is_space) | is_last)
    other_begins = (classes != before) & (before != BLANK)
    return is_first | tf.where(is_space, space_begins, other_begins)
