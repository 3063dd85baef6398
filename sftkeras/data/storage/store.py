"""Writes the rows of all files into the cache, once for each content and each setting that decides rows or labels.

`examples` reads what is written here.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
from rich.progress import Progress

from sftkeras.config import DataConfig
from sftkeras.data.checks.findings import FaultTally, Finding, row_findings, stop_on_errors
from sftkeras.data.formats.blocks import Block
from sftkeras.data.formats.cells import cell_text
from sftkeras.data.formats.marking import marked_blocks
from sftkeras.data.formats.sources import Source
from sftkeras.data.formats.text_files import locate_broken_byte, stored
from sftkeras.data.labels.contract import LabelKind
from sftkeras.data.labels.reader import LabelReader
from sftkeras.data.storage.cached import find_or_make
from sftkeras.data.storage.examples import Examples
from sftkeras.data.storage.progress import RowCount
from sftkeras.data.storage.rows import Rows, sift
from sftkeras.disk.cache import VARIABLE, cache_folder
from sftkeras.disk.files import write_errors
from sftkeras.errors import SFTError

FORMAT = 4  # of the cache; raise it when what is written, or what decides it, changes

# The settings that decide rows or labels. The rest of DataConfig decides which part a row is in.
_DECIDING = (
    "text",
    "pair",
    "mark",
    "label",
    "label_names",
    "label_separator",
    "weight",
    "tag_scheme",
    "where",
    "bad_rows",
    "columns",
    "delimiter",
    "quoted",
    "encoding",
)


def open_examples(
    sources: Sequence[Source],
    config: DataConfig,
    kind: LabelKind,
    known_labels: Sequence[str] | None = None,
    progress: Progress | None = None,
) -> tuple[Examples, list[Finding]]:
    """Returns the examples of all sources, in order, and what was found while reading them.

    They are read only if the cache lacks them; two processes that want the same wait for each other.

    Args:
        known_labels: the only labels there may be, in the order of their ids; None learns them.

    Raises:
        DataError: rows at fault, if data.bad_rows is "error".
        SFTError: what `read_blocks` raises; SFT236 if a file changes meanwhile; SFT239 or SFT230 if no row is left.
    """
    before = [_state(source) for source in sources]

    def write(unfinished: Path) -> dict[str, Any]:
        about = _write(unfinished, sources, config, kind, known_labels, progress)
        for source, state in zip(sources, before, strict=True):
            if _state(source) != state:
                raise SFTError("SFT236", file=source.name)
        return about

    folder = cache_folder("data") / _fingerprint(sources, config, kind, known_labels)
    manifest = find_or_make(folder, write)
    tallies = [FaultTally.from_json(tally) for tally in manifest["tallies"]]
    return Examples(folder, manifest, sources, kind), _findings(sources, tallies, config)


# --- fingerprint ---


def _fingerprint(
    sources: Sequence[Source], config: DataConfig, kind: LabelKind, known_labels: Sequence[str] | None
) -> str:
    decides = {
        "format": FORMAT,
        "kind": kind.name,
        "known_labels": list(known_labels) if known_labels is not None else None,
        "settings": {name: getattr(config, name) for name in _DECIDING},
        "sources": [(source.part, source.format, _content_hash(source)) for source in sources],
    }
    return hashlib.sha256(json.dumps(decides, sort_keys=True).encode()).hexdigest()[:32]


def _content_hash(source: Source) -> str:
    if source.hub:
        from sftkeras.data.formats.read_arrow import hub_hash

        return hub_hash(source)
    with stored(source) as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


# --- writing ---


def _write(
    folder: Path,
    sources: Sequence[Source],
    config: DataConfig,
    kind: LabelKind,
    known_labels: Sequence[str] | None,
    progress: Progress | None,
) -> dict[str, Any]:
    column = kind.layout(sources[0], config).label
    labels = kind.reader(column, config, known_labels)
    tallies, ends = [], []
    with _RowWriter(folder, labels.pack, pairs=bool(config.pair), weights=bool(config.weight)) as writer:
        for source in sources:
            tallies.append(_write_source(writer, source, config, kind, labels, progress))
            ends.append(writer.rows)
    _stop_on_bad_rows(sources, tallies, ends, config, kind)
    with write_errors(folder, VARIABLE):
        about = _finish_labels(folder, labels, writer.rows)
    if kind.has_names and not about["label_names"]:
        problem = f"None has a label in column {column} (--data.label)."
        raise SFTError("SFT239", file=sources[0].name, problem=problem)
    return {
        "kind": kind.name,
        "rows": writer.rows,
        "file_ends": ends,
        "forms": [kind.layout(source, config).form for source in sources],
        "batch_starts": writer.starts,
        "tallies": [tally.to_json() for tally in tallies],
        **about,
    }


def _state(source: Source) -> tuple[int, int] | None:
    if source.path is None:
        return None
    status = source.path.stat()
    return status.st_size, status.st_mtime_ns


def _write_source(
    writer: _RowWriter,
    source: Source,
    config: DataConfig,
    kind: LabelKind,
    labels: LabelReader,
    progress: Progress | None,
) -> FaultTally:
    tally = FaultTally()
    count = RowCount(progress, f"Reading {Path(source.name).name}")
    before = writer.rows
    for block in _blocks(source, config, kind):
        writer.add(sift(block, config, labels, tally))
        rows = writer.rows - before
        count.update(rows, max(rows, round(rows / block.done)) if block.done else None)
    count.update(writer.rows - before, writer.rows - before)
    locate_broken_byte(tally, source, config.encoding)
    return tally


def _blocks(source: Source, config: DataConfig, kind: LabelKind) -> Iterator[Block]:
    """The rows of a source with texts in one column and labels in another, whatever its format."""
    return marked_blocks(kind.layout(source, config).blocks, config)


def _stop_on_bad_rows(
    sources: Sequence[Source], tallies: Sequence[FaultTally], ends: list[int], config: DataConfig, kind: LabelKind
) -> None:
    stop_on_errors(_findings(sources, tallies, config))
    begin = 0
    for _, of_part in groupby(zip(sources, ends, strict=True), key=lambda pair: pair[0].part):
        files = list(of_part)
        end = files[-1][1]
        if begin == end:  # of several files, one may well have no row that data.where asks for
            raise _nothing_left(files[0][0], config, kind)
        begin = end


def _findings(sources: Sequence[Source], tallies: Sequence[FaultTally], config: DataConfig) -> list[Finding]:
    """Problems of single rows, a finding for each kind and part."""
    found = []
    for _, of_part in groupby(zip(sources, tallies, strict=True), key=lambda pair: pair[0].part):
        found += row_findings([(source.name, tally) for source, tally in of_part], config.bad_rows)
    return found


def _nothing_left(source: Source, config: DataConfig, kind: LabelKind) -> SFTError:
    if not config.where:
        problem = "All are faulty and were skipped (--data.bad_rows skip)."
        if config.bad_rows == "error":
            problem = "None was accepted by its annotator (SFT268)."
        return SFTError("SFT239", file=source.name, problem=problem)
    asked = " and ".join(f"{column}={value}" for column, value in config.where.items())
    block = next(_blocks(source, config, kind))
    seen = dict.fromkeys(
        f"{column}={cell_text(cell) or ''}" for column in config.where for cell in block.columns[column]
    )
    shown = ", ".join(list(seen)[:10]) + (", …" if len(seen) > 10 else "")
    return SFTError("SFT230", file=source.name, where=asked, seen=shown)


class _RowWriter:
    """Appends rows to the files of a cache entry."""

    def __init__(self, folder: Path, pack: Callable[[np.ndarray], bytes], *, pairs: bool, weights: bool) -> None:
        names = ["text", *(["pair"] if pairs else [])]
        self._schema = pa.schema([*((name, pa.large_string()) for name in names), ("line", pa.uint32())])
        self._folder = folder
        self._pack = pack
        self._weighted = weights
        self._files = ExitStack()
        self.rows = 0
        self.starts: list[int] = []  # first row of each record batch

    def __enter__(self) -> _RowWriter:
        with write_errors(self._folder, VARIABLE):
            self._table = self._files.enter_context(pa.ipc.new_file(str(self._folder / "examples.arrow"), self._schema))
            self._hashes = self._files.enter_context((self._folder / "hashes.raw").open("wb"))
            self._labels = self._files.enter_context((self._folder / "labels.raw").open("wb"))
            if self._weighted:
                self._weights = self._files.enter_context((self._folder / "weights.raw").open("wb"))
        return self

    def __exit__(self, *error: object) -> None:
        with write_errors(self._folder, VARIABLE):
            self._files.close()

    def add(self, rows: Rows) -> None:
        if not len(rows.lines):
            return
        columns = [rows.texts, *([rows.pairs] if rows.pairs is not None else []), pa.array(rows.lines)]
        self.starts.append(self.rows)
        with write_errors(self._folder, VARIABLE):
            self._table.write_batch(pa.record_batch(columns, schema=self._schema))
            self._hashes.write(rows.hashes.tobytes())
            if self._weighted:
                self._weights.write(rows.weights.tobytes())
            self._labels.write(self._pack(rows.labels))
        self.rows += len(rows.lines)


def _finish_labels(folder: Path, labels: LabelReader, rows: int) -> dict[str, Any]:
    """Lets the reader write the labels as they are mapped, and returns what the manifest says of them."""
    path = folder / "labels.raw"
    about = labels.finish(folder, np.memmap(path, labels.dtype, "r"), rows)
    path.unlink()
    return {"label_names": [], "label_sets": [], **about}
