"""Tokens of a decoder back to text: in the graph, and in Python piece by piece as they are generated."""

from __future__ import annotations

import codecs
from collections.abc import Iterable

import numpy as np
import tensorflow as tf

from sftkeras.text.tokenizers.rows import joined_texts
from sftkeras.text.tokenizers.tokenizer import Tokenizer


class Detokenizer:
    """Joins the bytes of tokens, inside the graph.

    The text of a tokenizer's own tokens has the bytes of the text that was tokenised, but for what was normalised.
    Bytes that are no UTF-8, as where a text ends inside a character, are returned as they are; Hugging Face's decoders
    make U+FFFD of them.

    Args:
        tokenizer: of a decoder.
        skip_special: leave out special tokens, as `skip_special_tokens` of Hugging Face does: those that stand for no
            text. Other added tokens, such as "<think>", stay.

    Raises:
        ValueError: the tokenizer is of an encoder.
    """

    def __init__(self, tokenizer: Tokenizer, *, skip_special: bool = True) -> None:
        self._texts = np.array(token_texts(tokenizer, skip_special=skip_special), object)
        self._strips_first_space = tokenizer.strips_first_space

    def __call__(self, tokens: tf.RaggedTensor) -> tf.Tensor:
        """Return the texts of `tokens` [batch, (tokens)] int32, [batch] string. Unknown numbers give none."""
        known = (tokens.values >= 0) & (tokens.values < len(self._texts))
        numbers = tf.where(known, tokens.values, len(self._texts))
        table = tf.constant([*self._texts, b""], tf.string)
        texts = joined_texts(tokens.with_values(tf.gather(table, numbers)))
        return tf.strings.regex_replace(texts, "^ ", "") if self._strips_first_space else texts


class TextStream:
    """Turns tokens into text as they come; what ends inside a character waits for the rest of it.

    The pieces, joined, are the text that `Detokenizer` returns for all tokens, with U+FFFD for what is no UTF-8.

    Args:
        tokenizer: of a decoder.
        skip_special: leave out special tokens; see `Detokenizer`.

    Raises:
        ValueError: the tokenizer is of an encoder.
    """

    def __init__(self, tokenizer: Tokenizer, *, skip_special: bool = True) -> None:
        self._texts = token_texts(tokenizer, skip_special=skip_special)
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._strips_space = tokenizer.strips_first_space  # until there is a text that could begin with one

    def push(self, tokens: Iterable[int]) -> str:
        """Return the text that these tokens complete, maybe none."""
        known = (int(number) for number in tokens if 0 <= number < len(self._texts))
        return self._stripped(self._decoder.decode(b"".join(map(self._texts.__getitem__, known))))

    def finish(self) -> str:
        """Return what still waited: U+FFFD for a character that was never completed. The stream may begin anew then."""
        return self._stripped(self._decoder.decode(b"", final=True))

    def _stripped(self, text: str) -> str:
        if not (self._strips_space and text):
            return text
        self._strips_space = False
        return text.removeprefix(" ")


def token_texts(tokenizer: Tokenizer, *, skip_special: bool = True) -> list[bytes]:
    """Return the bytes of each token; see `Detokenizer` for the arguments.

    Raises:
        ValueError: the tokenizer is of an encoder.
    """
    if tokenizer.decoder is None:
        raise ValueError("this tokenizer is of an encoder, which generates no text")
    texts = list(tokenizer.token_bytes())
    for number in tokenizer.decoder.skipped if skip_special else ():
        texts[number] = b""
    return texts
