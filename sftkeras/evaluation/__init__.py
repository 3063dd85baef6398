"""Judges a model: figures, baselines and the report. Takes arrays, and imports no TensorFlow."""

from sftkeras.evaluation.baselines import Baseline, Baselines, fit_baselines
from sftkeras.evaluation.judged import Judged
from sftkeras.evaluation.kinds import KINDS, kind_of
from sftkeras.evaluation.metrics import Scores, score
from sftkeras.evaluation.report import RunFacts, write_report
from sftkeras.evaluation.summary import print_summary

__all__ = [
    "KINDS",
    "Baseline",
    "Baselines",
    "Judged",
    "RunFacts",
    "Scores",
    "fit_baselines",
    "kind_of",
    "print_summary",
    "score",
    "write_report",
]
