"""Judges a model: figures, baselines and the report. Takes arrays, and imports no TensorFlow."""

from sftkeras.evaluation.baselines import Baseline, Baselines, fit_baselines
from sftkeras.evaluation.evaluated import EvaluatedRows
from sftkeras.evaluation.kinds import KINDS, kind_of
from sftkeras.evaluation.report.summary import print_summary
from sftkeras.evaluation.report.write import RunFacts, write_report
from sftkeras.evaluation.statistics.metrics import Scores, score

__all__ = [
    "KINDS",
    "Baseline",
    "Baselines",
    "EvaluatedRows",
    "RunFacts",
    "Scores",
    "fit_baselines",
    "kind_of",
    "print_summary",
    "score",
    "write_report",
]
