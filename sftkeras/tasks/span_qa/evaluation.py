"""Evaluates extractive question answering: exact match and F1 of answers, as SQuAD's official evaluation has them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from sftkeras.evaluation import pictures
from sftkeras.evaluation.baselines import Baselines, ReadTexts
from sftkeras.evaluation.contract import Evaluation, Pictures, Report
from sftkeras.evaluation.statistics.metrics import CALIBRATION_OF_SCORES, Metric, Scores, Tally
from sftkeras.tasks.span_qa.baselines import fit_answer_baselines
from sftkeras.tasks.span_qa.mistakes import worst_answer_mistakes
from sftkeras.tasks.span_qa.scores import EvaluatedAnswers, answer_tally, read_answers, score_answers

METRICS = {
    "exact_match": Metric("Exact match", "share of questions whose answer is a true one, but for case and articles"),
    "answer_f1": Metric("Answer F1", "words that answer and truth share, averaged over questions"),
    "has_answer_exact": Metric("Exact match, answerable", "exact match where the context has an answer"),
    "has_answer_f1": Metric("Answer F1, answerable", "answer F1 where the context has an answer"),
    "no_answer_accuracy": Metric("No-answer accuracy", "share of questions without an answer that got none"),
    "answer_ece": CALIBRATION_OF_SCORES,
}


class AnswersEvaluation(Evaluation):
    """Evaluates answers to questions."""

    task = "span_qa"
    label_kind = "answers"
    headline = "answer_f1"
    outputs = ("answer", "score", "start", "end")
    metrics = METRICS
    cards = ("exact_match", "has_answer_f1", "no_answer_accuracy")
    calibration_error = "answer_ece"
    template = Path(__file__).with_name("report")

    def evaluated(
        self, rows: dict[str, Any], truth: Any, predictions: dict[str, np.ndarray], label_names: tuple[str, ...]
    ) -> EvaluatedAnswers:
        """Answers beside the true ones."""
        return read_answers(rows, truth, predictions)

    def tally(self, evaluated: EvaluatedAnswers) -> Tally:
        """Exact match and F1 of each question."""
        return answer_tally(evaluated)

    def scores(self, evaluated: EvaluatedAnswers) -> Scores:
        """Every figure, also by question word and by length of the answer."""
        return score_answers(evaluated)

    def baselines(self, read_texts: ReadTexts, train_truth: Any, evaluated: EvaluatedAnswers, seed: int) -> Baselines:
        """Sentences of the context."""
        return fit_answer_baselines(evaluated)

    def mistakes(self, evaluated: EvaluatedAnswers, limit: int) -> list[dict[str, Any]]:
        """Wrong answers, the most confident first."""
        return worst_answer_mistakes(evaluated, limit)

    def figures(self, evaluated: EvaluatedAnswers, report: Report) -> Pictures:
        """Calibration."""
        return {"reliability": pictures.reliability_figure(report["calibration"])}
