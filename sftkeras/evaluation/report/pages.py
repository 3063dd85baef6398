"""Turns a report into its pages, Markdown and HTML. The words and tables stand in the templates.

The common template has a block for each part that a task may show in its own way; a task's template extends it.

Texts, labels and settings come from anywhere, so whatever a template prints is escaped by the engine: a template
cannot forget it.
"""

from __future__ import annotations

import html
import re
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.evaluation.pictures import DESCRIPTIONS, drawable
from sftkeras.evaluation.report import wording
from sftkeras.evaluation.statistics.confusion import most_confused
from sftkeras.plurals import counted

if TYPE_CHECKING:
    from jinja2 import Environment, Template

    from sftkeras.evaluation.contract import Evaluation

MOST_LABELS = 60  # of the table of labels
MOST_CONFUSION_LABELS = 20
MOST_PAIRS = 10  # of the table of confused pairs


def html_page(report: dict[str, Any], evaluation: Evaluation, pictures: dict[str, str]) -> str:
    """Returns `report.html`: one file that needs no other.

    Args:
        report: what `report.json` holds.
        evaluation: of its task.
        pictures: SVG elements by name; their letters are escaped already.
    """
    from markupsafe import Markup

    trusted = {name: Markup(picture) for name, picture in pictures.items()}
    return _template(evaluation.template, "html").render(**_view(report, evaluation), drawings=trusted)


def markdown_page(report: dict[str, Any], evaluation: Evaluation) -> str:
    """Returns `report.md`, which shows `pictures/*.png` beside it."""
    page = _template(evaluation.template, "md").render(**_view(report, evaluation))
    return re.sub(r"\n{3,}", "\n\n", page).strip() + "\n"


def escape_markdown(value: Any) -> str:
    """Returns one line that Markdown prints as it is, also within a table."""
    line = html.escape(" ".join(str(value).split()), quote=False)
    return re.sub(r"([\\`*_{}\[\]#|~$])", r"\\\1", line)


@cache  # which keeps the templates compiled
def _template(own: Path | None, kind: str) -> Template:
    """Gives a task's own template, which extends the common one, or the common one."""
    environment = _environment(kind)
    if own is None:
        return environment.get_template(f"report.{kind}")
    return environment.from_string(own.with_suffix(f".{kind}").read_text("utf-8"))


@cache
def _environment(kind: str) -> Environment:
    environment = page_environment("sftkeras.evaluation.report", kind)
    filters = (
        wording.figure, wording.percent, wording.number, wording.running, wording.between, wording.duration,
        wording.chance, wording.sampled, wording.gain, wording.signed, wording.outcome, counted,
    )  # fmt: skip
    environment.filters.update({function.__name__: function for function in filters})
    return environment


def page_environment(package: str, kind: str) -> Environment:
    """Makes what renders pages of "html" or "md" from a package's templates, and escapes whatever these print."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    return Environment(
        loader=PackageLoader(package),
        autoescape=kind == "html",
        finalize=escape_markdown if kind == "md" else None,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _view(report: dict[str, Any], evaluation: Evaluation) -> dict[str, Any]:
    """Variables of the templates: the report, and parts of it in another order or shorter."""
    labels = report["per_class"].items()
    headline = report["headline"]["metric"]
    shown = ("comparison", "confusion", "reliability", "learning")
    return {
        "report": report,
        "headline": report["headline"],
        "metric": evaluation.metrics[headline],
        "metrics": evaluation.metrics,
        "evaluated_on": evaluation.evaluated_on(report),
        "cards": [name for name in evaluation.cards if name in report["metrics"] and name != headline],
        "units": evaluation.units,
        "calibration_error": report["metrics"].get(evaluation.calibration_error),
        "own_pictures": [name for name in report["pictures"] if name not in shown],
        "verdicts": wording.verdicts(report, evaluation),
        "forgetting": wording.forgetting(report, evaluation),
        "parts": report.get("before_and_after", ()),
        "labels": list(labels) if len(labels) <= MOST_LABELS else wording.weakest(report, MOST_LABELS),
        "confusion": _shown_confusion(report),
        "confused_pairs": ((report["confusion"] or {}).get("most_confused") or [])[:MOST_PAIRS],
        "settings": list(wording.flat(report["config"])),
        "export": list(wording.flat(report["export"])),
        "model": list(wording.flat(report["model"])),
        "descriptions": {**DESCRIPTIONS, **evaluation.descriptions},
        "numbered": drawable(list(report["per_class"])) != list(report["per_class"]),
        "largest": _largest_bar(report, evaluation),
        "stages": [] if report.get("timeline") else wording.stages(report["seconds"]),
        "timeline": wording.timeline(report),
        "timeline_summary": wording.timeline_summary(report) if report.get("timeline") else "",
        "time": wording.shares(report["time"]),
        **evaluation.view(report),
    }


def _shown_confusion(report: dict[str, Any]) -> dict[str, Any] | None:
    """The matrix, cut to the most confused labels if it is large; None where there is none."""
    confusion = report["confusion"]
    if not confusion or confusion.get("normalised") is None:
        return None
    shown = most_confused(np.array(confusion["counts"]), MOST_CONFUSION_LABELS)
    rows = [
        (
            confusion["labels"][row],
            [(confusion["counts"][row][c], confusion["normalised"][row][c], row == c) for c in shown],
        )
        for row in shown
    ]
    return {"labels": [confusion["labels"][number] for number in shown], "rows": rows, "of": len(confusion["labels"])}


def _largest_bar(report: dict[str, Any], evaluation: Evaluation) -> float:
    """Value of a full bar of the comparison: 1 for shares, else the largest value."""
    metric = report["headline"]["metric"]
    if evaluation.metrics[metric].share:
        return 1.0
    headline, baselines = report["headline"], report["baselines"].values()
    values = [headline["value"], *(one["metrics"][metric] for one in baselines)]
    values += [one["interval"][1] for one in (headline, *baselines) if one["interval"]]
    return max((value for value in values if value), default=1.0)
