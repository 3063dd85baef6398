"""The token cache: model inputs of every row, computed once, without padding, mapped from disk. Knows no tokenizer."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from rich.progress import Progress

from sftkeras.data.batches import BatchPlan
from sftkeras.data.checks.findings import Finding, finding
from sftkeras.data.storage.cached import find_or_make
from sftkeras.data.storage.examples import Texts
from sftkeras.data.storage.progress import RowCount
from sftkeras.disk.cache import VARIABLE, cache_folder
from sftkeras.disk.files import write_errors
from sftkeras.plurals import counted

FORMAT = 2  # of the cache; raise it when what is written changes
BATCH_ROWS = 1000  # texts given to `encode` at once

Ragged = tuple[np.ndarray, np.ndarray]
"""The values of all rows one after another, and the length of each row."""

Encode = Callable[[list[str], list[str] | None], tuple[Mapping[str, Ragged], np.ndarray]]
"""Turns texts (and second texts) into features by name, and the length of each row before it was cut, [rows].

Special tokens are in, rows are cut to the maximum length, nothing is padded, and the features of a row are equally
long.

For windows, of which a text may have several, the last is the number within the texts of each window's text.
"""


class TokenCache:
    """Features of every row of some examples, read-only.

    Attributes:
        unit: what `lengths` counts.
        lengths: [n] int32, tokens of each row.
        names: names of the features.
        truncated: how many rows were cut to the maximum length.
        longest: tokens of the longest row before the cut.
        limit: tokens of the longest row after it.
        windows: whether an example may have several rows, in which nothing is cut.
    """

    unit = "tokens"

    def __init__(self, folder: Path, manifest: Mapping[str, Any]) -> None:
        self.names: tuple[str, ...] = tuple(manifest["names"])
        self.truncated: int = manifest["truncated"]
        self.longest: int = manifest["longest"]
        self.limit: int = manifest["limit"]
        # Plain arrays over the mappings: np.memmap itself pays a Python call for each slice.
        self.lengths: np.ndarray = np.asarray(np.memmap(folder / "lengths.raw", np.int32, "r"))
        self.windows: bool = manifest["windows"]
        if self.windows:
            self._examples = np.asarray(np.memmap(folder / "examples.raw", np.int32, "r"))
        self._begins = np.asarray(np.memmap(folder / "begins.raw", np.int64, "r"))
        self._values = {
            name: np.asarray(np.memmap(folder / f"feature{number}.raw", np.int32, "r"))
            for number, name in enumerate(self.names)
        }

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, rows: np.ndarray, length: int) -> dict[str, np.ndarray]:
        """Returns the features of some rows, padded with zeros.

        Args:
            rows: [batch] row numbers.
            length: tokens of the padded rows, at least those of the longest.

        Returns:
            For each feature [batch, length] int32, and "padding_mask", 1 where there is a token.

        Raises:
            ValueError: a row is longer than `length`.
        """
        lengths = self.lengths[rows]
        if len(rows) and lengths.max() > length:
            raise ValueError(f"a row has {lengths.max()} tokens, which do not fit {length}")
        mask = np.arange(length) < lengths[:, None]  # [batch, length]
        # Row by row, the true places of the mask are the places of the row's values in the flat array.
        ends = np.cumsum(lengths)
        flat = np.arange(ends[-1] if len(ends) else 0) + np.repeat(self._begins[rows] - (ends - lengths), lengths)
        features = {}
        for name, values in self._values.items():
            features[name] = np.zeros(mask.shape, np.int32)
            features[name][mask] = values[flat]
        features["padding_mask"] = mask.astype(np.int32)
        return features

    def at(self, epoch: int) -> TokenCache:
        """The same in every epoch."""
        return self

    def rows_of(self, examples: np.ndarray) -> np.ndarray:
        """Returns the rows of some examples, ascending."""
        return np.flatnonzero(np.isin(self._examples, examples)).astype(np.int32) if self.windows else examples

    def of_rows(self, values: Any) -> Any:
        """Returns for each row what `values` has of its example."""
        return values[self._examples] if self.windows else values

    def describe(self, plan: BatchPlan) -> str:
        """Says how much of the plan's batches is padding, and how many texts were cut or divided."""
        if self.windows and len(self) > (texts := int(self._examples[-1]) + 1):
            return f"{plan.padding():.1%} padding, {counted(texts, 'text')} in {len(self):,} windows"
        # Some lost their end, conversations their first turns: a finding says which.
        shorter = f", {counted(self.truncated, 'text')} shortened to {self.limit} tokens or fewer"
        return f"{plan.padding():.1%} padding{shorter if self.truncated else ''}"

    def findings(self) -> list[Finding]:
        """Returns a warning if texts were cut."""
        if not self.truncated:
            return []
        return [
            finding(
                "SFT228",
                "warning",
                self.truncated,
                rows=f"{self.truncated:,}",
                total=f"{len(self):,}",
                share=f"{self.truncated / len(self):.1%}",
                limit=self.limit,
                longest=f"{self.longest:,}",
            )
        ]


