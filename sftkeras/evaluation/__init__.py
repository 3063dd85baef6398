"""Evaluates a model and writes its report. Takes arrays, names no task, and imports no TensorFlow."""

from sftkeras.evaluation.baselines import Baseline, Baselines
from sftkeras.evaluation.contract import Evaluation
from sftkeras.evaluation.evaluated import EvaluatedRows
from sftkeras.evaluation.report.summary import print_summary
from sftkeras.evaluation.report.write import RunFacts, write_report
from sftkeras.evaluation.statistics.metrics import Metric, Scores, Tally

__all__ = [
    "Baseline",
    "Baselines",
    "EvaluatedRows",
    "Evaluation",
    "Metric",
    "RunFacts",
    "Scores",
    "Tally",
    "print_summary",
    "write_report",
]
