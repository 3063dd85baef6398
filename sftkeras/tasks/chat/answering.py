"""The predictions of a chat model: losses of conversations, and generated last answers. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sftkeras.conversations import Conversation
from sftkeras.evaluation.contract import Predictions
from sftkeras.evaluation.evaluated import evenly_spread
from sftkeras.tasks.chat.rendering import Rendering
from sftkeras.tasks.chat.rows import conversation_rows
from sftkeras.tasks.contract import ExportedFunctions
from sftkeras.tasks.exported_model import ExportedModel
from sftkeras.tasks.language_model import LanguageModel, TokenRows
from sftkeras.tasks.writing import WritingPredictor


@dataclass(frozen=True)
class Writing:
    """Settings by which answers are written.

    Attributes:
        prompt: makes marked text of what stands before an answer, which ends with what the answer follows.
        rows: for how many rows, spread evenly over all, an answer is generated.
        new_tokens: most tokens of an answer.
    """

    prompt: Callable[[Conversation], str]
    rows: int
    new_tokens: int


class ChatPredictor(WritingPredictor):
    """Predicts as `sftkeras.evaluation.contract.Predict` says, for rows that are conversations as canonical JSON.

    Args:
        model: in memory or exported.
        batch_size: rows that are scored at once.
        writing: how answers are written.
    """

    scoring = 0.2  # generating takes longer

    def __init__(self, model: LanguageModel, batch_size: int, writing: Writing) -> None:
        super().__init__(model, batch_size)
        self._writing = writing

    def written(self, texts: Sequence[str], progress: Callable[[float], object]) -> Predictions:
        """The generated answers: `answer` [rows] str, "" for other rows, `generated` and `ended` [rows] bool."""
        conversations = [Conversation.from_json(text) for text in texts]
        # What only calls tools has no reference to compare with.
        rows = np.flatnonzero([bool(conversation.last_answer.strip()) for conversation in conversations])
        rows = evenly_spread(rows, self._writing.rows)
        worth = (1 - self.scoring) * len(texts) / max(1, len(rows))
        prompts = [self._prompt(conversations[row].prompt) for row in rows]
        new_tokens = self._writing.new_tokens
        found, found_ended = self.model.write(prompts, new_tokens, lambda prompts: progress(worth * prompts))
        answers = np.full(len(texts), "", object)
        answers[rows] = [text.strip() for text in found]
        there, ended = np.zeros((2, len(texts)), bool)
        there[rows], ended[rows] = True, found_ended
        return {"answer": answers, "generated": there, "ended": ended}

    def _prompt(self, prompt: Conversation) -> np.ndarray:
        """The tokens of a prompt; of one that is too long for an answer to follow, without its first turns."""
        room = max(1, self.model.positions - self._writing.new_tokens)
        tokens = self._tokens(prompt)
        for turns in range(1, prompt.turns):
            if len(tokens) <= room:
                break
            tokens = self._tokens(prompt.without_turns(turns))
        return tokens

    def _tokens(self, prompt: Conversation) -> np.ndarray:
        return self.model.tokens([self._writing.prompt(prompt)])[0]


def exported_predictor(settings: Mapping[str, Any], version: ExportedFunctions, batch_size: int) -> ChatPredictor:
    """Return the predictor of an exported version, of a task with these settings."""
    rendering = Rendering.restored(settings)
    most, cut = version.max_length, settings["long_conversations"] == "cut"
    assert most is not None

    def rows_of(texts: Sequence[str], tokenise: Callable[[Sequence[str]], TokenRows]) -> TokenRows:
        return conversation_rows(texts, tokenise, rendering, most=most, cut=cut)[0]

    writing = Writing(rendering.prompt, settings["generated_rows"], settings["max_new_tokens"])
    return ChatPredictor(ExportedModel(version, rows_of), batch_size, writing)
