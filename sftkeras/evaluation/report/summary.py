"""A report in a few lines of the terminal."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.evaluation.report import wording
from sftkeras.plurals import counted

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from sftkeras.evaluation.contract import Evaluation
    from sftkeras.evaluation.statistics.metrics import Metric

WEAKEST_LABELS = 3
_STYLES = {"better": "green", "worse": "red", "unsure": "yellow"}


def print_summary(
    report: dict[str, Any], evaluation: Evaluation, folder: Path | None = None, console: Console | None = None
) -> None:
    """Prints the headline figure with its interval, the gain over the baselines, the weakest labels and the place.

    Args:
        report: of `write_report`.
        evaluation: of its task.
        folder: where it was written.
        console: a rich console; standard output by default.
    """
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    console = console or Console()
    headline = report["headline"]
    metric = evaluation.metrics[headline["metric"]]
    line = Text.assemble((f"{metric.title} {wording.figure(headline['value'], metric)}", "bold green"))
    if headline["interval"]:
        line.append(f"  95% interval {wording.between(headline['interval'], metric)}", "dim")
    line.append(f"  on {evaluation.evaluated_on(report)}", "dim")
    console.print(line)
    table = Table.grid(padding=(0, 2))
    for verdict in wording.verdicts(report, evaluation):
        table.add_row("", Text(verdict.sentence, style=_STYLES[verdict.outcome]))
    for verdict in wording.forgetting(report, evaluation):
        table.add_row("", Text(verdict.sentence, style=_STYLES[verdict.outcome]))
    if len(report["per_class"]) > 2:
        weak = wording.weakest(report, WEAKEST_LABELS)
        names = ", ".join(f"{wording.shorten(name)} {wording.percent(row['f1'])}" for name, row in weak)
        table.add_row("", Text(f"Lowest F1: {names}"))
    if report["findings"]:
        found = counted(len(report["findings"]), "thing")
        table.add_row("", Text(f"The data check found {found} worth a look."))
    console.print(table)
    if parts := report["before_and_after"]:
        console.print(_before_and_after(parts, metric, headline["metric"]))
    for part in evaluation.terminal_parts(report):
        console.print(part)
    if folder is not None:
        console.print(Text(f"Report: {folder / 'report.html'}"))


def _before_and_after(parts: list[dict[str, Any]], metric: Metric, name: str) -> Table:
    """The test parts side by side, as the earlier model and this one predict them."""
    from rich.table import Table

    table = Table("test part", title=metric.title)
    for column in ("texts", "before", "after", "change", "95% interval"):
        table.add_column(column, justify="right")
    for part in parts:
        figures = [wording.figure(part[when]["metrics"][name], metric) for when in ("before", "after")]
        gain = part["gain"]
        change = wording.ABSENT if gain is None else f"{'−' if gain < 0 else '+'}{wording.gain(gain, metric)}"
        ends = wording.signed(part["gain_interval"], metric)
        table.add_row(part["run"], f"{part['rows']:,}", *figures, change, ends)
    return table
