"""Examples and tokens on disk: read once, found again by content, whole or not there at all."""

from __future__ import annotations

import io
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console

from sftkeras.config import DataConfig
from sftkeras.console import progress_bar
from sftkeras.data import LabelledData, TokenCache, load_data, tokenise
from sftkeras.data.labels.classes import readers
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.data.storage import store, tokens
from sftkeras.errors import SFTError

PutRows = Callable[..., str]
ROWS = [(f"text {'word ' * (number % 9)}{number}", "ab"[number % 2]) for number in range(300)]


def load(train: str, kind: Any = ONE_LABEL, **settings: Any) -> LabelledData:
    return load_data(DataConfig(train=train, **settings), kind, seed=1)


@pytest.fixture
def no_reading(monkeypatch: pytest.MonkeyPatch) -> Callable[[], None]:
    def forbid() -> None:
        monkeypatch.setattr(store, "marked_blocks", lambda *_: pytest.fail("the file was read again"))

    return forbid


# --- examples ---


def test_examples_give_back_what_the_files_hold(put_rows: PutRows) -> None:
    train, test = put_rows(ROWS), put_rows([("new", "a"), ("newer", "b")], "test.csv")
    examples = load(train, test=test).examples
    assert len(examples) == 302
    assert examples.texts([301, 0, 5]) == ["newer", ROWS[0][0], ROWS[5][0]]
    assert examples.pairs([0]) is None
    assert examples.places(np.array([0, 299, 300])) == [(train, 2), (train, 301), (test, 2)]
    assert [text for texts, _ in examples.text_batches(7) for text in texts][:300] == [text for text, _ in ROWS]
    with pytest.raises(IndexError):
        examples.texts([302])


def test_rows_are_found_across_many_record_batches(put_rows: PutRows, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sftkeras.data.formats.text_files.BLOCK_ROWS", 64)
    examples = load(put_rows(ROWS)).examples
    rows = np.random.default_rng(0).permutation(300)
    assert examples.texts(rows) == [ROWS[row][0] for row in rows]


def test_pairs_are_kept(put_rows: PutRows) -> None:
    rows = [(f"first {number}", f"second {number}", "ab"[number % 2]) for number in range(40)]
    examples = load(put_rows(rows, header=("text", "second", "label")), pair="second").examples
    assert examples.pairs([3, 1]) == ["second 3", "second 1"]
    (batch,) = examples.text_batches(100)
    assert batch[1] is not None
    assert batch[1][39] == "second 39"


def test_a_second_run_does_not_read_again_even_if_the_file_moved(
    put_rows: PutRows, no_reading: Callable[[], None], tmp_path: Path
) -> None:
    first = load(put_rows(ROWS))
    no_reading()
    moved = str(tmp_path / "moved.csv")
    os.rename(tmp_path / "rows.csv", moved)
    second = load(moved)
    assert second.fingerprint == first.fingerprint
    assert second.examples.places([0]) == [(moved, 2)]
    assert all(np.array_equal(second.splits[part], rows) for part, rows in first.splits.items())


def test_another_seed_or_split_does_not_read_again(put_rows: PutRows, no_reading: Callable[[], None]) -> None:
    path = put_rows(ROWS)
    load(path)
    no_reading()
    load_data(DataConfig(train=path, split=[0.6, 0.2, 0.2]), ONE_LABEL, seed=5)


def test_changed_content_is_read_again(put_rows: PutRows) -> None:
    path = put_rows(ROWS)
    before = Path(path).stat()
    assert load(path).examples.texts([0]) == ["text 0"]
    put_rows([("text X", "a"), *ROWS[1:]])
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))  # same size, same time
    assert load(path).examples.texts([0]) == ["text X"]


def test_a_failed_reading_leaves_nothing_behind(put_rows: PutRows, own_cache: Path) -> None:
    with pytest.raises(SFTError):
        load(put_rows([*ROWS, ("", "a")]))
    assert not [path for path in own_cache.rglob("*") if path.is_dir() and path.name != "data"]


def test_a_damaged_entry_is_made_anew(put_rows: PutRows, own_cache: Path) -> None:
    path = put_rows(ROWS)
    load(path)
    (table,) = own_cache.rglob("examples.arrow")
    table.write_bytes(table.read_bytes()[:-100])
    assert load(path).examples.texts([299]) == [ROWS[299][0]]


def test_a_file_that_grows_while_it_is_read_is_refused(put_rows: PutRows, monkeypatch: pytest.MonkeyPatch) -> None:
    path = put_rows(ROWS)
    reading = store.marked_blocks

    def growing(*arguments: Any) -> Any:
        yield from reading(*arguments)
        with open(path, "a") as file:
            file.write("more,a\n")

    monkeypatch.setattr(store, "marked_blocks", growing)
    with pytest.raises(SFTError, match="SFT236"):
        load(path)


def test_a_full_disk_is_named(put_rows: PutRows, monkeypatch: pytest.MonkeyPatch, own_cache: Path) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(readers, "write_column", full)
    with pytest.raises(SFTError, match="SFT108"):
        load(put_rows(ROWS))
    assert not list(own_cache.rglob("*.raw"))


