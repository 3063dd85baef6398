"""How a report evaluates each kind of label, or a task with figures of its own: one line a kind."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.config import LabelKind
from sftkeras.evaluation import entity_pictures, pictures
from sftkeras.evaluation.answer_baselines import fit_answer_baselines
from sftkeras.evaluation.answer_mistakes import worst_answer_mistakes
from sftkeras.evaluation.answers import answer_tally, read_answers, score_answers
from sftkeras.evaluation.baselines import Baselines, fit_baselines
from sftkeras.evaluation.entities import entity_tally, read_entities, score_entities
from sftkeras.evaluation.entity_baselines import fit_entity_baselines
from sftkeras.evaluation.entity_mistakes import worst_entity_mistakes
from sftkeras.evaluation.evaluated import EvaluatedRows
from sftkeras.evaluation.masked_words import fit_mask_baselines, masks_tally, read_masks, score_masks, worst_guesses
from sftkeras.evaluation.report.mistakes import worst_mistakes
from sftkeras.evaluation.similarity import evaluate_vectors, score_similarity, similarity_tally
from sftkeras.evaluation.similarity_baselines import fit_similarity_baselines
from sftkeras.evaluation.similarity_mistakes import worst_matches, worst_scores
from sftkeras.evaluation.similarity_pictures import match_figure
from sftkeras.evaluation.statistics.metrics import Scores, Tally, confusion_counts, score, tally

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Report = dict[str, Any]
Figures = dict[str, "Figure"]


@dataclass(frozen=True)
class Kind:
    """What the report of one kind of label is made of. `Any` is what `evaluated` gives, which has at least the rows'
    `texts`, `pairs` and `places`, its `kind`, and `in_words`.

    Attributes:
        task: what the report calls the task.
        headline: the figure at the top.
        outputs: the answers of an exported version that are evaluated.
        evaluated: (rows, truth, answers, task settings, label names) → what is evaluated.
        score: all figures.
        tally: the additive facts they come from.
        mistakes: (evaluated, how many) → what to look at first.
        figures: (evaluated, report) → pictures by name.
        baselines: (read_texts, training truth, evaluated, seed) → simple models on the same rows.
        texts_apart: whether both texts of a row are answered by themselves: answers are then [rows, 2, …].
    """

    task: str
    headline: str
    outputs: tuple[str, ...]
    evaluated: Callable[..., Any]
    score: Callable[[Any], Scores]
    tally: Callable[[Any], Tally]
    mistakes: Callable[[Any, int], list[dict[str, Any]]]
    figures: Callable[[Any, Report], Figures]
    baselines: Callable[..., Baselines]
    texts_apart: bool = False


def kind_of(evaluated: Any) -> Kind:
    """How to treat what was evaluated."""
    return KINDS[evaluated.kind]


# ---- from an exported version's answers to what is evaluated


def _probabilities(kind: LabelKind) -> Callable[..., EvaluatedRows]:
    def make(
        rows: dict[str, Any], truth: Any, answers: dict[str, np.ndarray], task: dict[str, Any], names: tuple[str, ...]
    ) -> EvaluatedRows:
        thresholds = np.full(len(names), task["threshold"]) if kind == "classes" else None
        return EvaluatedRows(
            kind, names, **rows, truth=np.asarray(truth), answers=answers["probabilities"], thresholds=thresholds
        )

    return make


def _values(
    rows: dict[str, Any], truth: Any, answers: dict[str, np.ndarray], task: dict[str, Any], names: tuple[str, ...]
) -> EvaluatedRows:
    return EvaluatedRows("number", names, **rows, truth=np.asarray(truth), answers=answers["value"])


def _entities(
    rows: dict[str, Any], truth: Any, answers: dict[str, np.ndarray], task: dict[str, Any], names: tuple[str, ...]
) -> Any:
    return read_entities(rows, truth, answers, names)


def _vectors(
    rows: dict[str, Any], truth: Any, answers: dict[str, np.ndarray], task: dict[str, Any], names: tuple[str, ...]
) -> Any:
    return evaluate_vectors(rows, truth, answers["vector"], task)


def _masks(
    rows: dict[str, Any], truth: Any, answers: dict[str, np.ndarray], task: dict[str, Any], names: tuple[str, ...]
) -> Any:
    return read_masks(rows, answers, task)


def _spans_of_contexts(
    rows: dict[str, Any], truth: Any, answers: dict[str, np.ndarray], task: dict[str, Any], names: tuple[str, ...]
) -> Any:
    return read_answers(rows, truth, answers)


# ---- figures


def _no_figures(evaluated: Any, report: Report) -> Figures:
    return {}


def _class_figures(evaluated: EvaluatedRows, report: Report) -> Figures:
    counts = confusion_counts(evaluated.truth, evaluated.given, len(evaluated.label_names))
    return {
        "confusion": pictures.confusion_figure(counts, evaluated.label_names),
        "reliability": pictures.reliability_figure(report["calibration"]),
        "precision-recall": _precision_recall(evaluated),
    }


def _classes_figures(evaluated: EvaluatedRows, report: Report) -> Figures:
    return {
        "reliability": pictures.reliability_figure(report["calibration"], right="share that has the label"),
        "precision-recall": _precision_recall(evaluated),
    }


def _precision_recall(evaluated: EvaluatedRows) -> Figure:
    return pictures.precision_recall_figure(evaluated.truth, evaluated.answers, evaluated.label_names)


def _number_figures(evaluated: Any, report: Report) -> Figures:
    return {"residuals": pictures.residual_figure(evaluated.truth, evaluated.answers)}


def _match_figures(evaluated: Any, report: Report) -> Figures:
    return {"matches": match_figure(evaluated)}


def _answer_figures(evaluated: Any, report: Report) -> Figures:
    return {"reliability": pictures.reliability_figure(report["calibration"])}


def _entity_figures(evaluated: Any, report: Report) -> Figures:
    confusion = report["confusion"]
    figures = {
        "faults": entity_pictures.fault_figure(report["per_class"]),
        "confusion": pictures.confusion_figure(np.array(confusion["counts"]), confusion["labels"]),
    }
    if report["calibration"]:
        figures["reliability"] = pictures.reliability_figure(report["calibration"])
    return figures


_OF_PROBABILITIES: dict[str, Any] = {
    "task": "classification",
    "outputs": ("probabilities",),
    "score": score,
    "tally": tally,
    "mistakes": worst_mistakes,
    "baselines": fit_baselines,
}
_OF_VECTORS: dict[str, Any] = {
    "task": "similarity",
    "outputs": ("vector",),
    "evaluated": _vectors,
    "score": score_similarity,
    "tally": similarity_tally,
    "baselines": fit_similarity_baselines,
    "texts_apart": True,
}

KINDS: dict[str, Kind] = {
    "class": Kind(**_OF_PROBABILITIES, headline="accuracy", evaluated=_probabilities("class"), figures=_class_figures),
    "classes": Kind(
        **_OF_PROBABILITIES, headline="micro_f1", evaluated=_probabilities("classes"), figures=_classes_figures
    ),
    "number": Kind(
        "regression", "mae", ("value",), _values, score, tally, worst_mistakes, _number_figures, fit_baselines
    ),
    "spans": Kind(
        "tagging",
        "entity_f1",
        ("label", "score", "start", "end"),
        _entities,
        score_entities,
        entity_tally,
        worst_entity_mistakes,
        _entity_figures,
        fit_entity_baselines,
    ),
    "answers": Kind(
        "span_qa",
        "answer_f1",
        ("answer", "score", "start", "end"),
        _spans_of_contexts,
        score_answers,
        answer_tally,
        worst_answer_mistakes,
        _answer_figures,
        fit_answer_baselines,
    ),
    "masked_words": Kind(
        "masked_lm",
        "perplexity",
        ("token", "probability", "hidden", "loss"),
        _masks,
        score_masks,
        masks_tally,
        worst_guesses,
        _no_figures,
        fit_mask_baselines,
    ),
    # Vectors learned from pairs alone, and from pairs with numbers: what `evaluated` gives says which.
    "similarity": Kind(**_OF_VECTORS, headline="recall_at_1", mistakes=worst_matches, figures=_match_figures),
    "similarity_scores": Kind(**_OF_VECTORS, headline="spearman", mistakes=worst_scores, figures=_number_figures),
}
