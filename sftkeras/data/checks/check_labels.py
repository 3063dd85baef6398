"""Checks of labels that several kinds share: names that are unknown, rare, alone, absent or may mean another one.

Each kind of label says in its `check` which of them apply.
"""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from sftkeras.data.checks.findings import SHOWN, Finding, finding, place
from sftkeras.data.storage.examples import Examples
from sftkeras.errors import did_you_mean

RARE = 5  # training rows below which a label can hardly be learned

_CHUNK = 1 << 16
_MANY_RARE = 10  # rare labels from which, if they are half of all, the column may be the wrong one

Splits = Mapping[str, np.ndarray]


def label_counts(examples: Examples, rows: np.ndarray | range) -> np.ndarray:
    """Returns how many of the rows have each label, [classes] int64."""
    counts = np.zeros(len(examples.label_names), np.int64)
    for begin in range(0, len(rows), _CHUNK):
        chunk = rows[begin : begin + _CHUNK]
        labels = _labels(examples, slice(chunk.start, chunk.stop) if isinstance(chunk, range) else chunk)
        if labels.ndim == 2:
            counts += labels.sum(axis=0, dtype=np.int64)
        else:
            counts += np.bincount(labels, minlength=len(counts))
    return counts


def _labels(examples: Examples, rows: slice | np.ndarray) -> np.ndarray:
    """The class id of each row, or where a row may have several labels, which it has, [rows, classes]."""
    return examples.label_kind.class_numbers(examples.labels[rows])


def _rows_of_label(examples: Examples, label: int, begin: int, end: int) -> Iterator[int]:
    for chunk in range(begin, end, _CHUNK):
        labels = _labels(examples, slice(chunk, min(chunk + _CHUNK, end)))
        has = labels[:, label] > 0 if labels.ndim == 2 else labels == label
        yield from (np.flatnonzero(has) + chunk).tolist()


def unknown_labels(examples: Examples) -> Iterator[Finding]:
    """Labels in the validation or test files that no row of the training files has: they cannot be learned."""
    in_train = label_counts(examples, range(*examples.part_rows(examples.given_parts[0])))
    known = [name for name, rows in zip(examples.label_names, in_train, strict=True) if rows]
    listed = ", ".join(known[:10]) + (", …" if len(known) > 10 else "")
    for part in examples.given_parts[1:]:
        begin, end = examples.part_rows(part)
        here = label_counts(examples, range(begin, end))
        unknown = np.flatnonzero((here > 0) & (in_train == 0)).tolist()
        if not unknown:
            continue
        name, rows = examples.label_names[unknown[0]], int(here[unknown].sum())
        places = examples.places(_first(_rows_of_label(examples, unknown[0], begin, end)))
        more = f" {rows - 1:,} more such" if rows > 1 else ""
        if len(unknown) > 1:
            more += f", with {quoted([examples.label_names[label] for label in unknown[1:]])} too"
        yield finding(
            "SFT214",
            "error",
            rows,
            places,
            place=place(*places[0]),
            label=f'"{name}"',
            known=listed,
            suggestion=did_you_mean(name, known),
            more=f"{more}." if more else "",
        )


def one_label_only(examples: Examples, splits: Splits, what: str) -> Iterator[Finding]:
    """All training rows have the same label, label set or number, which `what` words."""
    rows = splits["train"]
    first = examples.label_ids[rows[0]]
    for begin in range(0, len(rows), _CHUNK):
        if np.any(examples.label_ids[rows[begin : begin + _CHUNK]] != first):
            return
    yield finding(
        "SFT220",
        "error",
        len(rows),
        file=examples.part_name(examples.given_parts[0]),
        rows=f"{len(rows):,}",
        what=what,
        value=examples.label_text(int(rows[0])),
    )


