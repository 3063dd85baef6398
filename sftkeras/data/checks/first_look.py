"""Checks files, columns and settings against each other at once. Reads headers only.

Must answer before anything heavy is imported: no NumPy, no Arrow (but for Parquet), no TensorFlow.
"""

from __future__ import annotations

import math

from sftkeras.config import DataConfig
from sftkeras.data.augmentation.text_tables import check_augmentation
from sftkeras.data.formats.blocks import check_columns
from sftkeras.data.formats.patterns import listed
from sftkeras.data.formats.sources import PARTS, Source, find_part
from sftkeras.data.labels.contract import LabelKind, SourceLayout
from sftkeras.errors import SFTError

_FILES = 20  # of a part that are looked into: of hundreds, the others are found out while they are read


def quick_check(config: DataConfig, label_kind: LabelKind) -> None:
    """Checks that the files are there and have the columns that the settings name.

    A data set of the hub, or a `pypi:` file that is not in the cache, is left to `load_data`.

    Raises:
        SFTError: SFT104 without data.train; SFT201 to SFT205 and others of `read_blocks`; SFT231 for a wrong split, and
            those of `check_augmentation` and of the kind's `check_settings`.
    """
    if not listed(config.train):
        raise SFTError("SFT104", flag="--data.train", remedy="Give a file of labelled examples.")
    check_split(config)
    check_augmentation(config.augmentation, label_kind)
    label_kind.check_settings(config)
    for part in PARTS:
        for source in find_part(getattr(config, part), part, config.format, at_hand=True)[:_FILES]:
            _check_file(source, label_kind.layout(source, config))


def _check_file(source: Source, layout: SourceLayout) -> None:
    """Checks that a file has the wanted columns; raises what reading it raises before its rows."""
    if source.format == "parquet":
        from sftkeras.data.formats.read_arrow import parquet_columns

        check_columns(source, parquet_columns(source), layout.columns)
    else:
        next(layout.first_blocks(), None)


def check_split(config: DataConfig) -> None:
    """Raises SFT231 if the shares of data.split cannot be used."""
    shares = list(config.split)
    problem = None
    if len(shares) != 3:
        problem = f"{len(shares)} shares, expected three: train, validation and test"
    elif math.fsum(shares) > 1 + 1e-9:
        problem = f"the shares add up to {math.fsum(shares):g}, which is more than 1"
    else:
        needed = [part for part in PARTS if part == "train" or not getattr(config, part)]
        if needed != ["train"]:
            for part, share in zip(PARTS, shares, strict=True):
                if part in needed and share <= 0:
                    problem = f"the {part} part has no share. Give it one, or a file with --data.{part}"
    if problem:
        raise SFTError("SFT231", split=shares, problem=problem)
