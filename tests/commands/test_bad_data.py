"""Files that cannot be trained on: refused in one line with place and remedy, leaving nothing behind."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from command_line import flags, refusal, run_command
from tiny_bert import reviews, write_csv

from sftkeras.config import TrainConfig
from sftkeras.train import main

RefuseData = Callable[..., str]

HEADER = b"text,label\n"
GOOD_ROWS = "".join(f"{text},{label}\n" for text, label in reviews()).encode()


@pytest.fixture
def refuse_data(refuse: Callable[..., str], tiny_run: list[str], tmp_path: Path) -> RefuseData:
    """Trains on a file with this content, which must be refused with nothing left; returns the line, paths cut off."""

    def call(content: bytes | str, *words: str, name: str = "data.csv") -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        line = refuse(main, TrainConfig, *tiny_run, *flags(data__train=path), *words)
        assert [left for left in tmp_path.rglob("*") if left.parent != tmp_path] == []
        return line.replace(f"{tmp_path}/", "")

    return call


CASES: dict[str, tuple[bytes, Sequence[str], str]] = {
    "empty file": (b"", [], "SFT202  data.csv is empty. Give a file with rows."),
    "only a mark": (b"\xef\xbb\xbf", [], "SFT202  data.csv is empty."),
    "only line breaks": (b"\r\n\r\n\n", [], "SFT202  data.csv is empty."),
    "header only": (HEADER, [], "SFT203  data.csv has a header but no rows."),
    "header and line breaks": (HEADER + b"\n\n", [], "SFT203  data.csv has a header but no rows."),
    "semicolons": (
        HEADER.replace(b",", b";") + GOOD_ROWS.replace(b",", b";"),
        [],
        "SFT205  data.csv line 1: the header is one column, 'text;label', but a semicolon would divide it. "
        'Set --data.delimiter ";"',
    ),
    "tabs": (HEADER.replace(b",", b"\t") + GOOD_ROWS.replace(b",", b"\t"), [], "--data.delimiter tab"),
    "wrong delimiter set": (
        HEADER + GOOD_ROWS,
        ["--data.delimiter=;"],
        'but a comma would divide it. Set --data.delimiter ","',
    ),
    "NUL byte": (HEADER + GOOD_ROWS + b"fi\0lm,positive\n", [], "SFT208  data.csv line 62: a NUL byte in column text."),
    "NUL bytes all over": (b"\0" * 1000, [], "SFT208  data.csv line 1: a NUL byte in column names."),
    "UTF-16": (b"\xff\xfe" + (HEADER + GOOD_ROWS).decode().encode("utf-16-le"), [], "set --data.encoding utf-16"),
    "invalid UTF-8": (
        HEADER + b"caf\xe9 film,positive\n" + GOOD_ROWS,
        [],
        "SFT207  data.csv line 2, byte 4: not valid utf-8 (byte 0xE9 in column text). Fix it, or skip such rows "
        "with --data.bad_rows skip. It looks like cp1252: set --data.encoding cp1252",
    ),
    "one class": (
        HEADER + b"".join(b"film %d,positive\n" % row for row in range(60)),
        [],
        'SFT220  data.csv: all 48 rows to train on have the same label, "positive".',
    ),
    "too few rows": (
        HEADER + b"good,positive\nbad,negative\n",
        [],
        "SFT232  the validation part would be empty: 2 rows",
    ),
    "no text": (HEADER + b" ,positive\n" + GOOD_ROWS, [], "SFT216  data.csv line 2: no text in column text."),
    "no label": (HEADER + GOOD_ROWS + b"film,\n", [], "SFT217  data.csv line 62: no label in column label."),
    "a cell too many": (
        HEADER + b"good, very good,positive\n" + GOOD_ROWS,
        [],
        "SFT206  data.csv line 2: 3 cells, but the header has 2 columns.",
    ),
    "open quote": (HEADER + GOOD_ROWS + b'"good,positive\nbad,negative\n', [], "SFT209  data.csv line 62: a quote"),
    "column twice": (b"text,label,text\na,b,c\n", [], "SFT235  data.csv: the header names the column text twice."),
    "missing column": (b"texts,label\ngood,positive\n", [], 'SFT204  data.csv has no column "text" (--data.text).'),
    "no row wanted": (
        b"text,label,lang\n" + GOOD_ROWS.replace(b"\n", b",en\n"),
        ['--data.where={"lang": "de"}'],
        "SFT230  data.csv: no row has lang=de (--data.where).",
    ),
    "label without name": (
        HEADER + GOOD_ROWS,
        ['--data.label_names={"positive": "good"}'],
        'SFT215  data.csv line 2: label "negative"',
    ),
    "words for numbers": (
        HEADER + GOOD_ROWS,
        ["--task.kind=regression"],
        'SFT218  data.csv line 2: "negative" in column label',
    ),
    "no labels at all": (
        HEADER + b"".join(b"film %d,\n" % row for row in range(60)),
        ["--task.multi_label=true"],
        "SFT239  data.csv: not one of its rows can be used. None has a label in column label (--data.label).",
    ),
    "shares beyond one": (
        HEADER + GOOD_ROWS,
        ["--data.split=[0.8, 0.1, 0.2]"],
        "SFT231  --data.split '[0.8, 0.1, 0.2]':",
    ),
    "unknown encoding": (
        HEADER + GOOD_ROWS,
        ["--data.encoding=utf-9"],
        "SFT102  --data.encoding: utf-9 is no encoding",
    ),
    "two delimiters": (HEADER + GOOD_ROWS, ["--data.delimiter=::"], "SFT102  --data.delimiter:"),
}


@pytest.mark.parametrize("case", CASES)
def test_a_file_that_cannot_be_trained_on_is_refused_in_one_line(refuse_data: RefuseData, case: str) -> None:
    content, words, expected = CASES[case]
    assert expected in refuse_data(content, *words)


@pytest.mark.parametrize("number", ["nan", "NaN", "inf", "-inf", "1e999", "three", "0x10", "1_000"])
def test_a_target_that_is_no_finite_number_is_refused_by_its_line(refuse_data: RefuseData, number: str) -> None:
    rows = "".join(f"film {row},{row}\n" for row in range(60))
    line = refuse_data(f"text,label\n{rows}good,{number}\n", "--task.kind=regression")
    assert line.startswith(f'SFT218  data.csv line 62: "{number}" in column label is not a number to learn. Fix it')


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("data.json", '{"text": "good", "label": ', "SFT210  data.json line 1: not valid JSON"),
        ("data.jsonl", '{"text": "good", "label": "positive"}\n["bad", "negative"]\n', "SFT211  data.jsonl line 2:"),
        ("data.parquet", "PAR1, so to speak", "SFT213  data.parquet: not a readable Parquet file"),
        ("data.tsv", "text,label\ngood,positive\n", 'Set --data.delimiter ","'),
        ("data.docx", "PK", "SFT212  --data.train data.docx: the format is not known."),
        ("data", "text,label\n", "SFT212  --data.train data: the format is not known."),
    ],
)
def test_other_formats_are_refused_as_clearly(refuse_data: RefuseData, name: str, content: str, expected: str) -> None:
    assert expected in refuse_data(content, name=name)


def test_a_label_only_in_the_test_file_is_refused_with_the_nearest_known_one(
    refuse_data: RefuseData, tmp_path: Path
) -> None:
    test = write_csv(tmp_path / "test.csv", [("a film", "positive"), ("a plot", "negatve")])
    line = refuse_data(HEADER + GOOD_ROWS, *flags(data__test=test))
    assert line == (
        'SFT214  test.csv line 3: label "negatve" is not one of negative, positive. Did you mean "negative"?'
    )


def test_a_missing_file_is_refused_with_the_nearest_one(
    refuse: Callable[..., str], tiny_run: list[str], tmp_path: Path
) -> None:
    write_csv(tmp_path / "reviews.csv", reviews())
    line = refuse(main, TrainConfig, *tiny_run, *flags(data__train=tmp_path / "review.csv"))
    expected = f'SFT201  --data.train {tmp_path}/review.csv: no such file. Did you mean "{tmp_path}/reviews.csv"?'
    assert line == expected
    (tmp_path / "empty").mkdir()
    line = refuse(main, TrainConfig, *tiny_run, *flags(data__train=tmp_path / "empty"))
    assert line.startswith(f"SFT287  --data.train {tmp_path}/empty: no file is in this folder.")


def test_several_faults_are_all_shown_and_the_first_ends_the_command(tiny_run: list[str], tmp_path: Path) -> None:
    write_csv(tmp_path / "data.csv", [*reviews(), ("", "positive"), ("nul\0", "positive"), ("film", "")])
    done = run_command("train", *tiny_run, "--data.train=data.csv", cwd=tmp_path)
    assert refusal(done).startswith("SFT216  data.csv line 62: no text in column text.")
    for code, line in (("SFT216", 62), ("SFT208", 63), ("SFT217", 64)):
        assert f"✘ {code}  data.csv line {line}: " in done.stdout
    assert "0 warnings, 3 errors" in done.stdout


def test_a_mended_file_trains_under_the_same_name(refuse_data: RefuseData, tmp_path: Path) -> None:
    refuse_data(HEADER + GOOD_ROWS + b"film,\n")
    # The next fault is found, not a run that the first try left behind.
    assert refuse_data(HEADER + b"a film,\n" + GOOD_ROWS).startswith("SFT217  data.csv line 2")
