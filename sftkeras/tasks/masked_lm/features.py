"""Features of masked language modelling: long texts as several rows, and which tokens are one word."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import tensorflow as tf

from sftkeras.text.features.features import TokenFeatures
from sftkeras.text.features.window_features import TEXT_NUMBER, TEXTS, without_padding
from sftkeras.text.features.windows import pack_windows
from sftkeras.text.features.words import word_offsets
from sftkeras.text.tokenizers.letters import valid
from sftkeras.text.tokenizers.tokenizer import Tokenizer

# Beside the encoder's inputs: the word that each token is of; which tokens are masked, what they were, and the
# vocabulary of the predictions.
WORDS, POSITIONS, MASKED_IDS, PIECES = "words", "masked_positions", "masked_ids", "pieces"

MASK_EVERY = 7  # words of an evaluated text: one in seven is masked, near to BERT's 15%

_MASKS = ("[MASK]", "<mask>")  # the mask's names in vocabularies

SplitWords = Callable[[list[str]], np.ndarray]
"""Of all characters of some texts, in order, whether each is inside of a word, not its first: [characters]."""


class Mask(NamedTuple):
    """The token that replaces a masked one: its string in a text, and its number."""

    string: str
    number: int


def mask_of(tokenizer: Tokenizer) -> Mask | None:
    """The mask of a tokenizer's vocabulary, None if it has none."""
    pieces = tokenizer.pieces(np.arange(tokenizer.size))
    return next((Mask(string, pieces.index(string)) for string in _MASKS if string in pieces), None)


