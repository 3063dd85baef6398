"""Judges a model: figures, baselines and the report. Takes arrays, and imports no TensorFlow."""

from sftkeras.evaluation.baselines import Baseline, Baselines, fit_baselines
from sftkeras.evaluation.judged import Judged
from sftkeras.evaluation.metrics import Scores, score
from sftkeras.evaluation.report import RunFacts, write_report
from sftkeras.evaluation.summary import print_summary

__all__ = [
    "Baseline",
    "Baselines",
    "Judged",
    "RunFacts",
    "Scores",
    "fit_baselines",
    "print_summary",
    "score",
    "write_report",
]