def tokenise(
    examples: Texts, encode: Encode, key: str, progress: Progress | None = None, *, windows: bool = False
) -> TokenCache:
    """Returns the tokens of all examples; they are computed only if the cache lacks them.

    Args:
        encode: see `Encode`.
        key: hash of whatever decides what `encode` gives: the tokenizer's files and settings, the maximum length.
        progress: gets a task that counts rows.
        windows: a text may have several rows.

    Raises:
        SFTError: SFT106 or SFT108 if the cache cannot be written.
        ValueError: `encode` does not give what `Encode` says.
    """
    entry = hashlib.sha256(f"{FORMAT}\n{examples.fingerprint}\n{key}".encode()).hexdigest()[:32]
    folder = cache_folder("tokens") / entry
    return TokenCache(folder, find_or_make(folder, lambda new: _write(new, examples, encode, progress, windows)))


def _write(folder: Path, examples: Texts, encode: Encode, progress: Progress | None, windows: bool) -> dict[str, Any]:
    done = 0
    count = RowCount(progress, "Tokenising", len(examples))
    with _TokenWriter(folder) as writer:
        for texts, pairs in examples.text_batches(BATCH_ROWS):
            features, about = encode(texts, pairs)
            if windows:
                writer.add_windows(features, done + about)
            else:
                writer.add(features, about, rows=len(texts))
            done += len(texts)
            count.update(done)
    return {
        "windows": windows,
        "names": writer.names,
        "truncated": writer.truncated,
        "longest": writer.longest,
        "limit": writer.limit,
    }


class _TokenWriter:
    """Appends the features of rows to the flat files of a cache entry."""

    def __init__(self, folder: Path) -> None:
        self.names: list[str] = []
        self.truncated = self.longest = self.limit = 0
        self._folder = folder
        self._rows = self._tokens = 0
        self._open = ExitStack()
        self._files: dict[str, BinaryIO] = {}

    def __enter__(self) -> _TokenWriter:
        return self

    def __exit__(self, *error: object) -> None:
        with write_errors(self._folder, VARIABLE):
            self._open.close()

    def add_windows(self, features: Mapping[str, Ragged], examples: np.ndarray) -> None:
        """Adds windows, each with the number of its example."""
        self.add(features, next(iter(features.values()))[1], rows=len(examples))
        self._append("examples", np.asarray(examples, np.int32))

    def add(self, features: Mapping[str, Ragged], untruncated: np.ndarray, rows: int) -> None:
        lengths = _checked_lengths(features, untruncated, rows)
        self.names = self.names or list(features)
        self._append("lengths", lengths)
        self._append("begins", self._tokens + np.cumsum(lengths, dtype=np.int64) - lengths)
        for number, name in enumerate(self.names):
            self._append(f"feature{number}", np.asarray(features[name][0], np.int32))
        self._rows += rows
        self._tokens += int(lengths.sum(dtype=np.int64))
        self.truncated += int((untruncated > lengths).sum())
        self.longest = max(self.longest, int(untruncated.max()))
        self.limit = max(self.limit, int(lengths.max()))

    def _append(self, name: str, values: np.ndarray) -> None:
        with write_errors(self._folder, VARIABLE):
            if name not in self._files:
                self._files[name] = self._open.enter_context((self._folder / f"{name}.raw").open("wb"))
            self._files[name].write(values.tobytes())


def _checked_lengths(features: Mapping[str, Ragged], untruncated: np.ndarray, rows: int) -> np.ndarray:
    """Returns the row lengths that all features share, [rows] int32."""
    lengths = np.asarray(next(iter(features.values()))[1], np.int32)
    for name, (values, row_lengths) in features.items():
        if not np.array_equal(row_lengths, lengths) or len(values) != lengths.sum() or len(lengths) != rows:
            raise ValueError(f"encode gave {name} lengths that are not those of {rows} rows and of the other features")
    if len(untruncated) != rows or lengths.min() < 1:
        raise ValueError("encode must give each row at least one token, and its length before the cut")
    return lengths