class MaskedFeatures(TokenFeatures[Tokenizer]):
    """Tokenises texts, divides long ones into rows so that each token is learned in just one, and numbers the words.

    In a text that holds masks, the tokens there are predicted. In any other text one word in seven is masked, always
    the same, which measures how well the model knows such texts.

    Args:
        tokenizer: splits a text into token numbers with their offsets; it knows the mask in a raw text.
        max_length: tokens a row may have, special tokens included.
        mask: the number of the mask.
        whole_words: mask all tokens of a word or none; otherwise each token is a word of its own.
        split_words: which characters form one word, for scripts without spaces; None makes each a word. Only training
            texts are split so: no server has its dictionary.
        split_rules: a hash of the rules of `split_words`.
    """

    windows = True

    def __init__(
        self,
        tokenizer: Tokenizer,
        *,
        max_length: int,
        mask: int,
        whole_words: bool = True,
        split_words: SplitWords | None = None,
        split_rules: str = "",
    ) -> None:
        super().__init__(tokenizer, max_length=max_length)
        self.mask = mask
        self.whole_words = whole_words
        self._split_words, self._split_rules = split_words, split_rules
        self._pieces = tokenizer.pieces(np.arange(tokenizer.size))
        texts = tf.TensorSpec([None], tf.string)
        self._locate_once = tf.function(self._locate, input_signature=[texts], autograph=False)
        self._pack_once = tf.function(self._pack, reduce_retracing=True, autograph=False)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the features of a text."""
        words = f"whole words {self._split_rules}" if self.whole_words else "tokens"
        rules = f"{self.tokenizer.fingerprint} {self.max_length} rows of {words} to hide, mask {self.mask}"
        return hashlib.sha256(rules.encode()).hexdigest()

    def __call__(self, texts: tf.Tensor, second_texts: tf.Tensor | None = None) -> dict[str, tf.Tensor]:
        """Returns the model inputs of `texts` [batch] string, and what their predictions need.

        Returns:
            token_ids, segment_ids and padding_mask, [rows, length] int32; `masked_positions`, [rows, most] int32, the
            places in their row of the tokens that are masked, 0 where a row has fewer; `masked_ids`, likewise, the
            tokens that stood there, the mask itself where the text has it, -1 where a row has fewer; `text_number`
            [rows] int32, ascending; `texts` [batch] string, valid UTF-8; `pieces` [size] string, the vocabulary.

        Raises:
            ValueError: there are second texts.
        """
        if second_texts is not None:
            raise ValueError("second texts are given, but these features are made for single texts")
        texts = valid(texts)
        tokens, _, begins = self._locate(texts)
        rows = self._pack(tokens, begins)
        token_ids, asks = rows["token_ids"], rows.pop("asks")
        masked = self._masked(rows.pop(WORDS), asks, rows[TEXT_NUMBER], tf.size(texts))
        inputs = {**rows, "token_ids": tf.where(masked, self.mask, token_ids)}
        return {**inputs, **_listed(masked, token_ids), TEXTS: texts, PIECES: tf.constant(self._pieces)}

    def _locate(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """The tokens of some texts, where each starts, and whether a word begins there: [batch, (tokens)] int32."""
        tokens, starts, ends = self.tokenizer.with_offsets(texts)
        if not self.whole_words:
            return tokens, starts, tokens.with_flat_values(tf.ones_like(tokens.flat_values))
        _, ends = word_offsets(texts, starts, ends)
        return tokens, starts, ends.with_flat_values(tf.cast(ends.flat_values > 0, tf.int32))

    def _pack(self, tokens: tf.RaggedTensor, begins: tf.RaggedTensor) -> dict[str, tf.Tensor]:
        """The rows of some texts.

        Returns:
            The encoder's inputs; `words` [rows, length] int32, the number in its row of the word that each token is
            of, 0 for masks, special tokens and those that are another row's; `asks` [rows, length] int32, 1 at masks
            in the text; `text_number` [rows].
        """
        layout = self.tokenizer.layout
        rows = pack_windows(tokens, begins, begins, layout=layout, max_length=self.max_length, overlap=0)
        words = tf.cumsum(rows.starts, axis=1)
        is_mask = rows.inputs["token_ids"] == self.mask
        return {
            **rows.inputs,
            WORDS: tf.where(rows.owned & ~is_mask, words, 0),
            "asks": tf.cast(rows.owned & is_mask, tf.int32),
            TEXT_NUMBER: rows.text,
        }

    def _masked(self, words: tf.Tensor, asks: tf.Tensor, text: tf.Tensor, count: tf.Tensor) -> tf.Tensor:
        """Places of predicted tokens, [rows, length] bool: the masks, or in a text without any some words.

        The word in the middle of a row is always among them, so every text with a word has one.
        """
        has_masks = tf.math.unsorted_segment_max(tf.reduce_max(asks, axis=1), text, count) > 0  # [batch]
        middle = (tf.reduce_max(words, axis=1, keepdims=True) + 1) // 2
        every = (words > 0) & tf.equal(tf.math.floormod(words - middle, MASK_EVERY), 0)
        return tf.where(tf.gather(has_masks, text)[:, tf.newaxis], asks > 0, every)

    def encode_arrays(
        self, texts: list[str], second_texts: list[str] | None = None
    ) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """The features for a cache on disk, without padding: token_ids, segment_ids and words; nothing is masked yet.

        Returns:
            Each feature as all rows' values and the rows' lengths, int32; and the number within `texts` of each row's
            text.
        """
        tokens, starts, begins = self._locate_once(tf.constant(texts, tf.string))
        if self._split_words:
            begins = begins.with_flat_values(_without(begins, starts, self._split_words(texts), texts))
        rows = self._pack_once(tokens, begins)
        return without_padding({name: tensor for name, tensor in rows.items() if name != "asks"})


def _listed(masked: tf.Tensor, token_ids: tf.Tensor) -> dict[str, tf.Tensor]:
    """The places that are masked, [rows, length] bool, as lists; a row of any length has a list of at least one."""
    counts = tf.reduce_sum(tf.cast(masked, tf.int32), axis=1)  # [rows]
    most = tf.reduce_max(tf.concat([counts, [1]], 0))
    most = tf.minimum(most, tf.shape(masked)[1])  # no texts have no length
    positions = tf.math.top_k(tf.cast(masked, tf.int32), most).indices  # of equal ones the first comes first
    there = tf.range(most) < counts[:, tf.newaxis]
    return {
        POSITIONS: tf.where(there, positions, 0),
        MASKED_IDS: tf.where(there, tf.gather(token_ids, positions, batch_dims=1), -1),
    }


def _without(begins: tf.RaggedTensor, starts: tf.RaggedTensor, inside: np.ndarray, texts: list[str]) -> np.ndarray:
    """`begins` [tokens] without the tokens that start inside of a word; `inside` is of all texts' characters."""
    first = np.cumsum([0, *map(len, texts)])[starts.value_rowids().numpy()]
    places = first + starts.flat_values.numpy()
    return begins.flat_values.numpy() * ~np.append(inside, False)[places]
