"""The data check of labels: those that are unknown, rare, alone or absent, and names that may mean another thing."""

from __future__ import annotations

import difflib
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from sftkeras.config import DataConfig, LabelKind
from sftkeras.data.checks.findings import SHOWN, Finding, finding, place
from sftkeras.data.labels.spans.stored import OF_SPANS
from sftkeras.data.storage.examples import Examples
from sftkeras.errors import did_you_mean

RARE = 5  # training rows below which a label can hardly be learned

_CHUNK = 1 << 16
_MANY_RARE = 10  # rare labels from which, if they are half of all, the column may be the wrong one
_SEPARATORS = {"|": "a vertical bar", ",": "a comma", ";": "a semicolon"}

Splits = Mapping[str, np.ndarray]

_NAMED: tuple[LabelKind, ...] = ("class", "classes", "spans")  # kinds of labels that have names


def check_labels(examples: Examples, splits: Splits) -> Iterator[Finding]:
    """Runs all checks of labels; see each for what it finds."""
    yield from unknown_labels(examples)
    yield from one_label_only(examples, splits)
    yield from nothing_to_find(examples, splits)
    yield from labels_written_alike(examples)
    yield from several_labels_in_one(examples)
    yield from rare_labels(examples, splits)
    yield from absent_labels(examples, splits)


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
    labels = examples.labels[rows]
    return labels.members() if examples.label_kind in OF_SPANS else labels


def _rows_of_label(examples: Examples, label: int, begin: int, end: int) -> Iterator[int]:
    for chunk in range(begin, end, _CHUNK):
        labels = _labels(examples, slice(chunk, min(chunk + _CHUNK, end)))
        has = labels[:, label] > 0 if labels.ndim == 2 else labels == label
        yield from (np.flatnonzero(has) + chunk).tolist()


def unknown_labels(examples: Examples) -> Iterator[Finding]:
    """Labels in the validation or test files that no row of the training files has: they cannot be learned."""
    if examples.label_kind not in _NAMED:
        return
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
            more += f", with {_quoted([examples.label_names[label] for label in unknown[1:]])} too"
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


def one_label_only(examples: Examples, splits: Splits) -> Iterator[Finding]:
    """All training rows have the same label, label set or number."""
    if examples.label_kind in (*OF_SPANS, "none"):  # each row is many decisions
        return
    rows = splits["train"]
    first = examples.label_ids[rows[0]]
    for begin in range(0, len(rows), _CHUNK):
        if np.any(examples.label_ids[rows[begin : begin + _CHUNK]] != first):
            return
    what = "number" if examples.label_kind == "number" else "label"
    yield finding(
        "SFT220",
        "error",
        len(rows),
        file=examples.part_name(examples.given_parts[0]),
        rows=f"{len(rows):,}",
        what=what,
        value=examples.label_text(int(rows[0])),
    )


def nothing_to_find(examples: Examples, splits: Splits) -> Iterator[Finding]:
    """No question to train on has an answer."""
    rows = splits["train"]
    if examples.label_kind == "answers" and not label_counts(examples, rows).any():
        file = examples.part_name(examples.given_parts[0])
        yield finding("SFT282", "error", len(rows), file=file, rows=f"{len(rows):,}")


def labels_written_alike(examples: Examples) -> Iterator[Finding]:
    """Labels that differ only in case, spaces or Unicode form: often one label."""
    if examples.label_kind not in _NAMED:
        return
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
        examples.places(_first(_rows_of_label(examples, concerned[0], 0, len(examples)))),
        labels="; ".join(shown) + ("; …" if len(alike) > SHOWN else ""),
    )


def several_labels_in_one(examples: Examples) -> Iterator[Finding]:
    """Labels such as `plot|cast` whose parts are labels too: several labels in a cell that is read as one."""
    if examples.label_kind not in ("class", "classes"):
        return
    for separator, called in _SEPARATORS.items():
        numbers = _made_of_labels(examples.label_names, separator)
        if not numbers:
            continue
        counts = label_counts(examples, range(len(examples)))
        rows = int(counts[numbers].sum())
        setting = f'--data.label_separator "{separator}"'
        remedy = f"If it stands between labels, set {setting}"
        if examples.label_kind == "class":
            settings = ["--task.multi_label true", *([setting] if separator != DataConfig.label_separator else [])]
            remedy = f"If a text may have several labels, set {' and '.join(settings)}"
        yield finding(
            "SFT249",
            "warning",
            rows,
            examples.places(_first(_rows_of_label(examples, numbers[0], 0, len(examples)))),
            labels=_counted(len(numbers), len(examples.label_names), "holds", "hold"),
            separator=called,
            rows=f"{rows:,} of {len(examples):,} rows",
            examples=_quoted([examples.label_names[number] for number in numbers]),
            remedy=remedy,
        )


def _made_of_labels(names: Sequence[str], separator: str) -> list[int]:
    """The numbers of the names whose parts, between separators, are all names or parts of other names too."""
    parts = {number: [part.strip() for part in name.split(separator)] for number, name in enumerate(names)}
    seen = Counter(part for number in parts for part in set(parts[number]))
    return [
        number for number, found in parts.items() if len(found) > 1 and all(part and seen[part] > 1 for part in found)
    ]


def rare_labels(examples: Examples, splits: Splits) -> Iterator[Finding]:
    """Labels with hardly any row to train on; often misspellings of others."""
    if examples.label_kind not in _NAMED:
        return
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
        labels=_counted(len(rare), len(examples.label_names), "has", "have"),
        least=RARE,
        total=f"{len(splits['train']):,}",
        examples=", ".join(shown) + (", …" if len(rare) > SHOWN else ""),
        hint=" Is --data.label the right column?" if wrong_column else "",
    )


def absent_labels(examples: Examples, splits: Splits) -> Iterator[Finding]:
    """Labels that the validation or the test part has no row of."""
    if examples.label_kind not in _NAMED:
        return
    for part in ("validation", "test"):
        absent = np.flatnonzero(label_counts(examples, splits[part]) == 0).tolist()
        if absent:
            names = [examples.label_names[label] for label in absent]
            yield finding(
                "SFT225",
                "warning",
                len(absent),
                labels=_counted(len(absent), len(examples.label_names), "is", "are"),
                part=part,
                examples=_quoted(names),
                them="it" if len(absent) == 1 else "them",
            )


def _first(rows: Iterator[int]) -> list[int]:
    return [row for row, _ in zip(rows, range(SHOWN), strict=False)]


def _counted(number: int, of: int, one: str, several: str) -> str:
    return f"1 of {of:,} labels {one}" if number == 1 else f"{number:,} of {of:,} labels {several}"


def _rows(number: int) -> str:
    return "1 row" if number == 1 else f"{number:,} rows"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(map(_written, names[:SHOWN])) + (", …" if len(names) > SHOWN else "")


def _written(name: str) -> str:
    """A label as messages show it: what looks alike but is not, such as an accent of its own, is spelt out."""
    seen = unicodedata.normalize("NFC", name) == name and name.isprintable()
    return f'"{name}"' if seen else ascii(name).replace("'", '"')
