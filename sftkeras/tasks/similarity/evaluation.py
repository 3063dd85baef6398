"""Evaluates similarity: ranks of partners, or correlation of cosines with the numbers of pairs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from sftkeras.evaluation import pictures
from sftkeras.evaluation.baselines import Baselines, ReadTexts
from sftkeras.evaluation.contract import Evaluation, Pictures, Report
from sftkeras.evaluation.report.mistakes import largest_errors
from sftkeras.evaluation.statistics.metrics import PEARSON, SPEARMAN, Metric, Tally
from sftkeras.tasks.similarity.baselines import fit_similarity_baselines
from sftkeras.tasks.similarity.mistakes import worst_matches
from sftkeras.tasks.similarity.pictures import match_figure
from sftkeras.tasks.similarity.scores import (
    EvaluatedMatches,
    EvaluatedScores,
    checked_vectors,
    find_matches,
    match_tally,
    row_cosines,
    score_tally,
)

METRICS = {
    "pearson": PEARSON,
    "spearman": SPEARMAN,
    "recall_at_1": Metric("Recall@1", "share of texts whose partner is nearer than any other second text"),
    "recall_at_5": Metric("Recall@5", "share of texts whose partner is among the five nearest"),
    "recall_at_10": Metric("Recall@10", "share of texts whose partner is among the ten nearest"),
    "mrr": Metric("Mean reciprocal rank", "one over the partner's rank, averaged over texts", False),
}


class VectorsEvaluation(Evaluation):
    """Evaluates vectors of both texts of each pair; what pairs with numbers and without have in common."""

    task = "similarity"
    outputs = ("vector",)
    texts_apart = True
    metrics = METRICS

    def baselines(
        self, read_texts: ReadTexts, train_truth: Any, evaluated: EvaluatedMatches | EvaluatedScores, seed: int
    ) -> Baselines:
        """Cosines of TF-IDF vectors."""
        return fit_similarity_baselines(read_texts, train_truth, evaluated, seed)


class MatchesEvaluation(VectorsEvaluation):
    """Evaluates related pairs by the ranks of partners."""

    label_kind = "similarity"
    headline = "recall_at_1"
    cards = ("recall_at_5", "recall_at_10", "mrr")
    shares_of_rows = ("recall_at_1", "recall_at_5", "recall_at_10")
    descriptions: ClassVar[Mapping[str, tuple[str, str]]] = {
        "matches": ("Ranks", "Bars of the partners' ranks; the cosines of partners and of the nearest wrong texts."),
    }
    template = Path(__file__).with_name("matches")

    def evaluated(
        self, rows: dict[str, Any], truth: Any, predictions: dict[str, np.ndarray], label_names: tuple[str, ...]
    ) -> EvaluatedMatches:
        """Ranks of partners among all second texts."""
        return find_matches(rows, *checked_vectors(rows, predictions["vector"]))

    def tally(self, evaluated: EvaluatedMatches) -> Tally:
        """Sums from which correlations follow."""
        return match_tally(evaluated)

    def mistakes(self, evaluated: EvaluatedMatches, limit: int) -> list[dict[str, Any]]:
        """Texts to which a wrong text is nearer than their partner."""
        return worst_matches(evaluated, limit)

    def figures(self, evaluated: EvaluatedMatches, report: Report) -> Pictures:
        """Ranks, and cosines."""
        return {"matches": match_figure(evaluated)}


class ScoresEvaluation(VectorsEvaluation):
    """Evaluates pairs with numbers by the correlation with their cosines."""

    label_kind = "similarity_scores"
    headline = "spearman"
    cards = ("pearson",)
    template = Path(__file__).with_name("scores")

    def evaluated(
        self, rows: dict[str, Any], truth: Any, predictions: dict[str, np.ndarray], label_names: tuple[str, ...]
    ) -> EvaluatedScores:
        """Cosines beside numbers."""
        return EvaluatedScores(
            **rows,
            truth=np.asarray(truth),
            cosines=row_cosines(*checked_vectors(rows, predictions["vector"])),
            lowest=self.settings["lowest"],
            highest=self.settings["highest"],
        )

    def tally(self, evaluated: EvaluatedScores) -> Tally:
        """Sums from which the correlations follow."""
        return score_tally(evaluated)

    def mistakes(self, evaluated: EvaluatedScores, limit: int) -> list[dict[str, Any]]:
        """The largest errors."""
        return largest_errors(evaluated, limit)

    def figures(self, evaluated: EvaluatedScores, report: Report) -> Pictures:
        """Errors over the truth, and how they are spread."""
        return {"residuals": pictures.residual_figure(evaluated.truth, evaluated.predictions)}