def labels_written_alike(examples: Examples) -> Iterator[Finding]:
    """Labels that differ only in case, spaces or Unicode form: often one label."""
    groups: dict[str, list[int]] = {}
    for number, name in enumerate(examples.label_names):
        form = " ".join(unicodedata.normalize("NFKC", name).casefold().split())
        groups.setdefault(form, []).append(number)
    alike = [labels for labels in groups.values() if len(labels) > 1]
    if not alike:
        return
    counts = label_counts(examples, range(len(examples)))
    shown = [
        ", ".join(f"{_written(examples.label_names[label])} ({_rows(int(counts[label]))})" for label in labels)
        for labels in alike[:SHOWN]
    ]
    concerned = [label for labels in alike for label in labels]
    yield finding(
        "SFT248",
        "warning",
        int(counts[concerned].sum()),
        first_places(examples, concerned[0]),
        labels="; ".join(shown) + ("; …" if len(alike) > SHOWN else ""),
    )


def rare_labels(examples: Examples, splits: Splits) -> Iterator[Finding]:
    """Labels with hardly any row to train on; often misspellings of others."""
    counts = label_counts(examples, splits["train"])
    train_rows = examples.part_rows(examples.given_parts[0])
    in_files = label_counts(examples, range(*train_rows))
    nowhere = label_counts(examples, range(len(examples))) == 0
    common = [name for name, rows in zip(examples.label_names, counts, strict=True) if rows >= RARE]
    rare = np.flatnonzero((counts < RARE) & ((in_files > 0) | nowhere)).tolist()
    if not rare:
        return
    shown, places = [], []
    for label in rare[:SHOWN]:
        name = examples.label_names[label]
        found = examples.places(_first(_rows_of_label(examples, label, *train_rows)))
        where = f", such as {place(*found[0])}" if found else ""
        near = difflib.get_close_matches(name, common, n=1)
        meant = f", perhaps meant as {_written(near[0])}" if near else ""
        shown.append(f"{_written(name)} ({_rows(int(counts[label]))}{where}{meant})")
        places += found[:1]
    wrong_column = len(rare) >= _MANY_RARE and 2 * len(rare) >= len(examples.label_names)
    yield finding(
        "SFT224",
        "warning",
        len(rare),
        places,
        labels=some_labels(len(rare), len(examples.label_names), "has", "have"),
        least=RARE,
        total=f"{len(splits['train']):,}",
        examples=", ".join(shown) + (", …" if len(rare) > SHOWN else ""),
        hint=" Is --data.label the right column?" if wrong_column else "",
    )


def absent_labels(examples: Examples, splits: Splits) -> Iterator[Finding]:
    """Labels that the validation or the test part has no row of."""
    for part in ("validation", "test"):
        absent = np.flatnonzero(label_counts(examples, splits[part]) == 0).tolist()
        if absent:
            names = [examples.label_names[label] for label in absent]
            yield finding(
                "SFT225",
                "warning",
                len(absent),
                labels=some_labels(len(absent), len(examples.label_names), "is", "are"),
                part=part,
                examples=quoted(names),
                them="it" if len(absent) == 1 else "them",
            )


def first_places(examples: Examples, label: int) -> list[tuple[str, int]]:
    """Returns the places of the first few rows with a label."""
    return examples.places(_first(_rows_of_label(examples, label, 0, len(examples))))


def _first(rows: Iterator[int]) -> list[int]:
    return [row for row, _ in zip(rows, range(SHOWN), strict=False)]


def some_labels(number: int, of: int, one: str, several: str) -> str:
    """Words how many of the labels have something in common, with the verb for one label and for several."""
    return f"1 of {of:,} labels {one}" if number == 1 else f"{number:,} of {of:,} labels {several}"


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def quoted(names: Sequence[str]) -> str:
    """Words the first few names."""
    return ", ".join(map(_written, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")


def _written(name: str) -> str:
    """A label as messages show it: what looks alike but is not, such as an accent of its own, is spelt out."""
    seen = unicodedata.normalize("NFC", name) == name and name.isprintable()
    return f'"{name}"' if seen else ascii(name).replace("'", '"')
