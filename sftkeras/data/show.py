"""What people see of the data: findings, sizes of the parts by label, lengths. Prints with rich."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sftkeras.config import LabelKind
from sftkeras.console import outputs
from sftkeras.data.batches import length_histogram
from sftkeras.data.checks.check_labels import label_counts
from sftkeras.data.checks.findings import Finding
from sftkeras.data.load import LabelledData
from sftkeras.plurals import counted

_MOST_LABELS = 30  # rows of the table; the rarer labels are summed up

_ANSWERED = ("SFT280", "SFT281")  # rows with a question and its answers
_TAGGED = ("SFT250", "SFT251", "SFT252", "SFT253", "SFT254", "SFT255", "SFT266")  # rows with words or spans


@dataclass(frozen=True)
class _Check:
    """Something that is looked at.

    Attributes:
        statement: what is so, if nothing was found.
        codes: what says that it is not so.
        kinds: of labels that it is looked at in; None for all.
        over_all: whether it needs all rows, so that it is left out once a row cannot be read.
        of_parts: whether it compares parts, so that it is left out where a single file is read.
    """

    statement: str
    codes: frozenset[str]
    kinds: tuple[LabelKind, ...] | None = None
    over_all: bool = False
    of_parts: bool = False


_LABELLED: tuple[LabelKind, ...] = ("class", "classes", "number", "spans", "answers")
_NAMED: tuple[LabelKind, ...] = ("class", "classes", "spans")

# What is looked at, in the order shown.
_CHECKS = (
    _Check("every row is well formed", frozenset({"SFT206", "SFT210", "SFT211", "SFT219", *_TAGGED, *_ANSWERED})),
    _Check("every text can be decoded", frozenset({"SFT207", "SFT208"})),
    _Check("every row has a text", frozenset({"SFT216"})),
    _Check("every row has a label", frozenset({"SFT217", "SFT218", "SFT215", "SFT244", "SFT267"}), _LABELLED),
    _Check("no label is unknown", frozenset({"SFT214"}), _NAMED, over_all=True),
    _Check("no label is rare", frozenset({"SFT224", "SFT225"}), _NAMED, over_all=True, of_parts=True),
    _Check("there is something to learn", frozenset({"SFT220", "SFT282"}), _LABELLED, over_all=True, of_parts=True),
    _Check(
        "no label looks like another, or like several",
        frozenset({"SFT248", "SFT249"}),
        _NAMED,
        over_all=True,
        of_parts=True,
    ),
    _Check("no row occurs twice", frozenset({"SFT221"}), over_all=True),
    _Check("no text has two different labels", frozenset({"SFT222"}), _LABELLED, over_all=True),
    _Check("no text is in two files", frozenset({"SFT223"}), over_all=True, of_parts=True),
    _Check("no text looks wrongly decoded", frozenset({"SFT226"})),
    _Check("no text is very long", frozenset({"SFT227"})),
)


def print_findings(
    findings: Sequence[Finding],
    console: Console | None = None,
    *,
    label_kind: LabelKind = "class",
    complete: bool = True,
    parts: bool = True,
) -> None:
    """Prints the data check: what is well, what was not looked at, what to know, what stops the run, and a count.

    Args:
        findings: what it found.
        console: where to; the terminal by default.
        label_kind: what a label is, which decides what there is to look at.
        complete: whether all checks ran; an error in the rows leaves out those that need all rows.
        parts: whether the data has parts to compare; false for a single file.
    """
    console = console or Console()
    console.rule("Data check")
    codes = {found.code for found in findings}
    for check in _CHECKS:
        if (check.kinds and label_kind not in check.kinds) or (check.of_parts and not parts) or codes & check.codes:
            continue
        if check.over_all and not complete:
            console.print(f"[dim]– {check.statement}: not checked[/]")
        else:
            console.print(f"[green]✔[/] {check.statement}")
    marks = {"warning": "[yellow]![/]", "error": "[red]✘[/]"}
    for found in sorted(findings, key=lambda found: found.severity == "error"):
        console.print(f"{marks[found.severity]} {escape(str(found))}", soft_wrap=True, highlight=False)
    errors = sum(found.severity == "error" for found in findings)
    console.print(f"{counted(len(findings) - errors, 'warning')}, {counted(errors, 'error')}")


def show_findings(
    findings: Sequence[Finding], *, label_kind: LabelKind, complete: bool = True, parts: bool = True
) -> None:
    """Prints the data check on the terminal and in the run's log; see `print_findings`."""
    for output in outputs():
        print_findings(findings, output, label_kind=label_kind, complete=complete, parts=parts)


def describe(data: LabelledData) -> Table:
    """Returns a table of the parts' sizes by label, or of the parts' numbers."""
    match data.label_kind:
        case "number":
            return _numbers_table(data)
        case "none":
            return _sizes_table(data)
    return _labels_table(data)


def _labels_table(data: LabelledData) -> Table:
    table = Table("label", *data.splits, title="Rows by part and label")
    for column in table.columns[1:]:
        column.justify = "right"
    counts = np.stack([label_counts(data.examples, rows) for rows in data.splits.values()])  # [parts, labels]
    sizes = [len(rows) for rows in data.splits.values()]
    by_size = np.argsort(-counts.sum(axis=0), kind="stable")
    shown = by_size if len(by_size) <= _MOST_LABELS else by_size[: _MOST_LABELS - 1]
    for label in shown:
        table.add_row(escape(data.label_names[label]), *_with_shares(counts[:, label].tolist(), sizes))
    if len(shown) < len(by_size):
        rest = counts[:, by_size[len(shown) :]].sum(axis=1)
        table.add_row(f"{len(by_size) - len(shown)} more", *_with_shares(rest.tolist(), sizes))
    table.add_section()
    table.add_row("rows", *(f"{size:,}" for size in sizes))
    return table


def _with_shares(counts: list[int], sizes: list[int]) -> list[str]:
    return [f"{count:,} ({count / size:.1%})" if size else "0" for count, size in zip(counts, sizes, strict=True)]


def _sizes_table(data: LabelledData) -> Table:
    table = Table(*data.splits, title="Rows by part")
    for column in table.columns:
        column.justify = "right"
    table.add_row(*(f"{len(rows):,}" for rows in data.splits.values()))
    return table


def _numbers_table(data: LabelledData) -> Table:
    table = Table("part", "rows", "mean", "deviation", "least", "greatest", title="Numbers by part")
    for column in table.columns[1:]:
        column.justify = "right"
    for part, rows in data.splits.items():
        numbers = data.examples.labels[rows]
        if len(numbers):
            figures = (numbers.mean(dtype=np.float64), numbers.std(dtype=np.float64), numbers.min(), numbers.max())
            table.add_row(part, f"{len(rows):,}", *(f"{figure:.4g}" for figure in figures))
    return table


def describe_lengths(lengths: np.ndarray, unit: str = "tokens") -> Table:
    """Returns a table with a bar for each range of lengths, which count `unit`."""
    table = Table(unit, "rows", "", title="Lengths", box=None)
    table.columns[0].justify = table.columns[1].justify = "right"
    bins = length_histogram(lengths)
    most = max((rows for _, _, rows in bins), default=0)
    for first, last, rows in bins:
        table.add_row(f"{first}-{last}", f"{rows:,}", "█" * round(40 * rows / most))
    return table
