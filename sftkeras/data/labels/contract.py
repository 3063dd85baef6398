"""Contract of a kind of label: how it is read, kept, divided, checked and shown. Most parts have defaults.

A kind is an object that a task's spec gives; nothing lists the kinds there are. It is needed before the first row is
read, so the module that defines it imports no NumPy, Arrow or TensorFlow: its methods import what they need.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar

from sftkeras.config import DataConfig
from sftkeras.data.formats.blocks import Block
from sftkeras.data.formats.marking import check_marks
from sftkeras.data.formats.read import read_blocks, wanted_columns
from sftkeras.data.formats.sources import Source
from sftkeras.errors import SFTError

if TYPE_CHECKING:
    import numpy as np
    from rich.progress import Progress
    from rich.table import Table

    from sftkeras.data.checks.findings import Finding
    from sftkeras.data.checks.repeats import Repeats
    from sftkeras.data.labels.reader import LabelReader
    from sftkeras.data.load import LabelledData
    from sftkeras.data.storage.examples import Examples


@dataclass(frozen=True)
class SourceLayout:
    """Columns in which the rows of a source keep texts and labels, and how they are read.

    Attributes:
        columns: the columns to read, each with the setting that names it.
        label: the column of labels, for messages.
        blocks: yields the rows with texts and labels in the columns that the settings name.
        first_blocks: yields the rows as the file has them; its first block is read at the first look, and shows what is
            wrong with the file as a whole.
        form: what the rows are, in words, where a kind reads several forms.
    """

    columns: Mapping[str, str]
    label: str
    blocks: Callable[[], Iterator[Block]]
    first_blocks: Callable[[], Iterator[Block]]
    form: str = ""


class LabelKind:
    """A kind of label.

    Attributes:
        name: what manifests of the cache and reports call it.
        has_labels: whether there is a column of labels.
        has_names: whether labels have names that are learned from the rows, each with a number.
        in_text: whether labels are places in the text, which rewriting it would move.
        several_columns: whether data.label may name several columns.
        refuses: settings of the data that have no effect.
        malformed: codes of faults that only rows of this kind have: the row is not well formed.
        statements: what the data check says of all rows if no finding has one of the codes, beside what it always says.
    """

    name: ClassVar[str]
    has_labels: ClassVar[bool] = True
    has_names: ClassVar[bool] = False
    in_text: ClassVar[bool] = False
    several_columns: ClassVar[bool] = False
    refuses: ClassVar[tuple[str, ...]] = ()
    malformed: ClassVar[frozenset[str]] = frozenset()
    statements: ClassVar[Mapping[str, frozenset[str]]] = MappingProxyType({})

    # --- reading ---

    def check_settings(self, config: DataConfig) -> None:
        """Checks the settings of the data that concern labels.

        Raises:
            SFTError: SFT259 for marks that cannot be, SFT246 for several columns of labels where there is to be one.
        """
        if config.mark and self.in_text:
            raise SFTError("SFT259", problem="the labels of this task are places in the text, which markers would move")
        check_marks(config)
        names = config.label_columns
        if len(names) > 1 and not self.several_columns:
            raise SFTError("SFT246", count=len(names), columns=", ".join(names))

    def layout(self, source: Source, config: DataConfig) -> SourceLayout:
        """Finds the columns of a source, as far as its header or its first rows show them.

        Raises:
            SFTError: as `read_blocks`.
        """
        columns = wanted_columns(config, source.part, labelled=self.has_labels)

        def blocks() -> Iterator[Block]:
            return read_blocks(source, columns, config)

        return SourceLayout(columns, config.label_column, blocks, blocks)

    def reader(self, column: str, config: DataConfig, known: Sequence[str] | None) -> LabelReader:
        """Makes the reader of label cells.

        Args:
            column: the column of labels, for messages.
            config: gives names of raw labels and the separator.
            known: the only labels there may be, in the order of their ids; None learns them from the cells.
        """
        raise NotImplementedError

    # --- the cache ---

    def open(self, folder: Path, label_names: Sequence[str]) -> tuple[Any, np.ndarray]:
        """Maps the labels that the reader's `finish` wrote.

        Returns:
            The labels of n rows, which are indexed as an array is, and [n] int32, equal for rows with equal labels.
        """
        import numpy as np

        # Plain arrays over the mappings: np.memmap itself pays a Python call for each slice.
        labels = np.asarray(np.load(folder / "labels.npy", mmap_mode="r"))
        return labels, labels.view(np.int32)

    def renumbered(
        self, labels: Any, label_ids: np.ndarray, places: np.ndarray, classes: int
    ) -> tuple[Any, np.ndarray]:
        """Returns labels, and the ids of equal ones, with other class ids. Asked of kinds whose labels have names.

        Args:
            labels: as `open` gives them.
            label_ids: as `open` gives them.
            places: [old classes] int32, the new id of each class.
            classes: how many classes there are.
        """
        raise NotImplementedError

    # --- the split ---

    def strata(self, examples: Examples, rows: int) -> np.ndarray:
        """Returns the stratum of each of the first rows, [rows] int32 from 0: each is divided in the same shares."""
        raise NotImplementedError

    def together(self, examples: Examples, repeats: Repeats, progress: Progress | None = None) -> Repeats:
        """Returns the groups of rows that one part must have whole: by default those with equal texts.

        Args:
            examples: all rows.
            repeats: rows with equal texts.
            progress: gets a task, if it takes long.
        """
        return repeats

    def too_many_names(self, names: Sequence[str], texts: int) -> bool:
        """Whether so many texts hardly have so many labels: the column may be another one's."""
        return False

    # --- checks ---

    def check(self, examples: Examples, splits: Mapping[str, np.ndarray]) -> Iterator[Finding]:
        """Yields what is wrong with the labels over all rows; `sftkeras.data.checks.check_labels` has checks to use."""
        yield from ()

    def class_numbers(self, labels: Any) -> np.ndarray:
        """Returns the class id of each row, [n]; or where a row may have several classes, which it has, [n, classes].

        Args:
            labels: of some rows, as `open` gives them. Asked of kinds whose labels have names.
        """
        found: np.ndarray = labels
        return found

    # --- words ---

    def label_text(self, examples: Examples, row: int) -> str:
        """Words the label of a row, for messages."""
        raise NotImplementedError

    def batch_label(self, label: Any, names: Sequence[str]) -> str:
        """Words the label of a row of a training batch, as the task's `targets` made it; empty if it says nothing."""
        return ""

    def describe(self, data: LabelledData) -> Table:
        """Returns a table of the sizes of the parts, by label where labels have names."""
        from sftkeras.data.show import labels_table, sizes_table

        return labels_table(data) if data.label_names else sizes_table(data)
