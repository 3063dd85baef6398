"""Compares reports: differences of settings and of figures."""

from __future__ import annotations

import shlex
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from sftkeras.comparison.reports import ComparedReport, read_reports
from sftkeras.config.renamed import by_new_names
from sftkeras.evaluation.report.wording import flat
from sftkeras.evaluation.statistics.bootstrap import Interval, interval
from sftkeras.evaluation.statistics.metrics import Metric
from sftkeras.tasks import spec_of

if TYPE_CHECKING:
    from rich.console import RenderableType

Outcome = Literal["better", "worse", "unsure"]

# Settings of where things are and of how a command goes about them: they change no figure.
_OF_NO_EFFECT = {"name", "runs", "output", "overwrite", "dry_run", "export", "resume", "checkpoint", "report"}


@dataclass(frozen=True)
class Figure:
    """A figure of one model, and how it differs from that of the first.

    Attributes:
        value: the figure; None where it is not defined.
        interval: its 95% interval.
        difference: what it is above the first model's; None for the first model.
        difference_interval: the 95% interval of the difference.
        outcome: whether the model is better or worse than the first, or the difference may be chance ("unsure").
    """

    value: float | None
    interval: Interval | None
    difference: float | None = None
    difference_interval: Interval | None = None
    outcome: Outcome | None = None


@dataclass(frozen=True)
class Comparison:
    """Models side by side; the first is the one that the others are compared with. It shows itself in a notebook.

    Attributes:
        names: of the models, in the order of all lists below.
        folders: of their reports.
        task: what they do.
        headline: the name of the figure that counts most.
        figures: by name, one for each model; the headline first.
        paired: for each model, whether it was evaluated on the same rows as the first; None where that is not known.
        settings: those that differ, by their dotted names.
        facts: what else differs or is worth seeing, by what it is.
        histories: the epochs of each model's training; () where a report has none.
        notes: what must be known to read the figures.
    """

    names: tuple[str, ...]
    folders: tuple[Path, ...]
    task: str
    headline: str
    figures: dict[str, tuple[Figure, ...]]
    paired: tuple[bool | None, ...]
    settings: dict[str, tuple[Any, ...]]
    facts: dict[str, tuple[Any, ...]]
    histories: tuple[Sequence[dict[str, Any]], ...]
    notes: tuple[str, ...]

    @property
    def metrics(self) -> Mapping[str, Metric]:
        """Title and direction of each figure of the task."""
        return metrics_of(self.task)

    def to_json(self) -> dict[str, Any]:
        """Returns what `comparison.json` holds."""
        return {"format": 1, **asdict(self), "folders": [str(folder) for folder in self.folders]}

    def save(self, folder: str | Path) -> Path:
        """Writes `comparison.html`, `comparison.md`, `comparison.json` and the learning curves; returns the folder.

        Raises:
            SFTError: SFT106 or SFT108 if a file cannot be written.
        """
        from sftkeras.comparison.pages import write_pages

        return write_pages(self, Path(folder).expanduser())

    def _repr_html_(self) -> str:
        from sftkeras.comparison.pages import notebook_html

        return notebook_html(self)

    def __rich__(self) -> RenderableType:
        from sftkeras.comparison.pages import terminal_tables

        return terminal_tables(self)


def compare(runs: Sequence[str | Path]) -> Comparison:
    """Compares models by the reports of their runs, or by those that `evaluate` wrote.

    Args:
        runs: two or more folders. The first is what the others are compared with.

    Raises:
        SFTError: SFT618 for fewer than two, SFT619 for a folder without a report, SFT620 for models that are evaluated
            by different figures.
    """
    models = read_reports(runs)
    first = models[0]
    headline = str(first.report["headline"]["metric"])
    shared = [name for name in first.report["metrics"] if all(name in one.report["metrics"] for one in models)]
    metrics = metrics_of(first.report["task"])
    known = [name for name in (headline, *shared) if name in metrics]
    return Comparison(
        names=tuple(model.name for model in models),
        folders=tuple(model.folder for model in models),
        task=first.report["task"],
        headline=headline,
        figures={
            name: tuple(_figure(name, metrics[name], model, first) for model in models) for name in dict.fromkeys(known)
        },
        paired=tuple(_is_paired(model, first) for model in models),
        settings=_settings_that_differ(models),
        facts=_facts(models),
        histories=tuple(tuple(model.report.get("history", ())) for model in models),
        notes=tuple(_notes(models)),
    )


