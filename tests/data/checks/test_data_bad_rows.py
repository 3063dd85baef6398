"""A row that cannot be learned from stops the run, named and counted, or is left out, counted."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from sftkeras.config import DataConfig
from sftkeras.data import DataError, LabelledData, load_data
from sftkeras.data.labels.classes.kind import ONE_LABEL, SEVERAL_LABELS
from sftkeras.data.labels.numbers.kind import NUMBERS
from sftkeras.errors import SFTError

Put = Callable[[str, str | bytes], str]
GOOD = "".join(f"text {number},{'ab'[number % 2]}\n" for number in range(40))


def load(path: str, kind: Any = ONE_LABEL, **settings: Any) -> LabelledData:
    return load_data(DataConfig(train=path, **settings), kind, seed=1)


def refusal(path: str, kind: Any = ONE_LABEL, **settings: Any) -> str:
    with pytest.raises(SFTError) as raised:
        load(path, kind, **settings)
    return str(raised.value)


BAD_ROWS = {
    "no text": (b" ,a", "SFT216"),
    "no label": (b"more, ", "SFT217"),
    "invalid UTF-8": (b"caf\xe9,a", "SFT207"),
    "NUL byte": (b"a\0b,a", "SFT208"),
    "ragged": (b"a,b,c", "SFT206"),
}


@pytest.mark.parametrize(("row", "code"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_stops_and_is_named(put: Put, row: bytes, code: str) -> None:
    path = put("a.csv", b"text,label\n" + GOOD.encode() + row + b"\n" + row + b"\nend,a\n")
    message = refusal(path)
    assert message.startswith(code)
    assert "line 42" in message
    assert "1 more such: line 43." in message


@pytest.mark.parametrize(("row", "code"), BAD_ROWS.values(), ids=BAD_ROWS)
def test_a_bad_row_can_be_skipped_counted(put: Put, row: bytes, code: str) -> None:
    path = put("a.csv", b"text,label\n" + GOOD.encode() + (row + b"\n") * 7 + b"end,a\n")
    data = load(path, bad_rows="skip")
    assert len(data.examples) == 41
    assert data.examples.texts([40]) == ["end"]
    assert data.examples.places([40]) == [(path, 49)]
    (found,) = [found for found in data.findings if found.code == code]
    assert (found.severity, found.count) == ("warning", 7)
    assert [line for _, line in found.places] == [42, 43, 44, 45, 46]
    assert "Skipped" in found.message


def test_a_broken_byte_is_named_by_its_place_in_the_line(put: Put) -> None:
    path = put("a.csv", b'text,label\nfine,a\n"two\nlines caf\xe9",a\n')
    assert "line 3 (byte 10 of line 4): not valid utf-8 (byte 0xE9 in column text)" in refusal(path)
    path = put("b.csv", b"text,label\nfine,a\ncaf\xe9,a\n")
    assert "line 3, byte 4: not valid utf-8" in refusal(path)


def test_a_broken_byte_in_a_column_nobody_reads_does_no_harm(put: Put) -> None:
    path = put("a.csv", b"id,text,label\n" + b"".join(b"\xe9,%s\n" % line for line in GOOD.encode().splitlines()))
    assert len(load(path).examples) == 40


def test_several_kinds_of_bad_rows_are_all_announced(put: Put) -> None:
    path = put("a.csv", "text,label\n" + GOOD + ",a\nb,\n")
    with pytest.raises(DataError) as raised:
        load(path)
    assert {found.code for found in raised.value.findings} == {"SFT216", "SFT217"}
    assert "SFT217" in str(raised.value)


def test_a_row_with_two_faults_is_counted_once(put: Put) -> None:
    data = load(put("a.csv", "text,label\n" + GOOD + ",\n"), bad_rows="skip")
    assert [found.code for found in data.findings] == ["SFT216"]


def test_the_label_of_a_row_skipped_is_not_learned(put: Put) -> None:
    data = load(put("a.csv", "text,label\n,odd\n" + GOOD + ",odder\nmore,a\n"), bad_rows="skip")
    assert data.label_names == ("a", "b")
    assert data.examples.labels[[0, 1, 40]].tolist() == [0, 1, 0]


def test_a_pair_without_its_second_text_is_a_bad_row(put: Put) -> None:
    path = put("a.csv", "text,other,label\na,,x\n")
    assert "no text in column other" in refusal(path, pair="other")


def test_nothing_left_is_refused(put: Put) -> None:
    assert refusal(put("a.csv", "text,label\n,a\n,b\n"), bad_rows="skip").startswith("SFT239")


def test_utf16_read_as_utf8_is_recognised(put: Put) -> None:
    message = refusal(put("a.csv", "text,label\na,1\n".encode("utf-16")))
    assert message.startswith("SFT207")
    assert "--data.encoding utf-16" in message


def test_a_lone_surrogate_in_json_is_a_broken_encoding(put: Put) -> None:
    assert refusal(put("a.jsonl", '{"text": "\\ud83d!", "label": "a"}\n')).startswith("SFT207")


def test_a_list_is_no_text(put: Put) -> None:
    assert refusal(put("a.jsonl", '{"text": ["a"], "label": "a"}\n')).startswith("SFT219")


# --- labels ---


def test_labels_are_named_and_sorted(put: Put) -> None:
    rows = "".join(f"t{number},{number % 12}\n" for number in range(60))
    assert load(put("a.csv", "text,label\n" + rows)).label_names == tuple(str(number) for number in range(12))
    data = load(put("b.csv", "text,label\n" + GOOD), label_names={"a": "positive", "b": "negative"})
    assert data.label_names == ("negative", "positive")
    assert data.examples.labels[:2].tolist() == [1, 0]


def test_a_value_without_a_name_is_an_error_even_if_bad_rows_are_skipped(put: Put) -> None:
    path = put("a.csv", "text,label\n" + GOOD + "more,c\n")
    message = refusal(path, label_names={"a": "A", "b": "B"}, bad_rows="skip")
    assert message.startswith("SFT215")
    assert 'line 42: label "c"' in message


def test_labels_of_json_are_read_whatever_their_type(put: Put) -> None:
    rows = "".join(f'{{"text": "t{number}", "label": {"true" if number % 2 else "false"}}}\n' for number in range(40))
    assert load(put("a.jsonl", rows)).label_names == ("false", "true")


def test_a_list_of_labels_needs_multi_label(put: Put) -> None:
    message = refusal(put("a.jsonl", '{"text": "a", "label": ["x", "y"]}\n'))
    assert message.startswith("SFT219")
    assert "--task.multi_label true" in message


def test_a_column_of_ever_new_labels_is_the_wrong_column(put: Put) -> None:
    path = put("a.csv", "text,label\n" + "".join(f"t{number},id-{number}\n" for number in range(10_001)))
    assert refusal(path).startswith("SFT229")


def test_several_labels_come_as_list_or_separated_and_may_be_none(put: Put) -> None:
    rows = ["x|y", "", "y| x |y", "z"] * 10
    separated = put("a.csv", "text,label\n" + "".join(f"t{number},{cell}\n" for number, cell in enumerate(rows)))
    data = load(separated, SEVERAL_LABELS)
    assert data.label_names == ("x", "y", "z")
    assert data.examples.labels[:4].tolist() == [[1, 1, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1]]
    lists = ['["y", "x"]', "[]", '["x", "y"]', '["z"]'] * 10
    path = put("a.jsonl", "".join(f'{{"text": "t{number}", "label": {cell}}}\n' for number, cell in enumerate(lists)))
    assert load(path, SEVERAL_LABELS).examples.labels.tolist() == data.examples.labels.tolist()


def test_no_label_anywhere_is_refused(put: Put) -> None:
    assert refusal(put("a.csv", "text,label\na,\nb,\n"), SEVERAL_LABELS).startswith("SFT239")


NUMBER_ROWS = "".join(f"t{number},{number / 7}\n" for number in range(60))


@pytest.mark.parametrize("cell", ["nan", "inf", "-Infinity", "1e39", "abc", "1_000", "0x10"])
def test_a_target_that_is_no_finite_number_stops_and_is_named(put: Put, cell: str) -> None:
    message = refusal(put("a.csv", f"text,label\n{NUMBER_ROWS}more,{cell}\n"), NUMBERS)
    assert message.startswith("SFT218")
    assert f'line 62: "{cell}"' in message


def test_a_target_that_is_no_number_can_be_skipped_counted(put: Put) -> None:
    data = load(put("a.csv", f"text,label\n{NUMBER_ROWS}x,nan\ny,abc\nz,\n"), NUMBERS, bad_rows="skip")
    assert len(data.examples) == 60
    assert {(found.code, found.count) for found in data.findings} == {("SFT218", 2), ("SFT217", 1)}
    assert data.examples.labels[7] == pytest.approx(1.0)


@pytest.mark.parametrize(
    ("cell", "told"),
    [
        ("0,5", "Write decimals with a point: 0.5, not 0,5."),
        ("1234,56", "Write decimals with a point: 1234.56, not 1234,56."),
        ("0,500", "Write decimals with a point: 0.500, not 0,500."),
        ("1.234,5", "Thousands separators are not read: write 1234.5, not 1.234,5."),
        ("1,234.5", "Thousands separators are not read: write 1234.5, not 1,234.5."),
        ("-1,234,567", "Thousands separators are not read: write -1234567, not -1,234,567."),
        ("1 000", "Thousands separators are not read: write 1000, not 1 000."),
        ("1'000'000", "Thousands separators are not read: write 1000000, not 1'000'000."),
        ("1,000", "If the comma separates thousands, write 1000; if it is a decimal comma, write a point."),
        ("12,34,567", "not a number to learn. Fix"),
        ("five", "not a number to learn. Fix"),
    ],
)
def test_separators_in_numbers_are_explained(put: Put, cell: str, told: str) -> None:
    message = refusal(put("a.csv", f'text,label\na,"{cell}"\n'), NUMBERS)
    assert told in message
    assert "1.000" not in message


def test_numbers_may_have_signs_spaces_and_exponents(put: Put) -> None:
    data = load(put("a.csv", f"text,label\n{NUMBER_ROWS}x,+1.5\ny, -2e-1 \n"), NUMBERS)
    assert data.examples.labels[60:].tolist() == pytest.approx([1.5, -0.2])


# --- where ---


def test_where_keeps_the_rows_that_fit_with_their_lines(put: Put) -> None:
    rows = "".join(f"t{number},{'ab'[number % 2]},{'en' if number % 4 < 2 else 'de'}\n" for number in range(80))
    path = put("a.csv", "text,label,language\n" + rows)
    data = load(path, where={"language": "de"})
    assert len(data.examples) == 40
    assert data.examples.places([0, 1, 2]) == [(path, 4), (path, 5), (path, 8)]


def test_where_that_no_row_fits_tells_what_there_is(put: Put) -> None:
    path = put("a.csv", "text,label,language\na,b,en\nc,d,de\n")
    message = refusal(path, where={"language": "fr"})
    assert message.startswith("SFT230")
    assert "language=en, language=de" in message
    assert refusal(path, where={"lang": "fr"}).startswith("SFT204")


def test_whole_numbers_that_a_gap_made_floats_are_read_as_whole(put: Put) -> None:
    rows = "".join(f'{{"text": "t{number}", "label": {number % 2}.0}}\n' for number in range(40))
    assert load(put("a.jsonl", rows)).label_names == ("0", "1")
