"""The predictions of a chat model in memory, as it is now: losses of conversations, and generated last answers."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, cast

import numpy as np
import tensorflow as tf

from sftkeras.conversations import Conversation
from sftkeras.evaluation.contract import Predictions
from sftkeras.generation import GenerationLimits, Generator
from sftkeras.tasks.network import TextModel
from sftkeras.tasks.retention import TEXT_OUTPUTS
from sftkeras.tasks.token_scores import TokenScorer, decoded

_SCORING = 0.2  # share of the progress that scoring is; generating takes longer


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


class ChatPredictor:
    """Predicts as `sftkeras.evaluation.contract.Predict` says, for rows that are conversations as canonical JSON.

    Args:
        model: with the backbone that its network was made of.
        batch_size: rows that are scored at once.
        writing: how answers are written.
    """

    def __init__(self, model: TextModel, batch_size: int, writing: Writing) -> None:
        assert model.backbone is not None
        self._scorer = TokenScorer(model, batch_size)
        self._features = cast("Any", model.features)
        self._writing = writing
        self._positions = model.backbone.max_positions
        self._generator = Generator(
            model.backbone.model,
            GenerationLimits(writing.end_ids, writing.new_tokens, self._positions),
            vocabulary=self._features.tokenizer.size,
        )

    def __call__(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None,
        outputs: Sequence[str],
        progress: Callable[[float], object],
    ) -> Predictions:
        """Predict the named outputs: of `TEXT_OUTPUTS`, for one plain text; or of `ChatEvaluation.outputs`."""
        if set(outputs) <= set(TEXT_OUTPUTS):
            found = dict(zip(TEXT_OUTPUTS, self._scorer.of_text(texts[0]).facts.T, strict=True))
        else:
            losses = self._scorer.of_rows(texts, lambda rows: progress(_SCORING * rows))
            found = dict(zip(("loss", "tokens", "hits"), losses.facts.T, strict=True)) | self._answers(texts, progress)
        return {name: found[name] for name in outputs}

    def _answers(self, texts: Sequence[str], progress: Callable[[float], object]) -> Predictions:
        """The generated answers: `answer` [rows] str, "" for other rows, `generated` and `ended` [rows] bool."""
        conversations = [Conversation.from_json(text) for text in texts]
        # What only calls tools has no reference to compare with.
        rows = np.flatnonzero([bool(conversation.last_answer.strip()) for conversation in conversations])
        rows = rows[np.unique(np.linspace(0, len(rows) - 1, min(self._writing.rows, len(rows)), dtype=int))]
        worth = (1 - _SCORING) * len(texts) / max(1, len(rows))
        generated = self._generator(
            [self._prompt(conversations[row].prompt) for row in rows], lambda prompts: progress(worth * prompts)
        )
        answers = np.full(len(texts), "", object)
        answers[rows] = [text.strip() for text in decoded(self._writing.texts, generated.token_ids)]
        there, ended = np.zeros((2, len(texts)), bool)
        there[rows], ended[rows] = True, generated.ended
        return {"answer": answers, "generated": there, "ended": ended}

    def _prompt(self, prompt: Conversation) -> np.ndarray:
        """The tokens of a prompt; of one that is too long for an answer to follow, without its first turns."""
        room = max(1, self._positions - self._writing.new_tokens)
        tokens = self._tokens(prompt)
        for turns in range(1, prompt.turns):
            if len(tokens) <= room:
                break
            tokens = self._tokens(prompt.without_turns(turns))
        return tokens

    def _tokens(self, prompt: Conversation) -> np.ndarray:
        return self._features.marked(tf.constant([self._writing.prompt(prompt)]))[0].flat_values.numpy()