def metrics_of(task: str) -> Mapping[str, Metric]:
    """Gives the figures that a task may report, by name."""
    return spec_of(task).evaluation({}).metrics


def _figure(name: str, metric: Metric, model: ComparedReport, first: ComparedReport) -> Figure:
    value, own = model.report["metrics"].get(name), model.report["intervals"].get(name)
    bounds = (own[0], own[1]) if own else None
    other = first.report["metrics"].get(name)
    if model is first or value is None or other is None:
        return Figure(value, bounds)
    spread = _difference_interval(name, model, first)
    return Figure(value, bounds, value - other, spread, _outcome(metric, spread))


def _difference_interval(name: str, model: ComparedReport, first: ComparedReport) -> Interval | None:
    """The interval of a difference: paired where the rows and so the draws are the same; else of independent draws."""
    if model.resampled is None or first.resampled is None:
        return None
    ours, theirs = model.resampled.figures.get(name), first.resampled.figures.get(name)
    return None if ours is None or theirs is None else interval(ours.astype(np.float64) - theirs)


def _outcome(metric: Metric, spread: Interval | None) -> Outcome | None:
    if spread is None:
        return None
    if spread[0] <= 0 <= spread[1]:
        return "unsure"
    return "better" if (spread[0] > 0) == metric.higher_is_better else "worse"


def _is_paired(model: ComparedReport, first: ComparedReport) -> bool | None:
    if model.resampled is None or first.resampled is None:
        return None
    return model.resampled.rows == first.resampled.rows


def _settings_that_differ(models: Sequence[ComparedReport]) -> dict[str, tuple[Any, ...]]:
    """The settings that all have, not all with the same value."""
    settings = [by_new_names(dict(flat(model.report["config"]))) for model in models]
    shared = [name for name in settings[0] if all(name in one for one in settings)]
    shared = [name for name in shared if name.partition(".")[0] not in _OF_NO_EFFECT]
    values = {name: tuple(one[name] for one in settings) for name in shared}
    return {name: found for name, found in values.items() if any(value != found[0] for value in found)}


def _facts(models: Sequence[ComparedReport]) -> dict[str, tuple[Any, ...]]:
    """Facts that distinguish the models, where any of them has them."""
    facts = {
        "test rows": [model.report["examples"].get("test") for model in models],
        "training rows": [model.report["examples"].get("train") for model in models],
        "parameters": [model.report.get("model", {}).get("parameters") for model in models],
        "best epoch": [model.report.get("model", {}).get("best_epoch") for model in models],
        "seconds of training": [model.report.get("seconds", {}).get("train") for model in models],
    }
    return {what: tuple(values) for what, values in facts.items() if any(value is not None for value in values)}


def _notes(models: Sequence[ComparedReport]) -> Iterator[str]:
    """Notes on how to read the intervals of the differences."""
    first = models[0]
    unknown = list(dict.fromkeys(model for model in models if model.resampled is None))
    if unknown:
        runs = [shlex.quote(str(model.folder)) for model in unknown if model.is_run]
        how = f" (python -m sftkeras.evaluate --model {runs[0]} --output FOLDER)" if runs else ""
        yield (
            f"No resampled figures are kept in {', '.join(str(model.folder) for model in unknown)}: an earlier version "
            "made the report, or report.bootstrap was 0. So it is not known whether the differences are more than "
            f"chance. Evaluate again{how}, and compare what that writes."
        )
    for model in models:
        if _is_paired(model, first) is False:
            yield (
                f"{model.name} was evaluated on other test rows ({model.report['examples']['test']:,}) than "
                f"{first.name} ({first.report['examples']['test']:,}): the differences are also those of the rows, and "
                "their intervals are not paired. A file of its own for the test part (data.test) keeps the rows the "
                "same."
            )
