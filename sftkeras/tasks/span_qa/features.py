"""Features for answers out of a context: the question, and behind it a part of the context, with its tokens' places."""

from __future__ import annotations

import hashlib

import numpy as np
import tensorflow as tf

from sftkeras.text import AnyTokenizer, Cleaning, with_places
from sftkeras.text.features.features import TokenFeatures
from sftkeras.text.features.window_features import TEXT_NUMBER, TEXTS, without_padding
from sftkeras.text.features.windows import pack_windows
from sftkeras.text.tokenizers.letters import valid
from sftkeras.text.tokenizers.tokenizer import Tokenizer

# Beside the model inputs: which characters of its context each token stands for.
STARTS, ENDS = "token_starts", "token_ends"

_OVERLAP = 3  # a window shares this part of it with the next, so that an answer of some words is whole in one of them


def question_features(
    tokenizer: AnyTokenizer, *, max_length: int, cleaning: Cleaning | None = None
) -> QuestionFeatures:
    """The features of questions to contexts: as `window_features`, whose windows begin with the question.

    Raises:
        ValueError: the tokenizer does not know offsets.
    """
    return QuestionFeatures(with_places(tokenizer, cleaning), max_length=max_length)


class QuestionFeatures(TokenFeatures[Tokenizer]):
    """Tokenises questions and contexts; a long context becomes several windows, each with the whole question first.

    Args:
        tokenizer: splits a text into token numbers with their offsets.
        max_length: tokens a window may have, question and special tokens included. A question that takes more than
            half of them is cut.
    """

    pairs = True
    windows = True

    def __init__(self, tokenizer: Tokenizer, *, max_length: int) -> None:
        super().__init__(tokenizer, max_length=max_length)
        room = max_length - tokenizer.layout.specials(2)
        self._overlap = min(max_length // _OVERLAP, room - room // 2 - 1)  # less than the room a context has at least
        texts = tf.TensorSpec([None], tf.string)
        self._encode = tf.function(self.__call__, input_signature=[texts, texts], autograph=False)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the features of a text."""
        rules = f"{self.tokenizer.fingerprint} {self.max_length} windows of contexts, overlap {self._overlap}"
        return hashlib.sha256(rules.encode()).hexdigest()

    def __call__(self, texts: tf.Tensor, second_texts: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Gives the model inputs of questions `texts` and their contexts `second_texts`, both [batch] string.

        Returns:
            token_ids, segment_ids and padding_mask, [windows, length] int32; `token_starts` and `token_ends` likewise:
            the characters of the context that this token stands for, 0 and 0 for tokens that stand for none;
            `text_number` [windows] int32, ascending: the number of the question; `texts` [batch] string, the contexts,
            valid UTF-8.

        Raises:
            ValueError: there are no contexts.
        """
        if second_texts is None:
            raise ValueError("these features are made for questions with contexts, but there are single texts")
        contexts = valid(second_texts)
        tokens, starts, ends = self.tokenizer.with_offsets(contexts)
        windows = pack_windows(
            tokens,
            starts,
            ends,
            layout=self.tokenizer.layout,
            max_length=self.max_length,
            overlap=self._overlap,
            before=self.tokenizer(valid(texts)),
        )
        stands = tf.cast(windows.ends > windows.starts, tf.int32)
        places = {STARTS: windows.starts * stands, ENDS: windows.ends * stands}
        return {**windows.inputs, **places, TEXT_NUMBER: windows.text, TEXTS: contexts}

    def encode_arrays(
        self, texts: list[str], second_texts: list[str] | None = None
    ) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """The features for a cache on disk, without padding; see `WindowFeatures.encode_arrays`."""
        return without_padding(self._encode(tf.constant(texts, tf.string), tf.constant(second_texts, tf.string)))
