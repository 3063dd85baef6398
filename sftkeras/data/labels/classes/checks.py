"""The data check of classes: what holds for all names, and names that may be several labels in one cell."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import numpy as np

from sftkeras.config import DataConfig
from sftkeras.data.checks.check_labels import (
    absent_labels,
    first_places,
    label_counts,
    labels_written_alike,
    one_label_only,
    quoted,
    rare_labels,
    some_labels,
    unknown_labels,
)
from sftkeras.data.checks.findings import Finding, finding
from sftkeras.data.storage.examples import Examples

_SEPARATORS = {"|": "a vertical bar", ",": "a comma", ";": "a semicolon"}


def check_classes(examples: Examples, splits: Mapping[str, np.ndarray], *, one_a_text: bool) -> Iterator[Finding]:
    """Runs all checks of classes; see each for what it finds."""
    yield from unknown_labels(examples)
    yield from one_label_only(examples, splits, "label")
    yield from labels_written_alike(examples)
    yield from several_labels_in_one(examples, one_a_text=one_a_text)
    yield from rare_labels(examples, splits)
    yield from absent_labels(examples, splits)


def several_labels_in_one(examples: Examples, *, one_a_text: bool) -> Iterator[Finding]:
    """Labels such as `plot|cast` whose parts are labels too: several labels in a cell that is read as one."""
    for separator, called in _SEPARATORS.items():
        numbers = _made_of_labels(examples.label_names, separator)
        if not numbers:
            continue
        rows = int(label_counts(examples, range(len(examples)))[numbers].sum())
        setting = f'--data.label_separator "{separator}"'
        remedy = f"If it stands between labels, set {setting}"
        if one_a_text:
            settings = ["--task.multi_label true", *([setting] if separator != DataConfig.label_separator else [])]
            remedy = f"If a text may have several labels, set {' and '.join(settings)}"
        yield finding(
            "SFT249",
            "warning",
            rows,
            first_places(examples, numbers[0]),
            labels=some_labels(len(numbers), len(examples.label_names), "holds", "hold"),
            separator=called,
            rows=f"{rows:,} of {len(examples):,} rows",
            examples=quoted([examples.label_names[number] for number in numbers]),
            remedy=remedy,
        )


def _made_of_labels(names: Sequence[str], separator: str) -> list[int]:
    """The numbers of the names whose parts, between separators, are all names or parts of other names too."""
    parts = {number: [part.strip() for part in name.split(separator)] for number, name in enumerate(names)}
    seen = Counter(part for number in parts for part in set(parts[number]))
    return [
        number for number, found in parts.items() if len(found) > 1 and all(part and seen[part] > 1 for part in found)
    ]
