"""Unicode normal forms of texts that are given as characters, and which characters became which."""

from __future__ import annotations

import itertools
import unicodedata
from functools import cache

import numpy as np
import tensorflow as tf

from sftkeras.text.tokenizers.characters import CharacterTable
from sftkeras.text.tokenizers.origin import normalise
from sftkeras.text.tokenizers.rows import ragged, row_of_each

# Where there are characters that have parts, or are such. Most ideographs and all of the planes behind have none.
_WITH_PARTS = (range(0xC0, 0x3400), range(0xA000, 0x20000), range(0x2F800, 0x2FA20))


def normalised(characters: tf.RaggedTensor, form: str) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor]:
    """Brings texts to a normal form. Batches that have it already, as most do, cost a look at each character.

    Args:
        characters: [texts, (characters)] int32.
        form: "NFC".

    Returns:
        The characters of the normal form, [texts, (characters)] int32; and of each the first of the characters that it
        was made of, and the one after their last, counted through all texts: [characters] int32.
    """

    def rewritten() -> tuple[tf.Tensor, ...]:
        texts = tf.strings.unicode_encode(characters, "UTF-8")
        new, origin = normalise(texts, form)
        decoded = tf.strings.unicode_decode(new, "UTF-8")
        begins = tf.gather(tf.cast(characters.row_starts(), tf.int32), row_of_each(decoded))
        # The origin has one place more for each text, its end.
        places = tf.range(tf.size(decoded.values, tf.int64)) + row_of_each(decoded)
        first, last = (tf.gather(it.values, places) for it in (origin.starts, origin.ends))
        return decoded.flat_values, decoded.row_splits, begins + first, begins + last

    def untouched() -> tuple[tf.Tensor, ...]:
        places = tf.range(tf.size(characters.flat_values))
        return characters.flat_values, characters.row_splits, places, places + 1

    changes = tf.reduce_any(_can_change(form)(characters.flat_values))
    codes, splits, first, last = tf.cond(changes, rewritten, untouched)
    return ragged(codes, splits), first, last


@cache
def _can_change(form: str) -> CharacterTable:
    """Whether a text with this character may be in another form; one without such characters is in this form."""
    if form != "NFC":
        raise ValueError(f"{form} is not followed")
    changes = np.zeros(0x110000, bool)
    for code in itertools.chain(*_WITH_PARTS):
        character = chr(code)
        parts = unicodedata.normalize("NFD", character)
        if unicodedata.combining(character) or unicodedata.normalize("NFC", character) != character:
            changes[code] = True
        for part in parts[1:]:  # those that may join what stands before them
            changes[ord(part)] = True
    return CharacterTable(changes)
