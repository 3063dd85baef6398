"""Pages of a comparison: in the terminal, in a notebook, and as files with a picture of the learning curves."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.comparison.comparing import Comparison, Figure
from sftkeras.comparison.curves import curves
from sftkeras.disk.files import write_aside, write_errors, write_text
from sftkeras.evaluation import pictures
from sftkeras.evaluation.report import wording
from sftkeras.evaluation.report.pages import page_environment
from sftkeras.evaluation.statistics.metrics import Metric

if TYPE_CHECKING:
    from jinja2 import Environment
    from rich.console import RenderableType
    from rich.table import Table

JSON, MARKDOWN, HTML, CURVES = "comparison.json", "comparison.md", "comparison.html", "learning-curves.png"

_COLOURS = {"better": "green", "worse": "red", "unsure": "yellow", None: ""}
_CURVES_ALT = "Loss, and a figure of the validation part, over epochs: one colour for each run, training dashed."


def write_pages(comparison: Comparison, folder: Path) -> Path:
    """Writes all files of a comparison, `comparison.json` last.

    Raises:
        SFTError: SFT106 or SFT108 if a file cannot be written.
    """
    drawing = curves(comparison.histories, comparison.names)
    pages = {MARKDOWN: _render("md", "comparison.md", comparison, picture=CURVES if drawing else "")}
    picture = pictures.svg(drawing, "curves", _CURVES_ALT) if drawing else ""
    pages[HTML] = _render("html", "comparison.html", comparison, picture=_trusted(picture))
    pages[JSON] = json.dumps(comparison.to_json(), ensure_ascii=False, indent=1, default=str)
    with write_errors(folder, "--output"):
        folder.mkdir(parents=True, exist_ok=True)
        if drawing:
            write_aside(folder / CURVES, lambda aside: aside.write_bytes(pictures.png(drawing)))
        for name, text in pages.items():
            write_text(folder / name, text)
    return folder


def notebook_html(comparison: Comparison) -> str:
    """Returns the tables and the learning curves as HTML to stand within another page."""
    drawing = curves(comparison.histories, comparison.names)
    picture = ""
    if drawing:
        data = base64.b64encode(pictures.png(drawing, 96)).decode()
        picture = f'<img alt="{_CURVES_ALT}" src="data:image/png;base64,{data}">'
    return _render("html", "tables.html", comparison, picture=_trusted(picture))


def terminal_tables(comparison: Comparison) -> RenderableType:
    """Returns the tables for a rich console."""
    from rich.console import Group
    from rich.text import Text

    figures = _table("Figure", comparison.names)
    for name, models in comparison.figures.items():
        metric = comparison.metrics[name]
        cells = [Text(_in_words(one, metric), style=_COLOURS[one.outcome]) for one in models]
        figures.add_row(metric.title, *cells)
    for what, values in comparison.facts.items():
        figures.add_row(Text(what, style="dim"), *(Text(wording.number(value), style="dim") for value in values))
    settings = _table("Setting that differs", comparison.names)
    for name, values in comparison.settings.items():
        settings.add_row(Text(name), *(Text(_setting(value)) for value in values))
    parts: list[RenderableType] = [figures, Text()]
    parts.append(settings if comparison.settings else Text("No setting that could matter differs."))
    return Group(*parts, *(Text(f"\n{note}") for note in comparison.notes))


def _table(what: str, names: Sequence[str]) -> Table:
    from rich.table import Column, Table

    return Table(*(Column(name, overflow="fold") for name in (what, *names)), box=None, padding=(0, 2, 0, 0))


def _in_words(one: Figure, metric: Metric) -> str:
    """`85.4%  +1.2 (+0.3 to +2.1), better`."""
    value = wording.figure(one.value, metric)
    if one.difference is None:
        return value
    spread = f" ({wording.signed(list(one.difference_interval), metric)})" if one.difference_interval else ""
    verdict = f", {one.outcome}" if one.outcome in ("better", "worse") else ""
    return f"{value}  {wording.signed([one.difference], metric)}{spread}{verdict}"


def _setting(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _render(kind: str, template: str, comparison: Comparison, **further: Any) -> str:
    metrics = comparison.metrics
    first_title = metrics[comparison.headline].title
    text = _environment(kind).get_template(template).render(
        comparison=comparison, metrics=metrics, title=first_title, css=pictures.CSS_VARIABLES, **further
    )  # fmt: skip
    return re.sub(r"\n{3,}", "\n\n", text).strip() + "\n"


def _trusted(picture: str) -> Any:
    from markupsafe import Markup

    return Markup(picture)  # its letters are escaped already


@cache
def _environment(kind: str) -> Environment:
    environment = page_environment("sftkeras.comparison", kind)
    environment.filters.update(in_words=_in_words, setting=_setting, number=wording.number, between=wording.between)
    return environment
