"""One number a row, before anything heavy is loaded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from sftkeras.config import DataConfig
from sftkeras.data.labels.contract import LabelKind

if TYPE_CHECKING:
    import numpy as np
    from rich.table import Table

    from sftkeras.data.checks.findings import Finding
    from sftkeras.data.labels.reader import LabelReader
    from sftkeras.data.load import LabelledData
    from sftkeras.data.storage.examples import Examples

_BINS = 10  # quantiles that stand for classes in the split


class Numbers(LabelKind):
    """Labels are [n] float32."""

    name = "number"

    def reader(self, column: str, config: DataConfig, known: Sequence[str] | None) -> LabelReader:
        """Makes the reader of numbers."""
        from sftkeras.data.labels.numbers.reader import NumberReader

        return NumberReader(column)

    def strata(self, examples: Examples, rows: int) -> np.ndarray:
        """Returns the quantile that each number is in."""
        return strata_of_numbers(examples.labels[:rows])

    def check(self, examples: Examples, splits: Mapping[str, np.ndarray]) -> Iterator[Finding]:
        """Yields the finding that there is one number alone."""
        from sftkeras.data.checks.check_labels import one_label_only

        yield from one_label_only(examples, splits, "number")

    def label_text(self, examples: Examples, row: int) -> str:
        """Words the number."""
        return f"{examples.labels[row]:g}"

    def batch_label(self, label: Any, names: Sequence[str]) -> str:
        """Words the number as it is."""
        return str(label)

    def describe(self, data: LabelledData) -> Table:
        """Returns a table of the parts' rows, and of the mean, deviation and range of their numbers."""
        import numpy as np
        from rich.table import Table

        table = Table("part", "rows", "mean", "deviation", "least", "greatest", title="Numbers by part")
        for column in table.columns[1:]:
            column.justify = "right"
        for part, rows in data.splits.items():
            numbers = data.examples.labels[rows]
            if len(numbers):
                figures = (numbers.mean(dtype=np.float64), numbers.std(dtype=np.float64), numbers.min(), numbers.max())
                table.add_row(part, f"{len(rows):,}", *(f"{figure:.4g}" for figure in figures))
        return table


def strata_of_numbers(numbers: np.ndarray) -> np.ndarray:
    """Returns the quantile each number is in, [n] int32."""
    import numpy as np

    bins = max(1, min(_BINS, len(numbers) // _BINS))
    edges = np.quantile(numbers, np.linspace(0, 1, bins + 1)[1:-1])
    return np.searchsorted(edges, numbers, side="right").astype(np.int32)


NUMBERS = Numbers()
