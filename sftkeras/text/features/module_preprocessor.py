"""A TF-Hub preprocessor used as it is: its own tokenizer and its own packing, behind the names this package uses.

Loading is not done here; `sftkeras.backbones.tfhub.preprocessor` checks and loads the SavedModel.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf

from sftkeras.errors import SFTError
from sftkeras.text.cleaning.steps import Cleaning
from sftkeras.text.tokenizers.rows import joined

_NAMES = {"token_ids": "input_word_ids", "segment_ids": "input_type_ids", "padding_mask": "input_mask"}


class ModulePreprocessor:
    """Texts to model inputs by the preprocessor that was published with a module.

    One with the methods `tokenize` and `bert_pack_inputs` packs to any length, pairs too. One without is called as a
    whole: it reads single texts and cuts them to a length of its own.

    Args:
        module: the loaded SavedModel.
        fingerprint: a hash of its files.
        resources: its lookup tables and their files, which an export must take along.
        cleaning: what is done to the texts before, if anything.
    """

    layout = None  # it is in the module's files

    def __init__(
        self, module: Any, fingerprint: str, resources: Sequence[Any] = (), cleaning: Cleaning | None = None
    ) -> None:
        self.module = module
        self.resources = resources
        self.cleaning = cleaning
        self._fingerprint = fingerprint
        self._has_parts = all(callable(getattr(module, part, None)) for part in ("tokenize", "bert_pack_inputs"))

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the token numbers."""
        return f"{self.cleaning.fingerprint} {self._fingerprint}" if self.cleaning else self._fingerprint

    def after(self, cleaning: Cleaning) -> ModulePreprocessor:
        """The same preprocessor, for raw texts that are cleaned first."""
        return ModulePreprocessor(self.module, self._fingerprint, self.resources, cleaning)

    @property
    def size(self) -> int | None:
        """Number of tokens; None if the preprocessor does not say."""
        special_tokens = getattr(getattr(self.module, "tokenize", None), "get_special_tokens_dict", None)
        known = special_tokens() if callable(special_tokens) else {}
        return int(known["vocab_size"]) if "vocab_size" in known else None

    @property
    def own_length(self) -> int | None:
        """The length that it packs to whatever is asked; None if it packs to any."""
        if self._has_parts:
            return None
        return int(self._call_whole(tf.constant([""]))["padding_mask"].shape[1])

    def check(self, *, max_length: int, pairs: bool) -> None:
        """Finds out whether it can give what is asked.

        Raises:
            SFTError: SFT373 if its texts are longer than `max_length`, SFT374 if it reads single texts but there are
                `pairs`.
        """
        if self._has_parts:
            return
        if pairs:
            raise SFTError("SFT374")
        length = self.own_length
        if length is not None and length > max_length:
            raise SFTError("SFT373", length=max_length, own=length)

    def pack(
        self, texts: tf.Tensor, second_texts: tf.Tensor | None, max_length: int
    ) -> tuple[dict[str, tf.Tensor], tf.Tensor]:
        """Gives what the preprocessor gives for `texts` [batch] string, without the columns that are all padding.

        Returns:
            `{"token_ids", "segment_ids", "padding_mask"}`, each [batch, length] int32; and [batch] int32: the length
            before truncation, where the preprocessor gives its tokens, else after it.
        """
        given = [part for part in (texts, second_texts) if part is not None]
        if self.cleaning:
            given = [self.cleaning(part) for part in given]
        if not self._has_parts:
            inputs = _without_padding(self._call_whole(given[0]))
            return inputs, tf.reduce_sum(inputs["padding_mask"], 1)
        tokens = [self.module.tokenize(part) for part in given]
        packed = self.module.bert_pack_inputs(tokens, seq_length=tf.constant(max_length, tf.int32))
        # [CLS] at the start, [SEP] after each text.
        untruncated = tf.add_n([_row_sizes(part) for part in tokens]) + 1 + len(tokens)
        return _without_padding(_renamed(packed)), untruncated

    def pieces(self, numbers: np.ndarray) -> list[str]:
        """The numbers themselves: a preprocessor does not give its vocabulary."""
        return [str(number) for number in numbers]

    def _call_whole(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        return _renamed(self.module(texts))


def _renamed(packed: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    return {name: tf.cast(packed[theirs], tf.int32) for name, theirs in _NAMES.items()}


def _row_sizes(tokens: tf.RaggedTensor) -> tf.Tensor:
    """Number of tokens of each row, [batch] int32, whether or not they are grouped by word."""
    while tokens.ragged_rank > 1:
        tokens = joined(tokens)
    return tf.cast(tokens.row_lengths(), tf.int32)


def _without_padding(inputs: dict[str, tf.Tensor]) -> dict[str, tf.Tensor]:
    lengths = tf.reduce_sum(inputs["padding_mask"], 1)
    longest = tf.reduce_max(tf.concat([lengths, [0]], 0))  # an empty batch has no lengths
    return {name: tensor[:, :longest] for name, tensor in inputs.items()}
