"""A kind of label that only its task knows is read, checked, divided, cached and shown as any other."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import pytest
from checked import found_in, refusal
from rich.console import Console

from sftkeras.config import DataConfig
from sftkeras.data import DataError, Examples, Finding, describe, load_data, load_file, print_findings, quick_check
from sftkeras.data.checks.check_labels import one_label_only
from sftkeras.data.checks.findings import Fault
from sftkeras.data.labels.contract import LabelKind
from sftkeras.data.labels.reader import LabelReader
from sftkeras.errors import SFTError

PutRows = Callable[..., str]
ROWS = [(f"text {number}", "★" * (1 + number % 3)) for number in range(60)]


class StarsReader(LabelReader):
    """Counts the stars of each cell."""

    dtype = np.dtype(np.uint8)

    def read(self, cells: Sequence[Any]) -> tuple[np.ndarray, dict[int, Fault]]:
        stars = np.array([len(cell) if set(str(cell)) == {"★"} else 0 for cell in cells], np.uint8)
        wrong = np.flatnonzero(stars == 0).tolist()
        return stars, {row: Fault("SFT252", {"problem": f"{cells[row]} is no row of stars"}) for row in wrong}


class Stars(LabelKind):
    """Labels are [n] uint8, how many stars there are."""

    name = "stars"
    malformed = frozenset({"SFT252"})

    def reader(self, column: str, config: DataConfig, known: Sequence[str] | None) -> LabelReader:
        return StarsReader()

    def open(self, folder: Any, label_names: Sequence[str]) -> tuple[Any, np.ndarray]:
        stars = np.load(folder / "labels.npy", mmap_mode="r")
        return stars, stars.astype(np.int32)

    def strata(self, examples: Examples, rows: int) -> np.ndarray:
        return examples.label_ids[:rows]

    def check(self, examples: Examples, splits: Mapping[str, np.ndarray]) -> Iterator[Finding]:
        yield from one_label_only(examples, splits, "number of stars")

    def label_text(self, examples: Examples, row: int) -> str:
        return f"{examples.labels[row]} stars"


STARS = Stars()


def shown(*what: Any, **findings: Any) -> str:
    console = Console(record=True, width=200)
    for thing in what:
        console.print(thing)
    if findings:
        print_findings(findings.pop("findings"), console, **findings)
    return console.export_text()


def test_rows_are_read_and_divided_by_their_labels(put_rows: PutRows) -> None:
    data = load_data(DataConfig(train=put_rows(ROWS)), STARS, seed=1)
    assert data.label_kind is STARS
    for part, rows in (("train", 16), ("validation", 2), ("test", 2)):
        assert np.bincount(data.examples.labels[data.splits[part]]).tolist() == [0, rows, rows, rows]
    table = shown(describe(data))
    assert "Rows by part" in table
    assert "48" in table


def test_the_cache_gives_the_labels_back(put_rows: PutRows, monkeypatch: pytest.MonkeyPatch) -> None:
    first = load_file(put_rows(ROWS), DataConfig(), STARS, ())
    monkeypatch.setattr(StarsReader, "read", lambda *_: pytest.fail("the file was read again"))
    again = load_file(put_rows(ROWS), DataConfig(), STARS, ())
    assert again.fingerprint == first.fingerprint
    assert again.examples.labels.tolist() == [len(stars) for _, stars in ROWS]


def test_what_is_wrong_with_rows_and_labels_is_found(put_rows: PutRows) -> None:
    with pytest.raises(DataError, match=r"SFT252  .*line 62: \*\* is no row of stars. Fix it, or skip such rows"):
        load_data(DataConfig(train=put_rows([*ROWS, ("a text", "**")])), STARS, seed=1)
    assert "the same number of stars, 1 stars" in str(refusal(put_rows([(text, "★") for text, _ in ROWS]), STARS))
    data = load_data(DataConfig(train=put_rows([*ROWS, ("TEXT 0", "★★")])), STARS, seed=1)
    assert "(1 stars) and" in str(found_in(data, "SFT222"))


def test_the_check_says_what_it_looked_at(put_rows: PutRows) -> None:
    data = load_data(DataConfig(train=put_rows([*ROWS, ("a text", "**")]), bad_rows="skip"), STARS, seed=1)
    text = shown(findings=data.findings, label_kind=STARS)
    assert "every row is well formed" not in text
    assert "✔ every row has a label" in text
    assert "no label is rare" not in text  # they have no names


def test_files_and_settings_are_checked_at_the_first_look(put_rows: PutRows) -> None:
    with pytest.raises(SFTError, match="SFT204"):
        quick_check(DataConfig(train=put_rows(ROWS), label="rating"), STARS)
    with pytest.raises(SFTError, match="SFT246"):
        quick_check(DataConfig(train=put_rows(ROWS), label=["label", "text"]), STARS)
