"""The examples on disk: texts, labels and the place each came from, read through memory mappings. Writes nothing."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from copy import copy
from pathlib import Path
from typing import Any, Protocol

import numpy as np
import pyarrow as pa

from sftkeras.data.formats.sources import Part, Source
from sftkeras.data.labels.contract import LabelKind


class Texts(Protocol):
    """The texts of examples, as `Examples` has them or rewritten: what model inputs are made of.

    Attributes:
        fingerprint: hash of all that decides them.
    """

    fingerprint: str

    def __len__(self) -> int: ...

    def texts(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """Returns the texts of some rows, in their order."""

    def text_batches(self, size: int) -> Iterator[tuple[list[str], list[str] | None]]:
        """Yields texts and second texts of all rows in order, at most `size` at once."""


class Examples:
    """Read-only view of one entry of the data cache. Rows are numbered from 0, file after file.

    Attributes:
        fingerprint: hash of the files' contents and of the settings that decide rows and labels.
        file_names: what messages call the files.
        file_ends: for each file, the row after its last.
        file_parts: the part that each file was given for; the files of a part follow one another, train first.
        forms: what the rows of each file are, in words, where the label kind reads several forms.
        label_kind: what a label is.
        label_names: names of the classes, in the order of their ids; () where labels have none.
        labels: of n rows, mapped from disk and indexed as an array is; see the class of the label kind for their form.
        label_ids: [n] int32, equal for rows with equal labels.
        label_sets: the class ids of each label set, by its number; empty unless rows have several labels.
        hashes: [n] uint64, equal for equal texts (and pairs), whatever their case and outer spaces.
        weights: [n] float32, what each row counts in the loss; None if the data does not say.
    """

    def __init__(
        self, folder: Path, manifest: Mapping[str, Any], sources: Sequence[Source], label_kind: LabelKind
    ) -> None:
        self.fingerprint = folder.name
        self.file_names = tuple(source.name for source in sources)
        self.file_ends: list[int] = manifest["file_ends"]
        self.file_parts = tuple(source.part for source in sources)
        self.forms: tuple[str, ...] = tuple(manifest["forms"])
        self.label_kind = label_kind
        self.label_names: tuple[str, ...] = tuple(manifest["label_names"])
        self.label_sets = [tuple(labels) for labels in manifest["label_sets"]]
        self.labels, self.label_ids = label_kind.open(folder, self.label_names)
        # Plain arrays over the mappings: np.memmap itself pays a Python call for each slice.
        self.hashes: np.ndarray = np.asarray(np.memmap(folder / "hashes.raw", np.uint64, "r"))
        weights = folder / "weights.raw"
        self.weights = np.asarray(np.memmap(weights, np.float32, "r")) if weights.exists() else None
        self._starts = np.array(manifest["batch_starts"], np.int64)
        self._table = pa.ipc.open_file(pa.memory_map(str(folder / "examples.arrow")))

    def __len__(self) -> int:
        return self.file_ends[-1]

    @property
    def has_pairs(self) -> bool:
        """Whether each example has a second text."""
        return "pair" in self._table.schema.names

    def with_label_names(self, names: Sequence[str]) -> Examples:
        """Returns the same rows with the labels numbered by their place in `names`, which has all of theirs."""
        if tuple(names) == self.label_names:
            return self
        numbers = {name: number for number, name in enumerate(names)}
        places = np.array([numbers[name] for name in self.label_names], np.int32)
        other = copy(self)
        other.label_names = tuple(names)
        other.labels, other.label_ids = self.label_kind.renumbered(self.labels, self.label_ids, places, len(numbers))
        other.label_sets = [tuple(sorted(places[list(labels)].tolist())) for labels in self.label_sets]
        return other

    def texts(self, rows: Sequence[int] | np.ndarray) -> list[str]:
        """Returns the texts of some rows, in their order."""
        return self._cells("text", rows)

    def pairs(self, rows: Sequence[int] | np.ndarray) -> list[str] | None:
        """Returns the second texts of some rows, None if there are none."""
        return self._cells("pair", rows) if self.has_pairs else None

    def places(self, rows: Sequence[int] | np.ndarray) -> list[tuple[str, int]]:
        """Returns file name and 1-based line of each row (row number, where a format has no lines)."""
        files = np.searchsorted(self.file_ends, np.asarray(rows), side="right")
        return [(self.file_names[file], line) for file, line in zip(files, self._cells("line", rows), strict=True)]

    def text_batches(self, size: int) -> Iterator[tuple[list[str], list[str] | None]]:
        """Yields texts and second texts of all rows in order, at most `size` at once."""
        for number in range(self._table.num_record_batches):
            batch = self._table.get_batch(number)
            for begin in range(0, batch.num_rows, size):
                part = batch.slice(begin, size)
                yield part.column("text").to_pylist(), part.column("pair").to_pylist() if self.has_pairs else None

    @property
    def given_parts(self) -> tuple[Part, ...]:
        """The parts that have files of their own."""
        return tuple(dict.fromkeys(self.file_parts))

    def part_rows(self, part: Part) -> tuple[int, int]:
        """Returns the first row of a part's own files and the row after their last."""
        first = self.file_parts.index(part)
        return (self.file_ends[first - 1] if first else 0), self.file_ends[first + self.file_parts.count(part) - 1]

    def part_name(self, part: Part) -> str:
        """Names the files of a part."""
        names = [name for name, of in zip(self.file_names, self.file_parts, strict=True) if of == part]
        return names[0] if len(names) == 1 else f"{names[0]} and {len(names) - 1} more"

    def rows_fingerprint(self, rows: np.ndarray) -> str:
        """Returns a hash of some rows, their texts and labels in this order, whatever else is in the files."""
        ids = self.label_ids[rows]
        if self.label_sets:  # their numbers depend on the other rows
            known = [hashlib.sha256(bytes(str(sorted(labels)), "ascii")).digest()[:8] for labels in self.label_sets]
            ids = np.frombuffer(b"".join(known), np.uint64)[ids]
        digest = hashlib.sha256(json.dumps(self.label_names).encode())
        for array in (self.hashes[rows], ids):
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    def label_text(self, row: int) -> str:
        """Words the label of one row."""
        return self.label_kind.label_text(self, row)

    def _cells(self, column: str, rows: Sequence[int] | np.ndarray) -> list[Any]:
        wanted = np.asarray(rows, np.int64)
        if wanted.size and (wanted.min() < 0 or wanted.max() >= len(self)):
            raise IndexError(f"rows go from 0 to {len(self) - 1}")
        batches = np.searchsorted(self._starts, wanted, side="right") - 1
        cells: list[Any] = [None] * len(wanted)
        for batch in np.unique(batches):
            positions = np.flatnonzero(batches == batch)
            values = self._table.get_batch(int(batch)).column(column)
            taken = values.take(pa.array(wanted[positions] - self._starts[batch])).to_pylist()
            for position, cell in zip(positions.tolist(), taken, strict=True):
                cells[position] = cell
        return cells
