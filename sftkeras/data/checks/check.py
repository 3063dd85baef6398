"""The data check: small functions that each look for one kind of problem and yield findings.

Faults of single rows are found while the rows are read; here are those that show only over all rows: what the kind of
label checks, and equal texts.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from sftkeras.data.checks.findings import SHOWN, Finding, finding, line_of, place
from sftkeras.data.checks.repeats import Repeats
from sftkeras.data.storage.examples import Examples


def check(examples: Examples, splits: Mapping[str, np.ndarray], repeats: Repeats) -> list[Finding]:
    """Runs all checks that need all rows; see each for what it finds."""
    return [
        *examples.label_kind.check(examples, splits),
        *duplicates(examples, repeats),
        *conflicting_labels(examples, repeats),
        *leaks(examples, repeats),
    ]


def duplicates(examples: Examples, repeats: Repeats) -> Iterator[Finding]:
    """Rows of one part's files that have the text, and the label if there are labels, of an earlier one."""
    order, same_group = _neighbours(examples, repeats)
    parts = _parts_of(examples, repeats.rows[order])
    labels = examples.label_ids[repeats.rows[order]]
    repeated = same_group & (parts[1:] == parts[:-1]) & (labels[1:] == labels[:-1])
    for number, part in enumerate(examples.given_parts):
        at = np.flatnonzero(repeated & (parts[1:] == number))
        pairs = _equal_pairs(examples, repeats.rows[order[at]], repeats.rows[order[at + 1]])
        if pairs:
            places = examples.places([later for _, later in pairs])
            name = examples.part_name(part)
            earlier, later = (_within(name, *at) for at in (*examples.places([pairs[0][0]]), places[0]))
            begin, end = examples.part_rows(part)
            yield finding(
                "SFT221",
                "warning",
                len(at),
                places,
                file=name,
                rows=f"{len(at):,}",
                total=f"{end - begin:,}",
                what="the text and the label" if examples.label_kind.has_labels else "the text",
                later=later,
                earlier=earlier,
            )


def _parts_of(examples: Examples, rows: np.ndarray) -> np.ndarray:
    """Returns for each row the number of the part whose file it is in, among those that have files."""
    ends = [examples.part_rows(part)[1] for part in examples.given_parts]
    return np.searchsorted(ends, rows, side="right")


def _within(named: str, file: str, line: int) -> str:
    """Words a place of a file that may be named already."""
    return line_of(file, line) if file == named else place(file, line)


def _neighbours(examples: Examples, repeats: Repeats) -> tuple[np.ndarray, np.ndarray]:
    """Orders repeated rows by group, part, label and row; also whether each has the group of the one before."""
    parts = _parts_of(examples, repeats.rows)
    order = np.lexsort((repeats.rows, examples.label_ids[repeats.rows], parts, repeats.groups))
    groups = repeats.groups[order]
    return order, groups[1:] == groups[:-1]


def conflicting_labels(examples: Examples, repeats: Repeats) -> Iterator[Finding]:
    """One text under two labels: the model cannot satisfy both."""
    labels = examples.label_ids[repeats.rows]
    order = np.lexsort((repeats.rows, labels, repeats.groups))
    groups = repeats.groups[order]
    differ = (groups[1:] == groups[:-1]) & (labels[order[1:]] != labels[order[:-1]])
    at = np.flatnonzero(differ)
    texts = len(np.unique(groups[at]))
    pairs = _equal_pairs(examples, repeats.rows[order[at]], repeats.rows[order[at + 1]])
    if pairs:
        first, second = sorted(pairs[0])
        places = examples.places([row for pair in pairs for row in sorted(pair)])
        yield finding(
            "SFT222",
            "warning",
            texts,
            places,
            texts=f"{texts:,}",
            place=place(*places[0]),
            first=examples.label_text(first),
            other=place(*places[1]),
            second=examples.label_text(second),
        )


def leaks(examples: Examples, repeats: Repeats) -> Iterator[Finding]:
    """Rows of the validation or test files whose text is in the files of an earlier part too."""
    parts = _parts_of(examples, repeats.rows)
    names = [examples.part_name(part) for part in examples.given_parts]
    for later in range(1, len(names)):
        begin, end = examples.part_rows(examples.given_parts[later])
        for earlier in range(later):
            first_row = np.full(len(repeats), -1, np.int64)
            inside = np.flatnonzero(parts == earlier)[::-1]
            first_row[repeats.groups[inside]] = repeats.rows[inside]
            rows = np.flatnonzero((parts == later) & (first_row[repeats.groups] >= 0))
            pairs = _equal_pairs(examples, first_row[repeats.groups[rows]], repeats.rows[rows])
            if pairs:
                here = examples.places([row for _, row in pairs])
                there = examples.places([row for row, _ in pairs])
                yield finding(
                    "SFT223",
                    "warning",
                    len(rows),
                    here,
                    rows=f"{len(rows):,}",
                    total=f"{end - begin:,}",
                    file=names[later],
                    earlier=names[earlier],
                    place=_within(names[later], *here[0]),
                    other=place(*there[0]),
                )


def _equal_pairs(examples: Examples, first: np.ndarray, second: np.ndarray) -> list[tuple[int, int]]:
    """Returns the first few pairs of rows, in file order, whose texts are equal indeed and not their hashes alone."""
    shown = np.argsort(second, kind="stable")[:SHOWN]
    pairs = list(zip(first[shown].tolist(), second[shown].tolist(), strict=True))
    return [pair for pair in pairs if len({_comparable(examples, row) for row in pair}) == 1]


def _comparable(examples: Examples, row: int) -> tuple[str, ...]:
    pairs = examples.pairs([row]) or []
    # As Arrow's utf8_lower does, each letter by itself: Python's own lower() knows a final sigma.
    return tuple("".join(map(str.lower, text.strip())) for text in (*examples.texts([row]), *pairs))
