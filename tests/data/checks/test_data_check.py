"""Each check finds its problem, counts it and names places; clean data gives no finding."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from checked import found_in, load
from rich.console import Console

from sftkeras.config import DataConfig
from sftkeras.data import DataError, describe, load_file, print_findings
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.data.labels.no_labels import NO_LABELS
from sftkeras.data.labels.numbers.kind import NUMBERS

PutRows = Callable[..., str]
CLEAN = [(f"text number {number}", "ab"[number % 2]) for number in range(60)]


def test_clean_data_gives_no_finding(put_rows: PutRows) -> None:
    assert load(put_rows(CLEAN)).findings == ()


def test_duplicates_are_counted_whatever_their_case_and_outer_spaces(put_rows: PutRows) -> None:
    path = put_rows([*CLEAN, ("Text Number 3 ", "b"), ("text number 3", "b")])
    found = found_in(load(path), "SFT221")
    assert (found.severity, found.count) == ("warning", 2)
    assert found.places == ((path, 62), (path, 63))
    assert "line 62 (first on line 5)" in found.message


def test_one_text_under_two_labels_is_a_conflict(put_rows: PutRows) -> None:
    path = put_rows([*CLEAN, ("text number 3", "a"), ("text number 4", "b")])
    found = found_in(load(path), "SFT222")
    assert (found.severity, found.count) == ("warning", 2)
    assert 'line 5 ("b")' in found.message
    assert 'line 62 ("a")' in found.message


def test_a_text_in_two_files_is_a_leak(put_rows: PutRows) -> None:
    train = put_rows(CLEAN)
    test = put_rows([("text number 3", "b"), ("new", "a"), ("text number 9", "b")], "test.csv")
    found = found_in(load(train, test=test), "SFT223")
    assert found.count == 2
    assert f"{test}: 2 of 3 rows have" in found.message
    assert f"line 2 and {train} line 5" in found.message


def test_pairs_are_equal_only_if_both_texts_are(put_rows: PutRows) -> None:
    rows = [(f"a{number}", "same", "xy"[number % 2]) for number in range(40)]
    rows += [("a", "bc", "x"), ("ab", "c", "x"), ("a0", "same", "x")]
    data = load(put_rows(rows, header=("text", "second", "label")), pair="second")
    assert found_in(data, "SFT221").count == 1


@pytest.mark.parametrize("text", ["cafÃ© au lait", "donâ€™t", "a\ufffdb", "Â£5", "Ã€ demain"])
def test_a_wrong_encoding_is_noticed(put_rows: PutRows, text: str) -> None:
    found = found_in(load(put_rows([*CLEAN, (text, "a")])), "SFT226")
    assert "line 62" in found.message


@pytest.mark.parametrize("text", ["café", "SÃO PAULO", "naïve – “quoted” …", "привет", "Ã is a letter", "👍"])
def test_a_right_encoding_is_left_in_peace(put_rows: PutRows, text: str) -> None:
    assert load(put_rows([*CLEAN, (text, "a")])).findings == ()


def test_a_very_long_text_is_noticed(put_rows: PutRows) -> None:
    found = found_in(load(put_rows([*CLEAN, ("word " * 200_000, "a")])), "SFT227")
    assert "1,000,000 characters" in found.message


def test_findings_are_plain_json(put_rows: PutRows) -> None:
    found = found_in(load(put_rows([*CLEAN, *CLEAN])), "SFT221")
    assert json.loads(json.dumps(found.to_json()))["count"] == 60


def test_findings_are_the_same_when_the_cache_answers(put_rows: PutRows) -> None:
    path = put_rows([*CLEAN, *CLEAN, ("cafÃ©", "a"), ("", "a")])
    first, second = (load(path, bad_rows="skip") for _ in range(2))
    assert first.findings == second.findings
    assert {found.code for found in first.findings} == {"SFT216", "SFT221", "SFT226"}


def test_the_print_shows_what_is_well_what_is_not_and_a_count(put_rows: PutRows) -> None:
    console = Console(record=True, width=200)
    data = load(put_rows([*CLEAN, *CLEAN, ("[red]cafÃ©", "a")]))
    print_findings(data.findings, console, label_kind=ONE_LABEL)
    console.print(describe(data))
    text = console.export_text()
    assert "✔ every row has a text" in text
    assert "! SFT221" in text
    assert "[red]" in text
    assert "2 warnings, 0 errors" in text
    assert "validation" in text


def test_what_was_not_checked_after_an_error_is_not_shown_as_well(put_rows: PutRows) -> None:
    console = Console(record=True, width=200)
    with pytest.raises(DataError) as raised:
        load(put_rows([*CLEAN, *CLEAN, ("", "a")]))
    print_findings(raised.value.findings, console, label_kind=ONE_LABEL, complete=raised.value.complete)
    text = console.export_text()
    assert "✔ every text can be decoded" in text
    assert "– no row occurs twice: not checked" in text
    assert "✔ no row occurs twice" not in text
    with pytest.raises(DataError) as raised:
        load(put_rows([(f"t{number}", "a") for number in range(30)]))  # found by the last checks
    assert raised.value.complete


@pytest.mark.parametrize(
    ("label_kind", "parts", "left_out"),
    [
        (NO_LABELS, True, ["label", "learn"]),
        (NUMBERS, True, ["no label is rare", "no label is unknown"]),
        (ONE_LABEL, False, ["no label is rare", "no text is in two files"]),
    ],
)
def test_only_what_is_looked_at_is_shown(label_kind: Any, parts: bool, left_out: list[str]) -> None:
    console = Console(record=True, width=200)
    print_findings([], console, label_kind=label_kind, parts=parts)
    text = console.export_text()
    assert "✔ no row occurs twice" in text
    assert not [words for words in left_out if words in text]


def test_numbers_are_described_by_part(put_rows: PutRows) -> None:
    console = Console(record=True, width=200)
    console.print(describe(load(put_rows([(f"t{number}", number) for number in range(100)]), NUMBERS)))
    assert "deviation" in console.export_text()


# --- a file to judge a model on ---


def test_a_file_to_evaluate_on_keeps_the_ids_the_model_knows(put_rows: PutRows) -> None:
    path = put_rows([("t1", "a"), ("t2", "c")])
    data = load_file(path, DataConfig(), ONE_LABEL, ["c", "b", "a"])
    assert data.examples.labels.tolist() == [2, 0]
    assert data.label_names == ("c", "b", "a")
    assert data.splits["test"].tolist() == [0, 1]


def test_a_file_to_evaluate_on_may_not_have_other_labels(put_rows: PutRows) -> None:
    with pytest.raises(DataError, match=r'SFT214 .* line 3: label "bb" is not one of a, b'):
        load_file(put_rows([("t1", "a"), ("t2", "bb")]), DataConfig(), ONE_LABEL, ["a", "b"])
