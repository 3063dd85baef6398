"""Features of conversations: rendered, without the first turns of those that are too long, and tokenised."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from sftkeras.tasks.chat.rendering import Rendering
from sftkeras.text import ConversationFeatures, Tokenizer
from sftkeras.text.features.fitting import shortened


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
        marked = self._rendering(texts)
        whole = self._lengths(marked)
        if self._cut and len(long := np.flatnonzero(whole > self.max_length)):
            shorter = shortened([texts[row] for row in long], self._rendering, self._lengths, self.max_length)
            for row, text in zip(long.tolist(), shorter, strict=True):
                marked[row] = text
        return self.encode_marked(marked)[0], whole

    def _lengths(self, marked: list[str]) -> np.ndarray:
        """The tokens of marked texts, [rows] int32."""
        return self.marked(tf.constant(marked, tf.string))[0].row_lengths().numpy().astype(np.int32)
