"""Features for tasks that predict for tokens: long texts as windows, with the characters each word stands for."""

from __future__ import annotations

import hashlib

import numpy as np
import tensorflow as tf

from sftkeras.text.features.features import TokenFeatures
from sftkeras.text.features.windows import pack_windows
from sftkeras.text.features.words import word_offsets
from sftkeras.text.tokenizers.letters import valid
from sftkeras.text.tokenizers.tokenizer import Tokenizer

# Beside the model inputs: the words, and the texts they are of.
STARTS, ENDS, TEXT_NUMBER, TEXTS = "word_starts", "word_ends", "text_number", "texts"

_OVERLAP = 4  # a window shares this part of it with the next: a word has an eighth of the window on both sides


class WindowFeatures(TokenFeatures[Tokenizer]):
    """Tokenises texts and packs them into windows, so that nothing of a long text is cut off.

    Args:
        tokenizer: splits a text into token numbers with their offsets.
        max_length: tokens a window may have, special tokens included.
    """

    windows = True

    def __init__(self, tokenizer: Tokenizer, *, max_length: int) -> None:
        super().__init__(tokenizer, max_length=max_length)
        self._encode = tf.function(self.__call__, input_signature=[tf.TensorSpec([None], tf.string)], autograph=False)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the features of a text."""
        rules = f"{self.tokenizer.fingerprint} {self.max_length} windows of words, overlap 1/{_OVERLAP}"
        return hashlib.sha256(rules.encode()).hexdigest()

    def __call__(self, texts: tf.Tensor, second_texts: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Gives the model inputs of `texts` [batch] string, and where their words are.

        Returns:
            token_ids, segment_ids and padding_mask, [windows, length] int32; `word_starts` and `word_ends` likewise:
            the characters of the word whose first token this is, 0 and 0 for all other tokens and where another
            window owns the token; `text_number` [windows] int32, ascending; `texts` [batch] string, valid UTF-8.

        Raises:
            ValueError: there are second texts.
        """
        if second_texts is not None:
            raise ValueError("second texts are given, but these features are made for single texts")
        texts = valid(texts)
        tokens, starts, ends = self.tokenizer.with_offsets(texts)
        starts, ends = word_offsets(texts, starts, ends)
        windows = pack_windows(
            tokens,
            starts,
            ends,
            layout=self.tokenizer.layout,
            max_length=self.max_length,
            overlap=self.max_length // _OVERLAP,
        )
        owned = tf.cast(windows.owned, tf.int32)
        words = {STARTS: windows.starts * owned, ENDS: windows.ends * owned}
        return {**windows.inputs, **words, TEXT_NUMBER: windows.text, TEXTS: texts}

    def encode_arrays(
        self, texts: list[str], second_texts: list[str] | None = None
    ) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """The features for a cache on disk, without padding.

        Returns:
            Each feature as all windows' values and the windows' lengths, int32; and the number within `texts` of each
            window's text.
        """
        return without_padding(self._encode(tf.constant(texts, tf.string)))


def without_padding(features: dict[str, tf.Tensor]) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
    """Features of windows, as `WindowFeatures.encode_arrays` gives them."""
    found = {name: tensor.numpy() for name, tensor in features.items() if name != TEXTS}
    mask = found.pop("padding_mask").astype(bool)
    lengths = mask.sum(1, dtype=np.int32)
    numbers = found.pop(TEXT_NUMBER)
    return {name: (array[mask], lengths) for name, array in found.items()}, numbers
