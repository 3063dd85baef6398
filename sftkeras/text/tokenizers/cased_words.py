"""Beginnings of words by the patterns of GPT-4o and of Tekken, which look at the case of letters.

GPT-4o's (`o200k`, also of Phi-4-mini) is, with

- U for `[\\p{Lu}\\p{Lt}\\p{Lm}\\p{Lo}\\p{M}]` and L for `[\\p{Ll}\\p{Lm}\\p{Lo}\\p{M}]`,
- C for `(?i:'s|'t|'re|'ve|'m|'ll|'d)?`, and P for `[^\\r\\n\\p{L}\\p{N}]?`:

`PU*L+C|PU+L*C|\\p{N}{1,3}| ?[^\\s\\p{L}\\p{N}]+[\\r\\n/]*|\\s*[\\r\\n]+|\\s+(?!\\S)|\\s+`.

Tekken's (Mistral) is without C and has `\\p{N}` alone.
"""

from __future__ import annotations

import tensorflow as tf

from sftkeras.text.tokenizers.characters import (
    BLANK,
    LETTER,
    LOWER,
    NEWLINE,
    NO_CASE,
    NUMBER,
    OTHER,
    SPACE,
    UNCASED,
    UPPER,
    cases,
    earlier,
    kinds,
    last_place,
    later,
    next_place,
)
from sftkeras.text.tokenizers.gpt_words import contractions
from sftkeras.text.tokenizers.llama_words import digit_begins, lowered, space_begins

_NONE = -1  # the class where there is no character


def o200k_words(codes: tf.Tensor, opens: tf.Tensor) -> tf.Tensor:
    """Beginnings of words by GPT-4o's pattern; see `gpt_words.gpt_words` for arguments and value."""
    return _words(codes, opens, digits=3, contracts=True)


def tekken_words(codes: tf.Tensor, opens: tf.Tensor) -> tf.Tensor:
    """Beginnings of words by Tekken's pattern, which has each digit and each contraction apart."""
    return _words(codes, opens, digits=1, contracts=False)


def _words(codes: tf.Tensor, opens: tf.Tensor, *, digits: int, contracts: bool) -> tf.Tensor:
    kind, case = tf.cast(kinds(codes), tf.int32), tf.cast(cases(codes), tf.int32)
    is_first, is_last = opens[:-1], opens[1:]
    signs = _Signs(codes, kind, case, opens)
    in_sign, eaten = signs.found()
    # A word goes on through a contraction behind it; what follows is as if a text began there.
    used, ended = tf.zeros_like(is_first), tf.zeros_like(is_first)
    if contracts:
        used, ended = _used_by_contractions(codes, opens, (case != NO_CASE) & ~in_sign)
    fresh = is_first | ended | later(eaten)
    before = tf.where(fresh, _NONE, later(kind))
    # One character goes with the letters and marks behind it: white space, or a sign that stands alone.
    attached = (before == LETTER) | (before == BLANK) | (before == SPACE) | ((before == OTHER) & ~later(in_sign))
    begins = ~attached | _splits(case, fresh, is_first)
    begins = tf.where((kind == OTHER) & ((case == NO_CASE) | in_sign), signs.begins(in_sign), begins)
    begins = tf.where(kind == NUMBER, digit_begins(tf.where(is_first, _NONE, later(kind)), digits), begins)
    begins = tf.where(kind >= BLANK, space_begins(kind, before, eaten & (kind == NEWLINE), is_last), begins)
    return is_first | (begins & ~used & ~eaten)


class _Signs:
    """Characters that are taken together as signs, with the line breaks and slashes behind them.

    A mark is taken for a part of a word as long as no two signs, or a space and a sign, stand before it.

    Args:
        codes: [characters] int32.
        kind: of each.
        case: of each.
        opens: [characters + 1] bool, whether a text begins there.
    """

    def __init__(self, codes: tf.Tensor, kind: tf.Tensor, case: tf.Tensor, opens: tf.Tensor) -> None:
        self.kind = kind
        self.is_first, self.is_last = opens[:-1], opens[1:]
        self.is_sign = (kind == OTHER) & (case == NO_CASE)
        self.may_follow = (kind == NEWLINE) | (codes == ord("/"))

    def found(self) -> tuple[tf.Tensor, tf.Tensor]:
        """Whether each character is one of them, or is a line break or slash behind them, [characters] bool each."""
        # Which slashes follow depends on marks before, and those on slashes before: each turn settles more of them.
        _, eaten = tf.while_loop(
            lambda old, new: tf.reduce_any(old != new),
            lambda old, new: (new, self._followers(self._in_sign(new))),
            (tf.ones_like(self.is_first), tf.zeros_like(self.is_first)),
        )
        return self._in_sign(eaten), eaten

    def begins(self, in_sign: tf.Tensor) -> tf.Tensor:
        """Beginnings of words of signs; anything where there is none."""
        return self.is_first | ~(later(in_sign) | later(self.kind == BLANK))

    def _in_sign(self, eaten: tf.Tensor) -> tf.Tensor:
        group = (self.kind == OTHER) & ~eaten  # signs and marks
        is_sign = self.is_sign & ~eaten
        starts = group & (self.is_first | ~later(group))

        def follows(flags: tf.Tensor) -> tf.Tensor:
            return earlier(flags) & ~self.is_last

        after_blank = starts & ~self.is_first & later(self.kind == BLANK)
        alone = ~follows(group) & ~follows(self.kind == LETTER)
        opened = is_sign & (follows(is_sign) | after_blank | alone)
        return group & (last_place(opened) >= last_place(starts))

    def _followers(self, in_sign: tf.Tensor) -> tf.Tensor:
        first = (self.kind == NEWLINE) & ~self.is_first & later(in_sign)
        last = last_place(first)
        return self.may_follow & (last > last_place(~self.may_follow)) & (last >= last_place(self.is_first))


def _splits(case: tf.Tensor, fresh: tf.Tensor, is_first: tf.Tensor) -> tf.Tensor:
    """Whether a capital begins a word though letters stand before it, [characters] bool.

    It does behind a small letter, letters without case in between or not. Behind letters without case alone it does if
    capitals are all that is left of the word.
    """
    before = tf.where(fresh, NO_CASE, later(case))
    # The last character at or before each that has case, or that a word begins with.
    cased = tf.gather(case, tf.maximum(last_place((case != UNCASED) | fresh), 0))
    stops = tf.concat([(case != UPPER) | is_first, [True]], 0)
    place = next_place(stops)[1:]  # behind each
    following = tf.gather(tf.concat([tf.where(is_first, NO_CASE, case), [NO_CASE]], 0), place)
    goes_on = (following == LOWER) | (following == UNCASED)
    behind_uncased = (before == UNCASED) & ((later(cased) == LOWER) | ~goes_on)
    return (case == UPPER) & ((before == LOWER) | behind_uncased)


def _used_by_contractions(codes: tf.Tensor, opens: tf.Tensor, in_word: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """Whether each character is of a contraction that belongs to the word before, or stands behind one.

    Of contractions side by side, such as "'s's's", every other one is a word's; the ones between begin words.
    """
    follows_word = ~opens[:-1] & later(in_word)
    short, long = contractions(lowered(codes), follows_word, opens)
    found = short | long
    count = tf.cumsum(tf.cast(found, tf.int32))
    first = found & ~(later(later(short)) | later(later(later(long))))
    in_row = count - tf.gather(tf.concat([[0], count], 0), last_place(first) + 1)
    kept = in_row % 2 == 0
    short, long = short & kept, long & kept
    used = short | long | later(short | long) | later(later(long))
    return used, later(later(short)) | later(later(later(long)))
