"""Spans of characters as labels, before anything heavy is loaded: the entities of a text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from sftkeras.config import DataConfig
from sftkeras.data.formats.sources import Source
from sftkeras.data.labels.contract import LabelKind, SourceLayout
from sftkeras.data.labels.spans.rows import find_layout, marked_up_blocks, tagged_blocks
from sftkeras.errors import SFTError

if TYPE_CHECKING:
    import numpy as np

    from sftkeras.data.checks.findings import Finding
    from sftkeras.data.labels.reader import LabelReader
    from sftkeras.data.storage.examples import Examples


class OfSpans(LabelKind):
    """Labels are `SpanLabels`: for each row [spans, 3] int32 of start, end and the label's id.

    Attributes:
        nothing: how messages word a row without a span.
    """

    in_text = True
    nothing: ClassVar[str]

    def open(self, folder: Path, label_names: Sequence[str]) -> tuple[Any, np.ndarray]:
        """Maps the spans, and a checksum of each row's."""
        from sftkeras.data.labels.spans.stored import SpanLabels

        _, checksums = super().open(folder, label_names)
        return SpanLabels.open(folder, len(label_names)), checksums

    def renumbered(
        self, labels: Any, label_ids: np.ndarray, places: np.ndarray, classes: int
    ) -> tuple[Any, np.ndarray]:
        """Returns the spans with new label numbers; the checksums stay, equal for equal spans."""
        return labels.renumbered(places, classes), label_ids

    def strata(self, examples: Examples, rows: int) -> np.ndarray:
        """Returns the rarest label of each row; rows without one are a stratum of their own."""
        strata: np.ndarray = examples.labels[:rows].strata()
        return strata

    def class_numbers(self, labels: Any) -> np.ndarray:
        """Returns which labels each row has."""
        members: np.ndarray = labels.members()
        return members

    def label_text(self, examples: Examples, row: int) -> str:
        """Words the label and the place of each span."""
        spans = next(iter(examples.labels[row : row + 1])).tolist()
        return (
            ", ".join(f'"{examples.label_names[label]}" {start}-{end}' for start, end, label in spans) or self.nothing
        )


class Entities(OfSpans):
    """Any number of labelled spans a text, none of which overlap."""

    name = "spans"
    has_names = True
    refuses = ("weight",)
    nothing = "no entity"
    malformed = frozenset({"SFT250", "SFT251", "SFT252", "SFT253", "SFT254", "SFT255", "SFT266"})

    def check_settings(self, config: DataConfig) -> None:
        """Checks the settings as every kind does; SFT256 for second texts."""
        super().check_settings(config)
        if config.pair:
            raise SFTError("SFT256")

    def layout(self, source: Source, config: DataConfig) -> SourceLayout:
        """Finds the columns of texts, words and entities; raises as `read_blocks`."""
        found = find_layout(source, config)
        return SourceLayout(
            found.columns,
            config.label_column,
            partial(tagged_blocks, source, found, config),
            partial(marked_up_blocks, source, found, config),
        )

    def reader(self, column: str, config: DataConfig, known: Sequence[str] | None) -> LabelReader:
        """Makes the reader of lists of spans, whose labels have the names of data.label_names already."""
        from sftkeras.data.labels.names import LabelNames
        from sftkeras.data.labels.spans.stored import SpansReader

        return SpansReader(LabelNames(column, None, known))

    def check(self, examples: Examples, splits: Mapping[str, np.ndarray]) -> Iterator[Finding]:
        """Yields labels that are unknown, rare, absent or may mean another one, and entities that cut words."""
        from sftkeras.data.labels.spans.checks import check_entities

        yield from check_entities(examples, splits)


ENTITIES = Entities()
