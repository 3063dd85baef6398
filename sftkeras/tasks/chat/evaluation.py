"""Evaluates chat: generated answers beside references and those of baselines, perplexity, and what was lost."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.conversations import Conversation
from sftkeras.evaluation.baselines import Baselines, ReadTexts
from sftkeras.evaluation.contract import Pictures, Report
from sftkeras.evaluation.report.wording import number
from sftkeras.evaluation.statistics.generated_texts import METRICS as OF_TEXTS
from sftkeras.evaluation.statistics.metrics import Metric, Scores, Tally
from sftkeras.evaluation.statistics.shared_ngrams import sharing_ngrams
from sftkeras.evaluation.statistics.token_losses import LOSS_OUTPUTS
from sftkeras.plurals import counted
from sftkeras.tasks.chat.baselines import fit_answer_baselines
from sftkeras.tasks.chat.mistakes import worst_answers
from sftkeras.tasks.chat.pictures import DESCRIPTIONS, length_figure, lengths_of
from sftkeras.tasks.chat.scores import EvaluatedAnswers, answers_tally, read_answers, score_answers
from sftkeras.tasks.next_token_evaluation import METRICS as OF_TOKENS
from sftkeras.tasks.next_token_evaluation import NextTokenEvaluation

if TYPE_CHECKING:
    from rich.console import RenderableType

METRICS = {
    **OF_TEXTS,
    "ended": Metric("Ended by itself", "share of answers that ended before the limit of new tokens"),
    **OF_TOKENS,
    "seen_in_training": Metric(
        "Overlap with training",
        "share of reference answers of which 13 words in a row, or all if they are fewer, are an answer in training",
        higher_is_better=False,
    ),
}

_TERMINAL_SAMPLES = 3
_BLOCK = 1000  # training rows read at once


class ChatEvaluation(NextTokenEvaluation):
    """Evaluates the answers of a model in conversations."""

    task = "chat"
    label_kind = "conversations"
    headline = "chrf"
    outputs = (*LOSS_OUTPUTS, "answer", "generated", "ended")
    metrics = METRICS
    cards = ("perplexity", "rouge_l", "exact_match", "ended")
    shares_of_rows = ("exact_match", "ended", "seen_in_training")
    constant_baseline = "frequent_answer"
    units = "answers"
    descriptions = DESCRIPTIONS
    template = Path(__file__).with_name("report")

    def evaluated(
        self, rows: dict[str, Any], truth: Any, predictions: dict[str, np.ndarray], label_names: tuple[str, ...]
    ) -> EvaluatedAnswers:
        """Answers beside the references."""
        return read_answers(rows, predictions)

    def with_training(self, evaluated: EvaluatedAnswers, read_texts: ReadTexts, training_rows: int) -> EvaluatedAnswers:
        """The rows, with which of their references training has word for word."""
        blocks = (
            read_texts(np.arange(first, min(first + _BLOCK, training_rows)))[0]
            for first in range(0, training_rows, _BLOCK)
        )
        conversations = (Conversation.from_json(text) for block in blocks for text in block)
        answers = (one.messages[place].content for one in conversations for place in one.answers)
        return evaluated.with_seen(sharing_ngrams(evaluated.references, answers))

    def tally(self, evaluated: EvaluatedAnswers) -> Tally:
        """N-grams that answers and references share, and losses."""
        return answers_tally(evaluated)

    def scores(self, evaluated: EvaluatedAnswers) -> Scores:
        """Every figure, also by length of the reference and by overlap with training."""
        return score_answers(evaluated)

    def baselines(self, read_texts: ReadTexts, train_truth: Any, evaluated: EvaluatedAnswers, seed: int) -> Baselines:
        """Answers out of the training conversations."""
        return fit_answer_baselines(read_texts, len(train_truth), evaluated, seed)

    def mistakes(self, evaluated: EvaluatedAnswers, limit: int) -> list[dict[str, Any]]:
        """The answers least like their references."""
        return worst_answers(evaluated, limit)

    def figures(self, evaluated: EvaluatedAnswers, report: Report) -> Pictures:
        """Lengths of answers and references."""
        return {"lengths": length_figure(evaluated)} if len(evaluated.predicted_rows) else {}

    def rows_behind(self, figure: str, evaluated: EvaluatedAnswers) -> int:
        """Answers are generated for some rows alone."""
        return len(evaluated) if figure == "seen_in_training" else max(1, len(evaluated.predicted_rows))

    def written(self, evaluated: EvaluatedAnswers) -> Sequence[str | None]:
        """The generated answers."""
        return evaluated.answers

    def sample(self, evaluated: EvaluatedAnswers, row: int) -> dict[str, str]:
        """The reference."""
        return {"reference": evaluated.references[row]}

    def own_parts(self, evaluated: EvaluatedAnswers, baselines: Baselines) -> Report:
        """Amounts generated, samples before and after, and what was lost."""
        answers, references = lengths_of(evaluated)
        return {
            "generated": {
                "rows": len(evaluated.predicted_rows),
                "new_tokens": self.settings.get("max_new_tokens"),
                "answer_words": float(answers.mean()) if answers.size else None,
                "reference_words": float(references.mean()) if references.size else None,
            },
            **super().own_parts(evaluated, baselines),
        }

    def evaluated_on(self, report: Report) -> str:
        """The rows for which answers were generated, out of all."""
        return f"answers to {number(report['generated']['rows'])} of {counted(report['examples']['test'], 'test row')}"

    def terminal_parts(self, report: Report) -> list[RenderableType]:
        """Perplexity before and after, and a few samples."""
        from sftkeras.tasks.chat.terminal import losses_line, sample_table

        return [losses_line(report), *map(sample_table, report["samples"][:_TERMINAL_SAMPLES])]
