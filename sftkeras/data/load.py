"""The one way from the settings to checked, divided, labelled data."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np
from rich.progress import Progress

from sftkeras.config import DataConfig
from sftkeras.data.augmentation.text_tables import read_tables
from sftkeras.data.checks.check import check, conflicting_labels, duplicates
from sftkeras.data.checks.findings import Finding, finding, stop_on_errors
from sftkeras.data.checks.first_look import check_split
from sftkeras.data.checks.repeats import Repeats, find_repeats
from sftkeras.data.formats.sources import PARTS, find_part, find_sources
from sftkeras.data.labels.contract import LabelKind
from sftkeras.data.split import UNUSED, rows_of, split_rows
from sftkeras.data.storage.examples import Examples
from sftkeras.data.storage.store import open_examples
from sftkeras.data.storage.weights import check_weights
from sftkeras.errors import SFTError


@dataclass(frozen=True)
class LabelledData:
    """Examples on disk, divided into parts and checked.

    Attributes:
        examples: the rows of all files.
        splits: for "train", "validation" and "test", the rows of the part, ascending, int32.
        label_kind: what a label is.
        label_names: names of the classes, in the order of their ids; () where labels have none.
        findings: what the data check found; only warnings, since an error stops.
        fingerprint: hash of the files' contents and of all settings that decide rows, labels and parts.
        earlier: the rows of the runs that this one begins with, by their folders, the last first; labels have the same
            numbers.
    """

    examples: Examples
    splits: dict[str, np.ndarray]
    label_kind: LabelKind
    label_names: tuple[str, ...]
    findings: tuple[Finding, ...]
    fingerprint: str
    earlier: Mapping[str, LabelledData] = field(default_factory=dict)

    def with_labels_first(self, names: Sequence[str]) -> LabelledData:
        """Returns the same rows with labels numbered as in `names`; what labels there are beyond follow these."""
        known = set(names)
        examples = self.examples.with_label_names([*names, *(name for name in self.label_names if name not in known)])
        return replace(self, examples=examples, label_names=examples.label_names)

    def text_hashes(self, *parts: str) -> np.ndarray:
        """Returns the hash of the text of each row of some parts, [rows] uint64."""
        return np.concatenate([self.examples.hashes[self.splits[part]] for part in parts])

    def without(self, part: str, *hashes: np.ndarray) -> LabelledData:
        """Returns the same data, but for the rows of a part whose texts have one of these hashes."""
        rows = self.splits[part]
        kept = rows[~np.isin(self.examples.hashes[rows], np.concatenate(hashes))]
        return replace(self, splits={**self.splits, part: kept})


def load_data(config: DataConfig, label_kind: LabelKind, seed: int, progress: Progress | None = None) -> LabelledData:
    """Reads, checks and divides the data; what was read before is taken from the cache.

    Args:
        label_kind: as the task's spec gives it.
        seed: decides, with text and label, which part a row is in.
        progress: gets one task for each file that is read.

    Raises:
        DataError: the check found errors; it carries all findings.
        SFTError: SFT201 to SFT241, for files, columns and settings.
    """
    check_split(config)
    label_kind.check_settings(config)
    tables = [table.fingerprint for table in read_tables(config.augmentation) if table]
    sources = find_sources(config)
    examples, findings = open_examples(sources, config, label_kind, progress=progress)
    repeats = find_repeats(examples.hashes)
    splits = _splits(examples, repeats, config, seed, progress)
    findings += [*check(examples, splits, repeats), *_unused_rows(splits, examples, config)]
    stop_on_errors(findings, complete=True)
    check_weights(examples, splits, config.weight)
    return LabelledData(
        examples=examples,
        splits=splits,
        label_kind=label_kind,
        label_names=examples.label_names,
        findings=tuple(findings),
        fingerprint=_hash(examples.fingerprint, config.split, seed, *tables),
    )


def load_file(
    handles: str | Sequence[str],
    config: DataConfig,
    label_kind: LabelKind,
    label_names: Sequence[str],
    progress: Progress | None = None,
    *,
    flag: str = "--data",
) -> LabelledData:
    """Reads labelled files to evaluate a model on: all their rows are the test part.

    Args:
        handles: the file or files; `config` says how to read them, its own files are not looked at.
        label_names: the labels the model knows, in the order of their ids; the ids in the data are the same.
        flag: the setting that holds the handles, named in errors.

    Raises:
        DataError: a file has rows at fault, or labels that the model does not know (SFT214).
        SFTError: as `load_data`.
    """
    sources = find_part(handles, "test", config.format, flag=flag)
    label_kind.check_settings(config)
    known = label_names if label_kind.has_names else None
    examples, findings = open_examples(sources, config, label_kind, known, progress)
    repeats = find_repeats(examples.hashes)
    findings += [*duplicates(examples, repeats), *conflicting_labels(examples, repeats)]
    nothing = np.empty(0, np.int32)
    splits = {"train": nothing, "validation": nothing, "test": np.arange(len(examples), dtype=np.int32)}
    return LabelledData(examples, splits, label_kind, examples.label_names, tuple(findings), examples.fingerprint)


def _splits(
    examples: Examples, repeats: Repeats, config: DataConfig, seed: int, progress: Progress | None
) -> dict[str, np.ndarray]:
    """Takes each part from its own files, the others as shares of the training files."""
    splits: dict[str, np.ndarray] = {
        part: np.arange(*examples.part_rows(part), dtype=np.int32) for part in examples.given_parts
    }
    missing = [part for part in PARTS if part not in splits]
    if missing:
        rows = examples.part_rows("train")[1]
        shares = [config.split[PARTS.index(part)] for part in missing]
        # What a part with files of its own does not take stays with the training rows.
        train = sum(config.split) - sum(shares)
        strata = examples.label_kind.strata(examples, rows)
        together = examples.label_kind.together(examples, repeats, progress).among(rows)
        parts = split_rows(examples.hashes[:rows], strata, together, [train, *shares], seed)
        for number, part in enumerate(["train", *missing]):
            splits[part] = rows_of(parts, number)
            if not len(splits[part]):
                raise _no_rows_for(part, examples, rows, config)
        splits["unused"] = rows_of(parts, UNUSED)
    return {part: splits[part] for part in (*PARTS, "unused") if part in splits}


def _no_rows_for(part: str, examples: Examples, rows: int, config: DataConfig) -> SFTError:
    """Names why a share of the training rows has none: hardly any label has a second row, or there are too few."""
    texts, labels = len(np.unique(examples.hashes[:rows])), examples.label_names
    if examples.label_kind.too_many_names(labels, texts):
        shown = ", ".join(f'"{name[:30]}"' for name in labels[:3])
        column = config.label_column
        return SFTError("SFT260", part=part, column=column, labels=len(labels), rows=rows, examples=shown)
    return SFTError("SFT232", part=part, rows=rows, texts=texts, split=list(config.split))


def _unused_rows(splits: dict[str, np.ndarray], examples: Examples, config: DataConfig) -> list[Finding]:
    """Rows that no share covers, which is the user's wish; the parts alone are kept in `splits`."""
    rows = len(splits.pop("unused", ()))
    if not rows:
        return []
    total = f"{sum(config.split):g}"
    return [finding("SFT237", "warning", rows, more_rows=f"{rows:,} of {len(examples):,}", total=total)]


def _hash(*values: object) -> str:
    return hashlib.sha256(json.dumps(values).encode()).hexdigest()[:32]
