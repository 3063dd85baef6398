"""Features of texts, or pairs of them, of a row each: what is too long is cut."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import partial

import numpy as np
import tensorflow as tf

from sftkeras.text.cleaning.steps import Cleaning
from sftkeras.text.features.features import Features, TokenFeatures
from sftkeras.text.features.module_preprocessor import ModulePreprocessor
from sftkeras.text.features.packing import pack
from sftkeras.text.features.raw_text import RawTextFeatures
from sftkeras.text.features.window_features import WindowFeatures
from sftkeras.text.tokenizers.tokenizer import Tokenizer

# What a backbone may have: None where its encoder reads texts itself.
AnyTokenizer = Tokenizer | ModulePreprocessor | None

# (texts, second texts, the most tokens) → model inputs, and each row's length before truncation
Encode = Callable[[tf.Tensor, tf.Tensor | None, int], tuple[dict[str, tf.Tensor], tf.Tensor]]


def make_features(
    tokenizer: AnyTokenizer,
    *,
    max_length: int,
    pairs: bool,
    cleaning: Cleaning | None = None,
) -> Features:
    """The features that belong to a backbone's tokenizer.

    Args:
        tokenizer: None if the encoder reads texts itself.
        max_length: tokens a row may have, special tokens included.
        pairs: whether each example has two texts.
        cleaning: what is done to the texts first, if anything.

    Raises:
        SFTError: SFT370 or SFT374 if `pairs` and the encoder or its preprocessor reads single texts only, SFT373 if a
            preprocessor gives more than `max_length` tokens.
    """
    if tokenizer is None:
        return RawTextFeatures(pairs=pairs, cleaning=cleaning)
    if isinstance(tokenizer, ModulePreprocessor):
        tokenizer.check(max_length=max_length, pairs=pairs)
        tokenizer = tokenizer.after(cleaning) if cleaning else tokenizer
    elif cleaning:
        tokenizer = cleaning.before(tokenizer)
    return TextFeatures(tokenizer, max_length=max_length, pairs=pairs)


def window_features(tokenizer: AnyTokenizer, *, max_length: int, cleaning: Cleaning | None = None) -> WindowFeatures:
    """The features of tasks about words: as `make_features`, but long texts are divided rather than cut.

    Raises:
        ValueError: the tokenizer does not know offsets.
    """
    return WindowFeatures(with_places(tokenizer, cleaning), max_length=max_length)


def with_places(tokenizer: AnyTokenizer, cleaning: Cleaning | None) -> Tokenizer:
    """A tokenizer that knows which characters of the raw text its tokens stand for, behind the cleaning.

    No token of it spans two Chinese characters: an answer may begin and end at any of them.

    Raises:
        ValueError: the tokenizer does not know offsets.
    """
    if not isinstance(tokenizer, Tokenizer):
        raise ValueError("this encoder's tokenizer does not know which characters its tokens stand for")
    tokenizer = tokenizer.with_ideographs_apart()
    return cleaning.before(tokenizer) if cleaning else tokenizer


class TextFeatures(TokenFeatures[Tokenizer | ModulePreprocessor]):
    """Tokenises, packs and pads texts or pairs of texts.

    Args:
        tokenizer: splits a text into token numbers, or a TF-Hub preprocessor, which also packs them.
        max_length: tokens a row may have, special tokens included.
        pairs: whether each example has two texts.
    """

    def __init__(self, tokenizer: Tokenizer | ModulePreprocessor, *, max_length: int, pairs: bool) -> None:
        super().__init__(tokenizer, max_length=max_length)
        self.pairs = pairs
        if isinstance(tokenizer, ModulePreprocessor):
            self._encode: Encode = tokenizer.pack
        else:
            self._encode = partial(_tokenise_and_pack, tokenizer)
        self._pack = tf.function(self.pack, reduce_retracing=True, autograph=False)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the features of a text."""
        rules = f"{self.tokenizer.fingerprint} {self.tokenizer.layout} {self.max_length} {self.pairs}"
        return hashlib.sha256(rules.encode()).hexdigest()

    def pack(self, texts: tf.Tensor, second_texts: tf.Tensor | None = None) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Gives the model inputs, and each row's length before truncation; see `sftkeras.text.features.packing.pack`.

        Raises:
            ValueError: second texts are missing, or there are none to expect.
        """
        if (second_texts is not None) != self.pairs:
            raise ValueError("these features are made for " + ("pairs of texts" if self.pairs else "single texts"))
        return self._encode(texts, second_texts, self.max_length)

    def __call__(self, texts: tf.Tensor, second_texts: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Gives the model inputs of `texts` [batch] string: token_ids, segment_ids, padding_mask, [batch, length]."""
        return self.pack(texts, second_texts)[0]

    def encode_arrays(
        self, texts: list[str], second_texts: list[str] | None = None
    ) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """The inputs for a cache on disk, without padding.

        Returns:
            Each feature as all rows' values and the rows' lengths, int32; and each row's length before truncation.
        """
        second = None if second_texts is None else tf.constant(second_texts, tf.string)
        inputs, untruncated = self._pack(tf.constant(texts, tf.string), second)
        arrays = {name: tensor.numpy() for name, tensor in inputs.items()}
        mask = arrays.pop("padding_mask").astype(bool)
        lengths = mask.sum(1, dtype=np.int32)
        return {name: (array[mask], lengths) for name, array in arrays.items()}, untruncated.numpy()


def _tokenise_and_pack(
    tokenizer: Tokenizer, texts: tf.Tensor, second_texts: tf.Tensor | None, max_length: int
) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
    second = None if second_texts is None else tokenizer(second_texts)
    return pack(tokenizer(texts), second, layout=tokenizer.layout, max_length=max_length)
