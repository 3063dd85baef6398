"""Evaluated answers: what a model said in place of the last answer of each conversation, and the figures that follow.

Losses are those of all learned tokens of all test rows. Answers are generated for some of the rows alone, since that
takes a step of the model for each token.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from sftkeras.conversations import Conversation
from sftkeras.evaluation.evaluated import EvaluatedRows, check_finite
from sftkeras.evaluation.statistics.generated_texts import FACTS, bleu_tokenizer, text_facts, text_figures
from sftkeras.evaluation.statistics.metrics import Scores, Tally, scores_of
from sftkeras.evaluation.statistics.token_losses import TokenLosses, perplexity_of, token_figures
from sftkeras.evaluation.statistics.words import words
from sftkeras.tasks.retention import retained_losses

NOT_GENERATED = "–"
# Words of a reference, and the name of that group of rows; None has no limit.
_LENGTHS = ((10, "up to 10 words"), (30, "11 to 30 words"), (100, "31 to 100 words"), (None, "more than 100 words"))


@dataclass(frozen=True, eq=False)
class EvaluatedAnswers(EvaluatedRows):
    """Answers of a model in conversations, with the reference answers.

    Args:
        texts: what stands before the last answer of each row, in words.
        pairs: None.
        places: file name and 1-based line of each row.
        references: the last answer of each row.
        answers: what the model said there; None for a row for which nothing was generated.
        ended: [rows] bool, whether each answer ended by itself, not by the limit; None of a baseline.
        losses: of each row's learned tokens; None of a baseline that gives no probabilities.
        retained: losses of a text that shows what the model has lost, window by window; None without one.
        seen: [rows] bool, whether training has a long run of words of the reference; None where it is not known.

    Raises:
        SFTError: SFT602 for no rows, SFT603 for losses that are not finite.
    """

    references: Sequence[str]
    answers: Sequence[str | None]
    ended: np.ndarray | None = None
    losses: TokenLosses | None = None
    retained: TokenLosses | None = None
    seen: np.ndarray | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.losses is not None:
            check_finite(self.losses.losses, self.places)

    @cached_property
    def predicted_rows(self) -> np.ndarray:
        """The rows for which an answer was generated, ascending."""
        return np.flatnonzero([answer is not None for answer in self.answers])

    @cached_property
    def facts(self) -> np.ndarray:
        """Counts of rows whose sums compare answers with references, [rows, FACTS]; 0 where there is no answer."""
        facts = np.zeros((len(self), FACTS))
        rows = self.predicted_rows
        answers, references = [self.answers[row] or "" for row in rows], [self.references[row] for row in rows]
        facts[rows] = text_facts(answers, references, bleu_tokenizer(self.references))
        return facts

    def with_answers(self, answers: Sequence[str]) -> EvaluatedAnswers:
        """Return the same rows with the answers of a model that gives no probabilities.

        Args:
            answers: to all rows; those to rows for which this model generated none are left out, so that both are
                compared on the same rows.
        """
        compared = [None if ours is None else theirs for ours, theirs in zip(self.answers, answers, strict=True)]
        return replace(self, answers=compared, ended=None, losses=None, retained=None)

    def with_seen(self, seen: np.ndarray) -> EvaluatedAnswers:
        """Return the same answers, once it is known which references training has, [rows] bool."""
        return replace(self, seen=seen)

    def in_words(self, row: int) -> tuple[str, str]:
        """Return the reference and the answer of a row."""
        answer = self.answers[row]
        return self.references[row], NOT_GENERATED if answer is None else answer


def read_answers(rows: dict[str, Any], predictions: dict[str, np.ndarray]) -> EvaluatedAnswers:
    """Read the predictions of a model.

    Args:
        rows: texts and places; a text is a conversation as canonical JSON.
        predictions: `loss`, `tokens`, `hits`, `answer`, `generated` and `ended`, each [rows]; `text_loss`,
            `text_tokens` and `text_hits` [windows], where the model has read a text beside the rows.
    """
    conversations = [Conversation.from_json(text) for text in rows["texts"]]
    answers = zip(predictions["answer"].tolist(), predictions["generated"].tolist(), strict=True)
    return EvaluatedAnswers(
        [in_plain_words(conversation.prompt) for conversation in conversations],
        None,
        rows["places"],
        [conversation.last_answer for conversation in conversations],
        [answer if generated else None for answer, generated in answers],
        predictions["ended"],
        TokenLosses.of(predictions),
        retained_losses(predictions),
    )


def in_plain_words(prompt: Conversation) -> str:
    """Return a prompt for people: the only message of a user as it is, more of them with who says each."""
    if len(prompt.messages) == 1:
        return prompt.messages[0].content
    return "\n".join(f"{message.role}: {message.content}" for message in prompt.messages)


def answers_tally(evaluated: EvaluatedAnswers) -> Tally:
    """The additive facts of each row, and the figures of their sums."""
    from scipy.sparse import csr_array

    rows = len(evaluated)
    columns = [evaluated.facts]
    columns += [] if evaluated.ended is None else [evaluated.ended.astype(float).reshape(rows, 1)]
    columns += [] if evaluated.losses is None else [evaluated.losses.facts]
    columns += [] if evaluated.seen is None else [np.stack([evaluated.seen, np.ones(rows)], axis=1)]

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        found, rest = text_figures(sums[..., :FACTS]), sums[..., FACTS:]
        if evaluated.ended is not None:
            generated = sums[..., FACTS - 1]
            found["ended"] = rest[..., 0] / np.where(generated > 0, generated, np.nan)
            rest = rest[..., 1:]
        if evaluated.losses is not None:
            found |= token_figures(rest[..., :3])
            rest = rest[..., 3:]
        if evaluated.seen is not None:
            found["seen_in_training"] = rest[..., 0] / rest[..., 1]
        return found

    return Tally(csr_array(np.concatenate(columns, axis=1)), figures)


def score_answers(evaluated: EvaluatedAnswers) -> Scores:
    """Computes every figure of answers, also by length of the reference and by what training has of it."""
    metrics = scores_of(answers_tally(evaluated))
    if evaluated.retained is not None:
        metrics["retention_perplexity"] = perplexity_of(evaluated.retained)
    rows = evaluated.predicted_rows
    groups = {"length of the reference": [_length(evaluated.references[row]) for row in rows]}
    if evaluated.seen is not None:
        names = ("not in training", "in training, word for word")
        groups["overlap with training"] = [names[int(evaluated.seen[row])] for row in rows]
    breakdowns = {title: _by_group(evaluated, rows, names) for title, names in groups.items() if len(set(names)) > 1}
    return Scores(metrics, breakdowns=breakdowns)


def _by_group(evaluated: EvaluatedAnswers, rows: np.ndarray, names: Sequence[str]) -> list[dict[str, Any]]:
    """The figures of each group of rows, the largest first."""
    groups = []
    for name in dict.fromkeys(names):
        group = rows[[one == name for one in names]]
        figures = text_figures(evaluated.facts[group].sum(axis=0))
        metrics = {figure: float(figures[figure]) for figure in ("chrf", "rouge_l", "exact_match")}
        groups.append({"group": name, "support": len(group), "metrics": metrics})
    return sorted(groups, key=lambda one: -one["support"])


def _length(reference: str) -> str:
    count = len(words(reference))
    return next(name for most, name in _LENGTHS if most is None or count <= most)
