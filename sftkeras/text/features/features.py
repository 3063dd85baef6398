"""The first of a task's two functions: raw texts to model inputs, traced in training and in serving alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any, ClassVar, Generic, TypeVar

import numpy as np
import tensorflow as tf

from sftkeras.text.tokenizers.tokenizer import Tokenizer, show_row

if TYPE_CHECKING:
    from sftkeras.text.cleaning.steps import Cleaning
    from sftkeras.text.features.module_preprocessor import ModulePreprocessor


class Features:
    """Raw texts to model inputs: what training, evaluation and serving know of it.

    Attributes:
        gives_tokens: whether the model inputs are tokens, which `encode_arrays` gives for the token cache; else they
            are the texts, for an encoder that reads texts itself.
        pairs: whether each example has two texts.
        windows: whether a text may be several rows of the model inputs, beside which it gives what its answers need.
        max_length: tokens a row may have, special tokens included; None if the encoder reads texts of any length.
        cleaning: what is done to the texts first, if anything.
    """

    gives_tokens: ClassVar[bool] = True
    pairs: bool = False
    windows: bool = False
    max_length: int | None = None
    cleaning: Cleaning | None = None

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the features of a text."""
        raise NotImplementedError

    @property
    def resources(self) -> Sequence[Any]:
        """Resources that an export must take along, such as a tokenizer's lookup tables."""
        return ()

    def __call__(self, texts: tf.Tensor, second_texts: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Give the model inputs of `texts` [batch] string, and of `second_texts` if there are pairs."""
        raise NotImplementedError

    def encode_arrays(
        self, texts: list[str], second_texts: list[str] | None = None
    ) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """Give the features for a cache on disk, without padding.

        Returns:
            Each feature as all rows' values and the rows' lengths, int32; and of each row, its length before
            truncation, or with `windows` the number within `texts` of its text.
        """
        raise NotImplementedError

    def tokens(self, texts: list[str]) -> tf.RaggedTensor:
        """Return all tokens of texts, however many, [batch, (tokens)] int32; those around a text may be left out."""
        raise NotImplementedError

    def show(self, inputs: dict[str, np.ndarray], row: int) -> str:
        """Return one row of a batch of model inputs as people can read it."""
        raise NotImplementedError


AnySplitter = TypeVar("AnySplitter", bound="Tokenizer | ModulePreprocessor")


class TokenFeatures(Features, Generic[AnySplitter]):
    """Features that a tokenizer makes.

    Args:
        tokenizer: splits a text into token numbers.
        max_length: tokens a row may have, special tokens included.
    """

    def __init__(self, tokenizer: AnySplitter, *, max_length: int) -> None:
        self.tokenizer = tokenizer
        self.cleaning = tokenizer.cleaning
        self.max_length: int = max_length

    @property
    def resources(self) -> Sequence[Any]:
        """Resources of the tokenizer."""
        return self.tokenizer.resources

    def tokens(self, texts: list[str]) -> tf.RaggedTensor:
        """Return all tokens of texts, [batch, (tokens)] int32, without those around a text."""
        return self._tokens_once(tf.constant(texts, tf.string))

    @cached_property
    def _tokens_once(self) -> Callable[[tf.Tensor], tf.RaggedTensor]:
        tokenizer = self.tokenizer
        assert isinstance(tokenizer, Tokenizer)  # a preprocessor gives whole rows alone
        texts = tf.TensorSpec([None], tf.string)
        return tf.function(tokenizer.__call__, input_signature=[texts], autograph=False)

    def show(self, inputs: dict[str, np.ndarray], row: int) -> str:
        """Return the tokens of one row of a batch, and how much of it is padding."""
        return show_row(self.tokenizer, inputs, row)
