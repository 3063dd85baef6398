"""Pictures of chat alone; those that other tasks have too are in `sftkeras.evaluation.pictures`."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from sftkeras.evaluation import pictures
from sftkeras.evaluation.statistics.words import words
from sftkeras.tasks.chat.scores import EvaluatedAnswers

if TYPE_CHECKING:
    from matplotlib.figure import Figure

DESCRIPTIONS = {
    "lengths": ("Lengths", "Histograms of the words of the generated answers and of their references."),
}
_BINS = 24


def lengths_of(evaluated: EvaluatedAnswers) -> tuple[np.ndarray, np.ndarray]:
    """Count the words of the generated answers and of their references, [answers] int each."""
    rows = evaluated.predicted_rows
    answers = [len(words(evaluated.answers[row] or "")) for row in rows]
    return np.array(answers, int), np.array([len(words(evaluated.references[row])) for row in rows], int)


def length_figure(evaluated: EvaluatedAnswers) -> Figure:
    """Draw how long answers and references are."""
    answers, references = lengths_of(evaluated)
    figure, axes = pictures.new_axes(7.2, 3.0)
    edges = np.linspace(0, max(answers.max(), references.max(), 1), _BINS + 1).tolist()
    axes.hist(references, edges, color=pictures.MUTED, alpha=0.55, label="references")
    axes.hist(answers, edges, color=pictures.BLUE, alpha=0.7, label="answers of this model")
    axes.set(xlabel="words", ylabel="answers")
    pictures.legend(axes)
    return figure
