"""Tables of the data for people to see: sizes of the parts by label, lengths of the texts."""

from __future__ import annotations

import numpy as np
from rich.markup import escape
from rich.table import Table

from sftkeras.data.batches import length_histogram
from sftkeras.data.checks.check_labels import label_counts
from sftkeras.data.load import LabelledData

_MOST_LABELS = 30  # rows of the table; the rarer labels are summed up


def describe(data: LabelledData) -> Table:
    """Returns a table of the parts, as the kind of label describes them."""
    return data.label_kind.describe(data)


def labels_table(data: LabelledData) -> Table:
    """Returns a table of how many rows of each part have which label."""
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


def sizes_table(data: LabelledData) -> Table:
    """Returns a table of the rows of each part."""
    table = Table(*data.splits, title="Rows by part")
    for column in table.columns:
        column.justify = "right"
    table.add_row(*(f"{len(rows):,}" for rows in data.splits.values()))
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
