"""Labels of whole texts by their names, before anything heavy is loaded: one a text, or none, one or several."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.config import DataConfig
from sftkeras.data.formats.sources import Source
from sftkeras.data.labels.classes.rows import columns_of, labelled_blocks, labels_among
from sftkeras.data.labels.contract import LabelKind, SourceLayout

if TYPE_CHECKING:
    import numpy as np

    from sftkeras.data.checks.findings import Finding
    from sftkeras.data.labels.reader import LabelReader
    from sftkeras.data.storage.examples import Examples

_MANY_LABELS = 10  # from which labels with a row each are probably no classes


class _Classes(LabelKind):
    """Common parts of both kinds of classes."""

    has_names = True
    several_columns = True
    malformed = frozenset({"SFT252"})

    def layout(self, source: Source, config: DataConfig) -> SourceLayout:
        """Finds the columns of labels; raises as `columns_of`."""
        columns = columns_of(source, config)
        blocks = partial(labelled_blocks, source, columns, config)
        return SourceLayout(columns, ", ".join(labels_among(columns)), blocks, blocks)

    def too_many_names(self, names: Sequence[str], texts: int) -> bool:
        """Whether hardly any label has a second text."""
        return len(names) >= _MANY_LABELS and 2 * len(names) > texts


class OneLabel(_Classes):
    """Labels are [n] int32 class ids."""

    name = "class"

    def reader(self, column: str, config: DataConfig, known: Sequence[str] | None) -> LabelReader:
        """Makes the reader of cells with one label each."""
        from sftkeras.data.labels.classes.readers import ClassReader
        from sftkeras.data.labels.names import LabelNames

        return ClassReader(LabelNames(column, config.label_names, known))

    def renumbered(
        self, labels: np.ndarray, label_ids: np.ndarray, places: np.ndarray, classes: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the new class ids, which are also the ids of equal labels."""
        found = places[labels]
        return found, found

    def strata(self, examples: Examples, rows: int) -> np.ndarray:
        """Each class is a stratum."""
        classes: np.ndarray = examples.labels[:rows]
        return classes

    def check(self, examples: Examples, splits: Mapping[str, np.ndarray]) -> Iterator[Finding]:
        """Yields labels that are unknown, alone, rare, absent, or may mean another label or several."""
        from sftkeras.data.labels.classes.checks import check_classes

        yield from check_classes(examples, splits, one_a_text=True)

    def label_text(self, examples: Examples, row: int) -> str:
        """Words the label."""
        return f'"{examples.label_names[examples.labels[row]]}"'

    def batch_label(self, label: Any, names: Sequence[str]) -> str:
        """Words the name of a class id."""
        return f'"{names[int(label)]}"'


class SeveralLabels(_Classes):
    """Labels are [n, classes] uint8, 1 for those a row has; rows with the same labels have a label set in common."""

    name = "classes"

    def reader(self, column: str, config: DataConfig, known: Sequence[str] | None) -> LabelReader:
        """Makes the reader of cells with any number of labels."""
        from sftkeras.data.labels.classes.readers import ClassesReader
        from sftkeras.data.labels.names import LabelNames

        return ClassesReader(LabelNames(column, config.label_names, known), config.label_separator)

    def open(self, folder: Path, label_names: Sequence[str]) -> tuple[Any, np.ndarray]:
        """Maps the labels, and the number of each row's label set."""
        import numpy as np

        labels, sets = (np.asarray(np.load(folder / name, mmap_mode="r")) for name in ("labels.npy", "sets.npy"))
        return labels, sets

    def renumbered(
        self, labels: np.ndarray, label_ids: np.ndarray, places: np.ndarray, classes: int
    ) -> tuple[np.ndarray, np.ndarray]:
        """Returns the labels in their new columns; label sets keep their numbers."""
        import numpy as np

        found = np.zeros((len(labels), max(classes, 1)), labels.dtype)
        found[:, places] = labels[:, : len(places)]
        return found, label_ids

    def strata(self, examples: Examples, rows: int) -> np.ndarray:
        """Divides frequent label sets by themselves, the others by their rarest label."""
        from sftkeras.data.labels.classes.label_sets import strata_of_sets

        return strata_of_sets(examples.label_ids[:rows], examples.label_sets)

    def check(self, examples: Examples, splits: Mapping[str, np.ndarray]) -> Iterator[Finding]:
        """Yields labels that are unknown, alone, rare, absent, or may mean another label or several."""
        from sftkeras.data.labels.classes.checks import check_classes

        yield from check_classes(examples, splits, one_a_text=False)

    def label_text(self, examples: Examples, row: int) -> str:
        """Words all labels."""
        labels = examples.label_sets[examples.label_ids[row]]
        return ", ".join(f'"{examples.label_names[label]}"' for label in labels) or "no label"

    def batch_label(self, label: Any, names: Sequence[str]) -> str:
        """Words the names of a text's labels, [classes] of 0 and 1."""
        return ", ".join(f'"{names[number]}"' for number in label.nonzero()[0].tolist()) or "none"


ONE_LABEL = OneLabel()
SEVERAL_LABELS = SeveralLabels()
