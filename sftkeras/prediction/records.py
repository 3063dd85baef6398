"""Records of predictions: each text with the other columns of its row and what was predicted. Imports no TensorFlow."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any

from rich.progress import Progress

from sftkeras.data.checks.findings import SHOWN, place
from sftkeras.data.formats.unlabelled import TextBlock
from sftkeras.plurals import counted
from sftkeras.prediction.backends import Model
from sftkeras.tasks.predictions import Record, record_keys, records


def text_records(model: Model, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[Record]:
    """Returns a record for each text, with the text in it, and its second text if the model takes pairs."""
    if not texts:
        return []
    return list(_with_texts(model, TextBlock([*texts], None if pairs is None else [*pairs]), lambda rows: None))


def row_records(model: Model, blocks: Iterator[TextBlock], progress: Progress) -> Iterator[Record]:
    """Yields a record for each row of a file or of what was typed.

    Empty texts are counted on standard error at the end.
    """
    names, empty = _ColumnNames(), _EmptyTexts()
    read = 0
    with progress:
        task = progress.add_task("Predicting", total=None, note="")
        for block in blocks:
            empty.look_for(block)
            read += len(block.texts)
            progress.update(task, total=read / block.done if block.done else None, note=f"{read:,} read")
            if block.texts:
                yield from _with_texts(model, block, partial(progress.advance, task), names)
    if empty.count:
        print(empty.in_words(read), file=sys.stderr)


def _with_texts(
    model: Model, block: TextBlock, progress: Callable[[int], object], names: _ColumnNames | None = None
) -> Iterator[Record]:
    predicted = list(records(model.predict(block.texts, block.pairs, progress), model.predictions))
    others = names.free_of(predicted, block) if names else {}
    for row, record in enumerate(predicted):
        pair = {} if block.pairs is None else {"pair": block.pairs[row]}
        kept = {name: cells[row] for name, cells in others.items()}
        yield {"text": block.texts[row], **pair, **kept, **record}


class _EmptyTexts:
    """Rows with an empty text: how many there are, and where the first ones stand."""

    def __init__(self) -> None:
        self.count = 0
        self._places: list[str] = []

    def look_for(self, block: TextBlock) -> None:
        """Counts those of a block."""
        for row, texts in enumerate(zip(block.texts, block.pairs or block.texts, strict=True)):
            if all(map(str.strip, texts)):
                continue
            self.count += 1
            if block.places and len(self._places) < SHOWN:
                self._places.append(place(*block.places[row]))

    def in_words(self, rows: int) -> str:
        """Says how many of some rows they are."""
        more = ", …" if self.count > len(self._places) else ""
        places = f" ({', '.join(self._places)}{more})" if self._places else ""
        means = "its answer means" if self.count == 1 else "their answers mean"
        return f"{counted(self.count, 'empty text')} among {counted(rows, 'row')}{places}: {means} nothing."


class _ColumnNames:
    """Names of the further columns of a file: one that records have too gets `input_` before it."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._taken = {"text", "pair", *record_keys()}

    def free_of(self, predicted: list[Record], block: TextBlock) -> dict[str, list[Any]]:
        """Returns the other columns of a block by names that neither its records have nor those before."""
        self._taken |= {name for record in predicted for name in record}
        for column in block.others:
            if column not in self._names:
                name = column
                while name in self._taken:
                    name = f"input_{name}"
                self._names[column] = name
                self._taken.add(name)
        return {self._names[column]: cells for column, cells in block.others.items()}