@pytest.mark.processes
def test_two_processes_at_once_end_with_one_whole_entry(put_rows: PutRows, own_cache: Path) -> None:
    path = put_rows([(f"text {number}", "ab"[number % 2]) for number in range(20_000)])
    program = (
        "from sftkeras.config import DataConfig; from sftkeras.data import load_data;"
        "from sftkeras.data.labels.classes.kind import ONE_LABEL;"
        f"data = load_data(DataConfig(train={path!r}), ONE_LABEL, 1); print(data.examples.texts([19_999]))"
    )
    processes = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(2)]
    assert [process.communicate(timeout=600)[0] for process in processes] == ["['text 19999']\n"] * 2
    assert len([folder for folder in (own_cache / "data").iterdir() if folder.is_dir()]) == 1


def test_reading_and_tokenising_report_progress(put_rows: PutRows) -> None:
    with progress_bar(Console(file=io.StringIO(), force_terminal=True)) as progress:
        data = load_data(DataConfig(train=put_rows(ROWS)), ONE_LABEL, 1, progress)
        tokenise(data.examples, word_lengths, "key", progress)
    assert [(task.description, task.completed, task.total) for task in progress.tasks] == [
        ("Reading rows.csv", 300, 300),
        ("Tokenising", 300, 300),
    ]


# --- tokens ---

LIMIT = 8


def word_lengths(texts: list[str], pairs: list[str] | None) -> tuple[Mapping[str, Any], np.ndarray]:
    """A tokenizer that gives 1, the length of each word, and 2."""
    rows = [[1, *map(len, text.split()), 2] for text in texts]
    untruncated = np.array([len(row) for row in rows], np.int32)
    lengths = np.minimum(untruncated, LIMIT)
    values = np.array([token for row in rows for token in row[:LIMIT]], np.int32)
    return {"token_ids": (values, lengths), "segment_ids": (values * 0, lengths)}, untruncated


@pytest.fixture
def cache_of_tokens(put_rows: PutRows, monkeypatch: pytest.MonkeyPatch) -> TokenCache:
    monkeypatch.setattr(tokens, "BATCH_ROWS", 77)  # several batches
    return tokenise(load(put_rows(ROWS)).examples, word_lengths, "key")


def test_a_batch_is_the_rows_asked_for_padded_with_zeros(cache_of_tokens: TokenCache) -> None:
    batch = cache_of_tokens.batch(np.array([298, 0, 2, 0]), 16)
    assert batch["token_ids"][1].tolist() == [1, 4, 1, 2] + [0] * 12
    assert batch["padding_mask"][1].tolist() == [1] * 4 + [0] * 12
    assert batch["token_ids"][1].tolist() == batch["token_ids"][3].tolist()
    for row, number in enumerate([298, 0, 2, 0]):
        expected = [1, *map(len, ROWS[number][0].split()), 2][:LIMIT]
        assert batch["token_ids"][row, : len(expected)].tolist() == expected
        assert batch["padding_mask"][row].sum() == len(expected)
    assert set(batch) == {"token_ids", "segment_ids", "padding_mask"}
    assert {(values.dtype.name, values.shape) for values in batch.values()} == {("int32", (4, 16))}


def test_a_row_that_does_not_fit_is_refused(cache_of_tokens: TokenCache) -> None:
    with pytest.raises(ValueError, match="do not fit 7"):
        cache_of_tokens.batch(np.array([0, 8]), 7)


def test_cut_texts_are_counted(cache_of_tokens: TokenCache) -> None:
    untruncated = np.array([len(text.split()) + 2 for text, _ in ROWS])
    assert cache_of_tokens.truncated == np.sum(untruncated > LIMIT)
    assert cache_of_tokens.longest == untruncated.max() == 12
    assert cache_of_tokens.lengths.tolist() == np.minimum(untruncated, LIMIT).tolist()
    (found,) = cache_of_tokens.findings()
    assert (found.code, found.count) == ("SFT228", cache_of_tokens.truncated)
    assert "longer than 8 tokens" in found.message


def test_tokens_are_computed_once_for_each_content_and_key(put_rows: PutRows) -> None:
    examples = load(put_rows(ROWS)).examples
    calls = []

    def counting(texts: list[str], pairs: list[str] | None) -> Any:
        calls.append(len(texts))
        return word_lengths(texts, pairs)

    for key in ("one", "one", "two"):
        tokenise(examples, counting, key)
    tokenise(load(put_rows(ROWS[:-1])).examples, counting, "one")
    assert calls == [300, 300, 299]


def test_a_tokenizer_that_fails_leaves_nothing_behind(put_rows: PutRows, own_cache: Path) -> None:
    def failing(texts: list[str], pairs: list[str] | None) -> Any:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        tokenise(load(put_rows(ROWS)).examples, failing, "key")
    assert not list((own_cache / "tokens").rglob("*.raw"))


def test_features_of_unlike_lengths_are_refused(put_rows: PutRows) -> None:
    def uneven(texts: list[str], pairs: list[str] | None) -> Any:
        features, untruncated = word_lengths(texts, pairs)
        values, lengths = features["segment_ids"]
        return {**features, "segment_ids": (values[1:], lengths)}, untruncated

    with pytest.raises(ValueError, match="segment_ids"):
        tokenise(load(put_rows(ROWS)).examples, uneven, "key")


def test_a_batch_takes_no_more_python_for_more_rows(cache_of_tokens: TokenCache) -> None:
    """Or else it would take as long as a step."""

    def calls(count: int) -> int:
        made: list[str] = []
        sys.setprofile(lambda frame, event, argument: made.append(event))
        try:
            cache_of_tokens.batch(np.arange(count), 16)
        finally:
            sys.setprofile(None)
        return len(made)

    assert calls(32) == calls(4)
