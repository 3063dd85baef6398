"""Results of the data check: one `Finding` for each kind of problem, and the tally of bad rows while a file is read.

The checks themselves are in `check` and in the kinds of labels, the printing is in `printing`.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

from sftkeras.errors import CATALOGUE, SFTError

Severity = Literal["error", "warning"]

SHOWN = 5  # rows of one kind whose places are kept and named


@dataclass(frozen=True)
class Finding:
    """One kind of problem in the data, however often it occurs.

    Attributes:
        code: its key in the error catalogue.
        severity: an error stops the run, a warning is shown and reported.
        message: the catalogue's text, filled in, without the code.
        count: how many rows (or texts, or labels) are concerned.
        places: file and line of the first few.
    """

    code: str
    severity: Severity
    message: str
    count: int
    places: tuple[tuple[str, int], ...] = ()

    def __str__(self) -> str:
        return f"{self.code}  {self.message}"

    def to_json(self) -> dict[str, Any]:
        """Returns the finding as plain values, for the report."""
        return asdict(self)


def finding(
    code: str, severity: Severity, count: int, places: Iterable[tuple[str, int]] = (), **details: object
) -> Finding:
    """Makes a finding whose message is the catalogue's text, filled with `details`."""
    return Finding(code, severity, CATALOGUE[code].format(**details), count, tuple(places))


class DataError(SFTError):
    """Stops the run: the first error among the findings, which also names the codes of the others.

    Attributes:
        findings: all findings, warnings too.
        complete: whether all checks ran; otherwise those that need all rows did not.
    """

    def __init__(self, findings: Sequence[Finding], *, complete: bool = False) -> None:
        first, *others = [found for found in findings if found.severity == "error"]
        self.code = first.code
        self.details = {}
        self.findings = tuple(findings)
        self.complete = complete
        also = f" (Also found: {', '.join(sorted({other.code for other in others}))}.)" if others else ""
        Exception.__init__(self, f"{first}{also}")


def stop_on_errors(findings: Sequence[Finding], *, complete: bool = False) -> None:
    """Raises `DataError` if any finding is an error; `complete` says whether all checks ran."""
    if any(found.severity == "error" for found in findings):
        raise DataError(findings, complete=complete)


def place(file: str, line: int) -> str:
    """Words a place in a file."""
    return f"{file} {line_of(file, line)}"


def line_of(file: str, line: int) -> str:
    """Words a place in a file already named."""
    return f"{_unit(file)} {line}"


def _unit(file: str) -> str:
    """Unit of places in a file: rows, where its format has no lines or it comes from rows in memory, else lines."""
    rows = file.endswith((".parquet", ".xlsx")) or file.startswith("hf://") or file in ("train", "validation", "test")
    return "row" if rows else "line"


@dataclass(frozen=True)
class Fault:
    """Why one row cannot be used, or should be looked at.

    Attributes:
        code: a key of the error catalogue.
        details: what the catalogue's text names, apart from the place.
    """

    code: str
    details: Mapping[str, str] = field(default_factory=dict)


@dataclass
class Kind:
    """The rows of one file that have the same fault."""

    fault: Fault
    count: int = 0
    lines: list[int] = field(default_factory=list)  # the first few


REMEDY = "Fix it, or skip such rows with --data.bad_rows skip."

# Faults of rows that are used, or skipped because the data itself says so: warnings.
ODD_ROW = frozenset({"SFT226", "SFT227", "SFT265", "SFT268", "SFT279", "SFT283"})


class FaultTally:
    """Counts the faults of one file's rows, by code, and keeps the first few lines of each."""

    def __init__(self) -> None:
        self.kinds: dict[str, Kind] = {}

    def add(self, fault: Fault, line: int, count: int = 1) -> None:
        """Counts `count` rows with a fault, of which the first is at `line`."""
        kind = self.kinds.setdefault(fault.code, Kind(fault))
        kind.count += count
        if len(kind.lines) < SHOWN:
            kind.lines.append(line)

    def to_json(self) -> list[dict[str, Any]]:
        """Returns plain values that `from_json` reads back."""
        return [
            {"code": kind.fault.code, "details": dict(kind.fault.details), "count": kind.count, "lines": kind.lines}
            for kind in self.kinds.values()
        ]

    @classmethod
    def from_json(cls, values: Iterable[Mapping[str, Any]]) -> FaultTally:
        """Reads what `to_json` wrote."""
        tally = cls()
        for value in values:
            fault = Fault(value["code"], value["details"])
            tally.kinds[fault.code] = Kind(fault, value["count"], list(value["lines"]))
        return tally


def row_findings(tallies: Sequence[tuple[str, FaultTally]], bad_rows: Literal["error", "skip"]) -> list[Finding]:
    """Words the tallies of the files of one part, one finding for each kind of fault.

    Bad rows are errors or, skipped, warnings; odd rows are warnings; all else is an error.
    """
    kinds: dict[str, list[tuple[str, Kind]]] = {}
    for file, tally in tallies:
        for code, kind in tally.kinds.items():
            kinds.setdefault(code, []).append((file, kind))
    return [_row_finding(code, found, bad_rows) for code, found in kinds.items()]


def _row_finding(code: str, kinds: Sequence[tuple[str, Kind]], bad_rows: Literal["error", "skip"]) -> Finding:
    (file, first), *others = kinds
    count = sum(kind.count for _, kind in kinds)
    skipped = _can_be_skipped(code) and bad_rows == "skip"
    return finding(
        code,
        "warning" if skipped or code in ODD_ROW else "error",
        count,
        [(name, line) for name, kind in kinds for line in kind.lines][:SHOWN],
        place=place(file, first.lines[0]) + first.fault.details.get("within", ""),
        more=_more_rows(file, first, [name for name, _ in others], count - 1),
        remedy="Skipped." if skipped else REMEDY,
        **{name: value for name, value in first.fault.details.items() if name != "within"},
    )


def _can_be_skipped(code: str) -> bool:
    """Whether a fault is that of a row alone: its text then has a place for more rows and for the remedy."""
    return "{more}" in CATALOGUE[code] and "{remedy}" in CATALOGUE[code]


def _more_rows(file: str, kind: Kind, others: Sequence[str], count: int) -> str:
    """Says how many more rows have a fault: the places of the first in this file, the names of other files."""
    if not count:
        return ""
    places = []
    if lines := [str(line) for line in kind.lines[1:]]:
        unit = _unit(file) + ("s" if len(lines) > 1 else "")
        places.append(f"{unit} {', '.join(lines)}{', …' if kind.count > len(kind.lines) else ''}")
    if others:
        places.append(f"in {', '.join(others[:SHOWN])}{', …' if len(others) > SHOWN else ''}")
    return f" {count:,} more such: {'; '.join(places)}."
