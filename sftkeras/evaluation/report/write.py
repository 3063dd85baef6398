"""Writes the report of an evaluated model: `report.json`, `report.md`, `report.html` and `pictures/`.

What the report says is decided here; what it looks like, in pages.py and the templates.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from contextlib import nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.config import ReportConfig
from sftkeras.disk.files import write_aside
from sftkeras.errors import SFTError
from sftkeras.evaluation import pictures
from sftkeras.evaluation.baselines import Baselines
from sftkeras.evaluation.contract import Evaluation
from sftkeras.evaluation.report.compared import BeforeAndAfter, comparison, side_by_side
from sftkeras.evaluation.report.pages import html_page, markdown_page
from sftkeras.evaluation.statistics.bootstrap import interval, resample, share_interval
from sftkeras.evaluation.statistics.metrics import Scores, Tally
from sftkeras.evaluation.statistics.resampled import FILE as RESAMPLED
from sftkeras.evaluation.statistics.resampled import Resampled
from sftkeras.timeline import Timeline

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Raised when a key of report.json changes its meaning.
FORMAT = 1


@dataclass(frozen=True)
class RunFacts:
    """Facts of a run besides its predictions. Parts that are not known stay empty and are omitted from the pages.

    Args:
        name: of the run and the model.
        examples: rows of each part, such as `{"train": 6824, "validation": 853, "test": 853}`.
        model: such as `{"backbone": "pypi:…", "parameters": 22713602}`.
        config: every setting, nested.
        history: one dict an epoch: `epoch`, `loss`, `val_loss`, `accuracy`, `val_accuracy`, `learning_rate`, `seconds`.
        step_losses: the training loss of each step.
        findings: of the data check: `code`, `severity` ("error" or "warning"), `message`, `count`.
        export: `path`, `version`, `parity`, `size_ratio` and more.
        seconds: how long each stage took; `train` is shown at the top. Those of the timeline are added.
        timeline: of the run, if this is its report.
        time: what the training's seconds went into, by part: "input", "compute" and so on.
        examples_per_second: steady training speed.
        versions: of the packages that matter.
        seed: decides the resampling of the intervals.
        rows: fingerprint of the test rows, which decides the resampling that pairs this report with others.
        before_and_after: test parts of the runs that this one began with, and its own, before and after it.
    """

    name: str = "model"
    examples: dict[str, int] = field(default_factory=dict)
    model: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    history: Sequence[dict[str, Any]] = ()
    step_losses: Sequence[float] = ()
    findings: Sequence[dict[str, Any]] = ()
    export: dict[str, Any] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    timeline: Timeline | None = None
    time: dict[str, float] = field(default_factory=dict)
    examples_per_second: float | None = None
    versions: dict[str, str] = field(default_factory=dict)
    seed: int = 17
    rows: str = ""
    before_and_after: Sequence[BeforeAndAfter] = ()


def write_report(
    folder: Path,
    evaluation: Evaluation,
    evaluated: Any,
    run: RunFacts,
    baselines: Baselines,
    options: ReportConfig,
) -> dict[str, Any]:
    """Computes every figure and writes the report into `folder`, which is made if need be.

    Args:
        folder: gets `report.json` (last, so that it stands for a complete report), `report.md`, `report.html` and
            `pictures/`; files of those names are replaced, each at once. Where rows are resampled and their fingerprint
            is known, also `resampled.npz`, by which `sftkeras.compare` pairs reports.
        evaluation: of the task.
        evaluated: its `EvaluatedRows`.
        run: what else is known of the model.
        baselines: on the same rows; `Baselines()` for none.
        options: how many resamplings and mistakes.

    Returns:
        What `report.json` holds.

    Raises:
        SFTError: SFT606 if a file cannot be written.
    """
    with run.timeline.part("report") if run.timeline else nullcontext():
        report = make_report(evaluation, evaluated, run, baselines, options)
        drawings = _draw(evaluation, evaluated, run, report)
        report["pictures"] = {name: f"pictures/{name}.png" for name in drawings}
        for name, figure in drawings.items():
            _write(folder / "pictures" / f"{name}.png", pictures.png(figure))
        vectors = _vector_pictures(evaluation, evaluated, drawings)
    if run.timeline:
        report |= {"seconds": {**run.timeline.seconds(), **run.seconds}, "timeline": run.timeline.to_json()}
    report = clean(report)
    _write(folder / "report.md", markdown_page(report, evaluation).encode())
    _write(folder / "report.html", html_page(report, evaluation, vectors).encode())
    _write_resampled(folder, evaluation.tally(evaluated), run, options)
    _write(folder / "report.json", json.dumps(report, ensure_ascii=False, indent=1, allow_nan=False).encode())
    return report


def make_report(
    evaluation: Evaluation, evaluated: Any, run: RunFacts, baselines: Baselines, options: ReportConfig
) -> dict[str, Any]:
    """Returns the report as a dict, pictures left out; see `clean` for what makes it JSON."""
    scores = evaluation.scores(evaluated)
    tallies = [evaluation.tally(one) for one in (evaluated, *(baseline.evaluated for baseline in baselines.fitted))]
    drawn = resample(tallies, options.bootstrap, run.seed) if options.bootstrap else [{} for _ in tallies]
    headline = evaluation.headline
    intervals = _intervals(evaluation, scores, drawn[0], evaluated)
    return {
        "format": FORMAT,
        "name": run.name,
        "task": evaluation.task,
        "label_kind": evaluation.label_kind,
        "examples": {**run.examples, "test": len(evaluated)},
        "headline": {
            "metric": headline,
            "value": scores.metrics[headline],
            "interval": intervals.get(headline),
            "higher_is_better": evaluation.metrics[headline].higher_is_better,
        },
        "metrics": scores.metrics,
        "intervals": intervals,
        "bootstrap": options.bootstrap,
        "per_class": scores.per_class,
        "confusion": scores.confusion,
        "calibration": scores.calibration,
        "breakdowns": scores.breakdowns,
        "baselines": {
            baseline.key: comparison(evaluation, baseline, evaluated, scores, drawn[0], resampled)
            for baseline, resampled in zip(baselines.fitted, drawn[1:], strict=True)
        },
        "baselines_left_out": baselines.left_out,
        "before_and_after": side_by_side(evaluation, run.before_and_after, options.bootstrap, run.seed),
        "mistakes": evaluation.mistakes(evaluated, options.mistakes),
        "history": list(run.history),
        "findings": list(run.findings),
        "model": run.model,
        "config": run.config,
        "seconds": run.seconds,
        "time": run.time,
        "timeline": None,
        "examples_per_second": run.examples_per_second,
        "export": {"path": None, "version": None, "parity": None, "size_ratio": None, **run.export},
        "versions": run.versions,
        **evaluation.own_parts(evaluated, baselines),
    }


def clean(value: Any) -> Any:
    """Returns what JSON and UTF-8 can hold: plain types, six digits, None for what is not finite."""
    if isinstance(value, dict):
        return {str(key): clean(one) for key, one in value.items()}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [clean(one) for one in value]
    if isinstance(value, np.generic):
        return clean(value.item())
    if isinstance(value, float):
        return float(f"{value:.6g}") if np.isfinite(value) else None
    if value is None or isinstance(value, (bool, int)):
        return value
    return str(value).encode(errors="replace").decode()  # half of a surrogate pair has no UTF-8


def _intervals(evaluation: Evaluation, scores: Scores, drawn: dict[str, np.ndarray], evaluated: Any) -> dict[str, Any]:
    intervals: dict[str, Any] = {}
    for name, values in drawn.items():
        value = scores.metrics[name]
        if name in evaluation.shares_of_rows and value is not None:
            intervals[name] = share_interval(values, value, evaluation.rows_behind(name, evaluated))
        else:
            intervals[name] = interval(values)
    return intervals


def _draw(evaluation: Evaluation, evaluated: Any, run: RunFacts, report: dict[str, Any]) -> dict[str, Figure]:
    """Figures by name, in the order of the pages."""
    drawings: dict[str, Figure] = {}
    if report["baselines"]:
        drawings["comparison"] = _comparison_figure(evaluation, report)
    drawings |= evaluation.figures(evaluated, report)
    if learning := pictures.learning_figure(run.history, run.step_losses):
        drawings["learning"] = learning
    return drawings


def _comparison_figure(evaluation: Evaluation, report: dict[str, Any]) -> Figure:
    headline = report["headline"]
    metric = headline["metric"]
    rows = [("this model", headline["value"], headline["interval"])]
    rows += [(one["name"], one["metrics"][metric], one["interval"]) for one in report["baselines"].values()]
    return pictures.comparison_figure(rows, evaluation.metrics[metric].title)


def _vector_pictures(evaluation: Evaluation, evaluated: Any, drawings: dict[str, Figure]) -> dict[str, str]:
    """SVG elements for the HTML page, which shows bars and the confusion matrix as tables of its own."""
    figures = {name: figure for name, figure in drawings.items() if name not in ("comparison", "confusion")}
    figures = evaluation.figures_for_browser(evaluated, figures)
    described = {**pictures.DESCRIPTIONS, **evaluation.descriptions}
    return {name: pictures.svg(figure, name, described[name][1]) for name, figure in figures.items()}


def _write_resampled(folder: Path, tally: Tally, run: RunFacts, options: ReportConfig) -> None:
    if options.bootstrap and run.rows:
        _write(folder / RESAMPLED, Resampled.of(tally, run.rows).to_bytes())
    else:
        (folder / RESAMPLED).unlink(missing_ok=True)  # that of a report which is replaced


def _write(path: Path, content: bytes) -> None:
    """Writes a file whole or not at all, its folder too."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_aside(path, lambda aside: aside.write_bytes(content))
    except OSError as error:
        raise SFTError("SFT606", path=path, problem=error.strerror or error) from error
