"""Interface of all tokenizers: texts to token numbers in the graph, and the special tokens around them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import tensorflow as tf

from sftkeras.text.features.packing import Layout

if TYPE_CHECKING:
    from sftkeras.text.cleaning.steps import Cleaning
    from sftkeras.text.tokenizers.decoder_tokens import DecoderTokens


def show_row(tokenizer: NamesTokens, inputs: dict[str, np.ndarray], row: int) -> str:
    """The tokens of one row of a batch of model inputs, as people can read them, and how much of it is padding.

    A decoder's are learned between ▶ and ◀.
    """
    mask = inputs["padding_mask" if "padding_mask" in inputs else "segments"][row] > 0
    tokens = list(tokenizer.pieces(inputs["token_ids"][row][mask]))
    if "learned_positions" in inputs:
        tokens = _with_learned(tokens, inputs["learned_positions"][row])
    return f"{' '.join(tokens)}  (+ {len(mask) - mask.sum()} padding)"


def _with_learned(tokens: list[str], places: np.ndarray) -> list[str]:
    """Put ▶ and ◀ around the tokens that are learned.

    Args:
        tokens: of a row.
        places: [most] int32, ascending, of the tokens before them; 0 fills.
    """
    learned = {place + 1 for place in places[:1].tolist() + places[1:][places[1:] > 0].tolist()}
    shown = []
    for place, token in enumerate(tokens):
        begins, ends = place in learned and place - 1 not in learned, place in learned and place + 1 not in learned
        shown += ["▶"] * begins + [token] + ["◀"] * ends
    return shown


class NamesTokens(Protocol):
    """Knows what its token numbers stand for, as tokenizers and TF-Hub preprocessors do."""

    def pieces(self, numbers: np.ndarray) -> list[str]:
        """The tokens of these numbers, for people to read."""


class Tokenizer:
    """Splits texts into the numbers an encoder knows, by ops that a stock TensorFlow Serving has.

    Attributes:
        pad_id: number of the token that fills a row.
        cls_id: number of the token before a text.
        sep_id: number of the token after a text.
        layout: how they stand around the texts of a row.
        cleaning: what is done to raw texts first, if anything.
        resources: what an export must take along, such as lookup tables.
        decoder: special tokens and the like, of a decoder's tokenizer, which has no `cls_id`, `sep_id` and `layout`;
            None for an encoder's.
        strips_first_space: whether the space that a decoder's text begins with is none of the text's.
    """

    pad_id: int
    cls_id: int
    sep_id: int
    layout: Layout
    cleaning: Cleaning | None = None
    resources: Sequence[Any] = ()
    decoder: DecoderTokens | None = None
    strips_first_space: bool = False

    @property
    def special(self) -> Mapping[str, int]:
        """The number of each special string of a decoder, which a mark may name; see `sftkeras.text.marks`."""
        return self.decoder.special if self.decoder else {}

    @property
    def end_ids(self) -> tuple[int, ...]:
        """The tokens that end an answer of a decoder."""
        return self.decoder.end_ids if self.decoder else ()

    @property
    def begin_id(self) -> int | None:
        """The token before a text of a decoder, if it has one."""
        return self.decoder.begin_id if self.decoder else None

    def with_special(self, numbers: Mapping[str, int]) -> Tokenizer:
        """Return the same tokenizer of a decoder, for which marks may name these strings too.

        Args:
            numbers: the number of each string, one of the vocabulary or one after its last.
        """
        raise NotImplementedError

    @property
    def size(self) -> int:
        """Number of tokens."""
        raise NotImplementedError

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the token numbers."""
        raise NotImplementedError

    def pieces(self, numbers: np.ndarray) -> list[str]:
        """The tokens of these numbers, for people to read."""
        raise NotImplementedError

    def token_bytes(self) -> list[bytes]:
        """The bytes that each token of a decoder stands for in a text, UTF-8."""
        raise NotImplementedError

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises `texts` [batch] string into [batch, (tokens)] int32, without special tokens."""
        raise NotImplementedError

    def with_offsets(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Tokenises as `__call__`, and returns the characters of the raw text that each token stands for.

        `text[start:end]`, as Python counts characters, has those of the token: accents that belong to its last letter
        are in, white space around it is not. Starts ascend, and spans do not overlap, but that the pieces of one
        character ("ﬁ" as "f" and "i"), or of what cleaning made of some, each span it. A token that stands for nothing
        in the text has start = end; one for an unknown word spans the word.

        Args:
            texts: [batch] string, UTF-8. A server must predict where there is none too: offsets are within the text.

        Returns:
            The tokens, their starts and their ends (exclusive), each [batch, (tokens)] int32.
        """
        raise NotImplementedError

    def of_characters(
        self, characters: tf.RaggedTensor, at_begin: tf.Tensor
    ) -> tuple[tf.RaggedTensor, tf.Tensor, tf.Tensor]:
        """Tokenises as `__call__` texts that are given as characters, for a decoder.

        Args:
            characters: [texts, (characters)] int32, without the strings of special tokens.
            at_begin: [texts] bool, whether nothing stands before it, such as a special token.

        Returns:
            The tokens, [texts, (tokens)] int32; and of each token the first of its characters, and the one after its
            last, counted through all texts: [tokens] int32. A character that is cut belongs to the tokens of both
            parts. A token of a space that the rules put before a text has the character behind it.
        """
        raise NotImplementedError

    def with_ideographs_apart(self) -> Tokenizer:
        """Return a tokenizer of which no token spans two Chinese characters; most are so already."""
        return self
