"""The predictions of a chat model in memory, as it is now: losses of conversations, and generated last answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from sftkeras.conversations import Conversation
from sftkeras.evaluation.contract import Predictions
from sftkeras.evaluation.evaluated import evenly_spread
from sftkeras.tasks.network import TextModel
from sftkeras.tasks.writing import WritingPredictor


@dataclass(frozen=True)
class Writing:
    """How answers are written.

    Attributes:
        prompt: makes marked text of what stands before an answer, which ends with what the answer follows.
        texts: makes texts [rows] string of token ids [rows, (tokens)] int32.
        end_ids: tokens that end an answer.
        rows: for how many rows, spread evenly over all, an answer is generated.
        new_tokens: most tokens of an answer.
    """

    prompt: Callable[[Conversation], str]
    texts: Callable[[tf.RaggedTensor], tf.Tensor]
    end_ids: tuple[int, ...]
    rows: int
    new_tokens: int


class ChatPredictor(WritingPredictor):
    """Predicts as `sftkeras.evaluation.contract.Predict` says, for rows that are conversations as canonical JSON.

    Args:
        model: with the backbone that its network was made of.
        batch_size: rows that are scored at once.
        writing: how answers are written.
    """

    scoring = 0.2  # generating takes longer

    def __init__(self, model: TextModel, batch_size: int, writing: Writing) -> None:
        super().__init__(model, batch_size, writing.texts, writing.end_ids, writing.new_tokens)
        self._writing = writing

    def written(self, texts: Sequence[str], progress: Callable[[float], object]) -> Predictions:
        """The generated answers: `answer` [rows] str, "" for other rows, `generated` and `ended` [rows] bool."""
        conversations = [Conversation.from_json(text) for text in texts]
        # What only calls tools has no reference to compare with.
        rows = np.flatnonzero([bool(conversation.last_answer.strip()) for conversation in conversations])
        rows = evenly_spread(rows, self._writing.rows)
        worth = (1 - self.scoring) * len(texts) / max(1, len(rows))
        prompts = [self._prompt(conversations[row].prompt) for row in rows]
        found, found_ended = self.write(prompts, lambda prompts: progress(worth * prompts))
        answers = np.full(len(texts), "", object)
        answers[rows] = [text.strip() for text in found]
        there, ended = np.zeros((2, len(texts)), bool)
        there[rows], ended[rows] = True, found_ended
        return {"answer": answers, "generated": there, "ended": ended}

    def _prompt(self, prompt: Conversation) -> np.ndarray:
        """The tokens of a prompt; of one that is too long for an answer to follow, without its first turns."""
        room = max(1, self.positions - self._writing.new_tokens)
        tokens = self._tokens(prompt)
        for turns in range(1, prompt.turns):
            if len(tokens) <= room:
                break
            tokens = self._tokens(prompt.without_turns(turns))
        return tokens

    def _tokens(self, prompt: Conversation) -> np.ndarray:
        return self.features.marked(tf.constant([self._writing.prompt(prompt)]))[0].flat_values.numpy()
