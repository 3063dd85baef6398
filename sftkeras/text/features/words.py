"""Finds the pieces of one word: in the graph, from characters alone, whatever the tokenizer.

A word is a run of letters, digits and the marks that belong to them. Any other character is a word of its own, and so
is each character of a script that puts no space between words, such as Chinese.
"""

from __future__ import annotations

import tensorflow as tf

from sftkeras.text.tokenizers.rows import row_of_each

# Codes of ICU's UScriptCode, which `tf.strings.unicode_script` gives.
_COMMON, _INHERITED = 0, 1
_UNSPACED = (5, 17, 20, 22, 23, 24, 28, 38, 39)  # Bopomofo, Han, Hiragana, Katakana, Khmer, Lao, Myanmar, Thai, Tibetan


def word_offsets(
    texts: tf.Tensor, starts: tf.RaggedTensor, ends: tf.RaggedTensor
) -> tuple[tf.RaggedTensor, tf.RaggedTensor]:
    """Gives the first token of each word the offsets of the whole word, and all other tokens 0 and 0.

    Args:
        texts: [batch] string, valid UTF-8.
        starts: [batch, (tokens)] int32, as `Tokenizer.with_offsets` gives them.
        ends: [batch, (tokens)] int32, likewise.

    Returns:
        Starts and ends, each [batch, (tokens)] int32; an end is greater than 0 just where a word begins.
    """
    words, row_begins = _words_of_characters(texts)
    begin, end = starts.flat_values, ends.flat_values  # [tokens]
    rows = tf.cast(row_of_each(starts), tf.int32)
    standing = tf.where(end > begin)  # [standing, 1]: the others stand for nothing in the text
    begin, end, rows = (tf.gather_nd(values, standing) for values in (begin, end, rows))
    place = tf.gather(row_begins, rows) + begin
    word = tf.gather(words, tf.minimum(place, tf.size(words) - 1))  # [standing], ascending
    is_first = word != tf.concat([[-1], word[:-1]], 0)[: tf.size(word)]
    number = tf.cumsum(tf.cast(is_first, tf.int32)) - 1
    word_end = tf.gather(tf.math.segment_max(end, number), number)
    shape = tf.shape(starts.flat_values, tf.int64)
    first = tf.scatter_nd(standing, tf.where(is_first, begin, 0), shape)
    last = tf.scatter_nd(standing, tf.where(is_first, word_end, 0), shape)
    return starts.with_flat_values(first), ends.with_flat_values(last)


def _words_of_characters(texts: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """The word that each character is of, counted over all texts, [characters + 1]; and where each text begins."""
    characters = tf.strings.unicode_decode(texts, "UTF-8")  # [batch, (characters)]
    codes = characters.flat_values
    script = tf.strings.unicode_script(codes)
    digit = (codes >= ord("0")) & (codes <= ord("9"))
    unspaced = tf.reduce_any(script[:, tf.newaxis] == tf.constant(_UNSPACED), axis=1)
    joins = ((script > _COMMON) & ~unspaced) | digit  # letters, digits and marks
    begins = tf.cast(characters.row_starts(), tf.int32)
    rows = tf.cast(row_of_each(characters), tf.int32)
    same_text = tf.concat([[False], rows[1:] == rows[:-1]], 0)[: tf.size(rows)]
    after_one = tf.concat([[False], joins[:-1]], 0)[: tf.size(joins)]
    # A mark belongs to whatever stands before it, also to a lone Chinese character.
    goes_on = same_text & ((joins & after_one) | (script == _INHERITED))
    words = tf.cumsum(tf.cast(~goes_on, tf.int32))
    return tf.concat([words, [0]], 0), begins  # never empty
