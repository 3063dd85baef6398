"""What every tokenizer gives: texts to token numbers in the graph, and the numbers of its special tokens."""

from __future__ import annotations

from typing import Protocol

import numpy as np
import tensorflow as tf


class Tokenizer(Protocol):
    """Splits texts into the numbers an encoder knows, by ops that a stock TensorFlow Serving has."""

    pad_id: int
    cls_id: int
    sep_id: int

    @property
    def size(self) -> int:
        """How many tokens there are."""

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the token numbers."""

    def pieces(self, numbers: np.ndarray) -> list[str]:
        """The tokens of these numbers, for people to read."""

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises `texts` [batch] string into [batch, (tokens)] int32, without special tokens."""
