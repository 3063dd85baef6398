"""Features for an encoder that reads raw texts itself: the texts as they are, or cleaned."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from sftkeras.errors import SFTError
from sftkeras.text.cleaning.steps import Cleaning
from sftkeras.text.features.features import Features

TEXT = "text"  # the encoder's input


class RawTextFeatures(Features):
    """Passes texts through; what `TextFeatures` is for an encoder that takes tokens.

    Args:
        pairs: whether each example has two texts, which no such encoder reads.
        cleaning: what is done to the texts, if anything.

    Raises:
        SFTError: SFT370 if `pairs`.
    """

    gives_tokens = False

    def __init__(self, *, pairs: bool = False, cleaning: Cleaning | None = None) -> None:
        if pairs:
            raise SFTError("SFT370")
        self.cleaning = cleaning

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the features of a text."""
        return self.cleaning.fingerprint if self.cleaning else "texts as they are"

    def __call__(self, texts: tf.Tensor, second_texts: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Gives `{"text": texts}`, [batch] string.

        Raises:
            ValueError: there are second texts.
        """
        if second_texts is not None:
            raise ValueError("second texts are given, but this encoder reads single texts")
        return {TEXT: self.cleaning(texts) if self.cleaning else texts}

    def show(self, inputs: dict[str, np.ndarray], row: int) -> str:
        """The text of one row of a batch."""
        return str(inputs[TEXT][row])
