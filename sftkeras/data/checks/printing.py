"""The data check as people see it: what is well, what was not checked, and what was found. Prints with rich."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from rich.console import Console
from rich.markup import escape

from sftkeras.console import outputs
from sftkeras.data.checks.findings import Finding
from sftkeras.data.labels.contract import LabelKind
from sftkeras.plurals import counted


@dataclass(frozen=True)
class _Check:
    """One thing that is checked.

    Attributes:
        statement: what is so, if nothing was found.
        codes: of findings by which it is not so.
        needs: what the kind of label must have, or it is not checked; None checks it always.
        over_all: whether it needs all rows, so that it is left out once a row cannot be read.
        of_parts: whether it compares parts, so that it is left out where a single file is read.
    """

    statement: str
    codes: frozenset[str]
    needs: Literal["labels", "names"] | None = None
    over_all: bool = False
    of_parts: bool = False


# What else makes a row malformed, the kind of label knows.
_WELL_FORMED = _Check("every row is well formed", frozenset({"SFT206", "SFT210", "SFT211", "SFT219"}))

# What is checked, in the order shown.
_CHECKS = (
    _WELL_FORMED,
    _Check("every text can be decoded", frozenset({"SFT207", "SFT208"})),
    _Check("every row has a text", frozenset({"SFT216"})),
    _Check("every row has a label", frozenset({"SFT217", "SFT218", "SFT215", "SFT244", "SFT267"}), "labels"),
    _Check("no label is unknown", frozenset({"SFT214"}), "names", over_all=True),
    _Check("no label is rare", frozenset({"SFT224", "SFT225"}), "names", over_all=True, of_parts=True),
    _Check("there is something to learn", frozenset({"SFT220", "SFT282"}), "labels", over_all=True, of_parts=True),
    _Check(
        "no label looks like another, or like several",
        frozenset({"SFT248", "SFT249"}),
        "names",
        over_all=True,
        of_parts=True,
    ),
    _Check("no row occurs twice", frozenset({"SFT221"}), over_all=True),
    _Check("no text has two different labels", frozenset({"SFT222"}), "labels", over_all=True),
    _Check("no text is in two files", frozenset({"SFT223"}), over_all=True, of_parts=True),
    _Check("no text looks wrongly decoded", frozenset({"SFT226"})),
    _Check("no text is very long", frozenset({"SFT227"})),
)


def print_findings(
    findings: Sequence[Finding],
    console: Console | None = None,
    *,
    label_kind: LabelKind,
    complete: bool = True,
    parts: bool = True,
) -> None:
    """Prints the data check: what is well, what was not checked, warnings, errors, and a count.

    Args:
        findings: what it found.
        console: where to; the terminal by default.
        label_kind: decides what there is to check.
        complete: whether all checks ran; an error in the rows leaves out those that need all rows.
        parts: whether the data has parts to compare; false for a single file.
    """
    console = console or Console()
    console.rule("Data check")
    codes = {found.code for found in findings}
    if codes & label_kind.malformed:
        codes |= _WELL_FORMED.codes
    own = (_Check(statement, of, over_all=True, of_parts=True) for statement, of in label_kind.statements.items())
    for check in (*_CHECKS, *own):
        if not _applies(check, label_kind) or (check.of_parts and not parts) or codes & check.codes:
            continue
        if check.over_all and not complete:
            console.print(f"[dim]– {check.statement}: not checked[/]")
        else:
            console.print(f"[green]✔[/] {check.statement}")
    _print_all(findings, console)


def show_statements(title: str, statements: Mapping[str, frozenset[str]], findings: Sequence[Finding]) -> None:
    """Prints a check of a task's own: what is so, since no finding has one of the codes, and what was found."""
    codes = {found.code for found in findings}
    for output in outputs():
        output.rule(title)
        for statement, of in statements.items():
            if not codes & of:
                output.print(f"[green]✔[/] {statement}")
        _print_all(findings, output)


def _print_all(findings: Sequence[Finding], console: Console) -> None:
    """Prints findings, errors last, and their numbers."""
    marks = {"warning": "[yellow]![/]", "error": "[red]✘[/]"}
    for found in sorted(findings, key=lambda found: found.severity == "error"):
        console.print(f"{marks[found.severity]} {escape(str(found))}", soft_wrap=True, highlight=False)
    errors = sum(found.severity == "error" for found in findings)
    console.print(f"{counted(len(findings) - errors, 'warning')}, {counted(errors, 'error')}")


def _applies(check: _Check, label_kind: LabelKind) -> bool:
    have = {"labels": label_kind.has_labels, "names": label_kind.has_names}
    return check.needs is None or have[check.needs]


def show_findings(
    findings: Sequence[Finding], *, label_kind: LabelKind, complete: bool = True, parts: bool = True
) -> None:
    """Prints the data check on the terminal and in the run's log; see `print_findings`."""
    for output in outputs():
        print_findings(findings, output, label_kind=label_kind, complete=complete, parts=parts)
