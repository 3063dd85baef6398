"""Features of conversations: rendered, without the first turns of those that are too long, and tokenised."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import tensorflow as tf

from sftkeras.tasks.chat.rendering import Rendering
from sftkeras.tasks.chat.rows import conversation_rows
from sftkeras.tasks.language_model import TokenRows, flat, split
from sftkeras.tasks.next_tokens import LEARNED, TOKENS
from sftkeras.text import ConversationFeatures, Tokenizer


class ChatFeatures(ConversationFeatures):
    """Renders and tokenises conversations.

    Args:
        tokenizer: of a decoder.
        max_length: tokens a row may have.
        rendering: makes marked texts of conversations, each as canonical JSON.
        cut: leave out whole turns at the beginning of those that are too long.
    """

    def __init__(self, tokenizer: Tokenizer, *, max_length: int, rendering: Rendering, cut: bool) -> None:
        rules = f"{rendering.fingerprint} {'whole turns' if cut else 'the end'} cut"
        super().__init__(tokenizer, max_length=max_length, render=rendering, rules=rules)
        self._rendering, self._cut = rendering, cut

    def encode_arrays(
        self, texts: list[str], second_texts: list[str] | None = None
    ) -> tuple[dict[str, tuple[np.ndarray, np.ndarray]], np.ndarray]:
        """Give the tokens of rows for a cache on disk, and which are learned; see `ConversationFeatures`.

        Returns:
            As there; a row's length is that before any turn was left out.
        """
        rows, whole = conversation_rows(texts, self._rows, self._rendering, most=self.max_length, cut=self._cut)
        return {TOKENS: flat(rows.token_ids), LEARNED: flat(rows.learned)}, whole

    def _rows(self, marked: Sequence[str]) -> TokenRows:
        tokens, learned = self.marked(tf.constant(list(marked), tf.string))
        lengths = tokens.row_lengths().numpy()
        token_ids, flags = (split(it.flat_values.numpy(), lengths) for it in (tokens, learned))
        return TokenRows(token_ids, flags, np.arange(len(marked)))
