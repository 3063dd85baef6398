"""Every format gives the same rows with the lines they begin on; what is malformed is named by place."""

from __future__ import annotations

import json
from collections.abc import Callable

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from checked import rows_of
from hypothesis import given
from hypothesis import strategies as st

from sftkeras.config import DataConfig
from sftkeras.data.formats import read_json, text_files
from sftkeras.data.formats.read import read_blocks, wanted_columns
from sftkeras.data.formats.sources import find_source
from sftkeras.errors import SFTError

Put = Callable[[str, str | bytes], str]


def broken_of(path: str, **settings: object) -> list[tuple[str, int]]:
    config = DataConfig(train=path, **settings)  # type: ignore[arg-type]
    blocks = read_blocks(find_source(path, "train"), wanted_columns(config), config)
    return [(fault.code, line) for block in blocks for fault, line in block.broken]


def refusal(path: str, **settings: object) -> str:
    with pytest.raises(SFTError) as raised:
        rows_of(path, **settings)
    return str(raised.value)


# --- CSV and TSV ---


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_csv_is_read_with_any_line_end_and_with_a_byte_order_mark(put: Put, line_end: str, mark: str) -> None:
    path = put("a.csv", mark + line_end.join(["text,label", "good,1", "bad,0", ""]))
    assert rows_of(path) == [("good", "1", 2), ("bad", "0", 3)]


@pytest.mark.parametrize("line_end", ["\n", "\r\n"])
def test_quoted_line_breaks_stay_in_the_text_and_count_as_lines(put: Put, line_end: str) -> None:
    text = f'"one{line_end}two",1{line_end}{line_end}"say ""hi""",0{line_end}'
    path = put("a.csv", f"text,label{line_end}{text}")
    assert rows_of(path) == [(f"one{line_end}two", "1", 2), ('say "hi"', "0", 5)]


def test_tsv_without_quoting_keeps_quotes_as_they_are(put: Put) -> None:
    path = put("a.tsv", 'text\tlabel\n"Hello" he said\t1\n"\t0\n')
    assert "SFT209" in refusal(path)
    assert rows_of(path, quoted=False) == [('"Hello" he said', "1", 2), ('"', "0", 3)]


@pytest.mark.parametrize("delimiter", [";", "|", "tab"])
def test_another_delimiter_can_be_set(put: Put, delimiter: str) -> None:
    character = "\t" if delimiter == "tab" else delimiter
    assert rows_of(put("a.csv", f"text{character}label\na{character}b\n"), delimiter=delimiter) == [("a", "b", 2)]


@pytest.mark.parametrize(("character", "advice"), [(";", '--data.delimiter ";"'), ("\t", "--data.delimiter tab")])
def test_a_wrong_delimiter_is_recognised_by_the_header(put: Put, character: str, advice: str) -> None:
    message = refusal(put("a.csv", f"text{character}label\ngood{character}1\n"))
    assert message.startswith("SFT205")
    assert advice in message


def test_a_delimiter_must_be_one_character(put: Put) -> None:
    assert refusal(put("a.csv", "text,label\na,b\n"), delimiter="::").startswith("SFT102")


def test_a_missing_column_is_named_with_the_nearest_one(put: Put) -> None:
    message = refusal(put("a.csv", "Text,label,id\na,b,1\n"))
    assert message.startswith("SFT204")
    assert "--data.text" in message
    assert "Text, label, id" in message
    assert 'Did you mean "text"?' in message or 'Did you mean "Text"?' in message


def test_a_column_named_twice_is_refused(put: Put) -> None:
    assert refusal(put("a.csv", "text,text,label\na,b,1\n")).startswith("SFT235")


@pytest.mark.parametrize("name", ["a.csv", "a.tsv", "a.json", "a.jsonl", "a.parquet"])
def test_an_empty_file_is_refused(put: Put, name: str) -> None:
    assert refusal(put(name, "")).startswith("SFT202")


@pytest.mark.parametrize("content", ["text,label", "text,label\n", "text,label\n\n\n"])
def test_a_header_without_rows_is_refused(put: Put, content: str) -> None:
    assert refusal(put("a.csv", content)).startswith("SFT203")


def test_ragged_rows_are_set_aside_with_their_lines_and_empty_lines_are_no_rows(put: Put) -> None:
    path = put("a.csv", "text,label\na,1\n\nb,c,1\nd\n e,2\n")
    assert broken_of(path) == [("SFT206", 4), ("SFT206", 5)]
    assert rows_of(path) == [("a", "1", 2), (" e", "2", 6)]


def test_a_quote_never_closed_is_named_by_the_line_it_opens_on(put: Put) -> None:
    message = refusal(put("a.csv", 'text,label\na,1\n"b,2\nc,3\nd,4\n'))
    assert message.startswith("SFT209")
    assert "line 3" in message
    assert "never closed" in message


def test_advice_about_quotes_is_given_where_quotes_have_a_meaning(put: Put) -> None:
    path = put("a.csv", "text,label\na,b,1\n")
    for quoted, advised in ((True, "needs quotes"), (False, "no cell can hold the delimiter")):
        config = DataConfig(train=path, quoted=quoted)
        blocks = read_blocks(find_source(path, "train"), wanted_columns(config), config)
        assert advised in next(blocks).broken[0][0].details["hint"]


def test_a_text_of_a_megabyte_is_read_whole(put: Put) -> None:
    assert rows_of(put("a.csv", "text,label\n" + "long " * 200_000 + ",1\n"))[0][0] == "long " * 200_000


def test_blocks_of_long_texts_end_early(put: Put, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(text_files, "BLOCK_BYTES", 100_000)
    path = put("a.csv", "text,label\n" + ("x" * 1000 + ",1\n") * 1000)
    config = DataConfig(train=path)
    sizes = [len(b.lines) for b in read_blocks(find_source(path, "train"), wanted_columns(config), config)]
    assert sum(sizes) == 1000
    assert max(sizes) <= 256


def test_emoji_and_mixed_scripts_arrive_unchanged(put: Put) -> None:
    text = "👩‍🚀 привет 你好 مرحبا é"
    assert rows_of(put("a.csv", f"text,label\n{text},1\n")) == [(text, "1", 2)]


def test_a_file_in_another_encoding_is_read_when_it_is_named(put: Put) -> None:
    path = put("a.csv", "text,label\ncafé,1\n".encode("cp1252"))
    assert rows_of(path, encoding="cp1252") == [("café", "1", 2)]
    path = put("b.csv", "text,label\ncafé,1\n".encode("utf-16"))
    assert rows_of(path, encoding="utf-16") == [("café", "1", 2)]
    assert "utf-16" in refusal(path)


def test_an_unknown_encoding_is_a_wrong_setting(put: Put) -> None:
    assert refusal(put("a.csv", "text,label\na,1\n"), encoding="utf-99").startswith("SFT102")


# --- JSON ---


def test_json_lines_are_read_by_line(put: Put) -> None:
    path = put("a.jsonl", '{"text": "a", "label": 1}\n\n{"label": ["x", "y"], "text": null, "more": {}}\n')
    assert rows_of(path) == [("a", 1, 1), (None, ["x", "y"], 3)]


def test_broken_json_lines_are_set_aside(put: Put) -> None:
    path = put("a.jsonl", '{"text": "a", "label": 1}\n{"text": "b"\n[1]\n{"text": "c", "label": 2}\n')
    assert broken_of(path) == [("SFT210", 2), ("SFT211", 3)]
    assert [row[2] for row in rows_of(path)] == [1, 4]


def test_a_json_array_is_read_with_the_line_of_each_object(put: Put) -> None:
    path = put("a.json", '[\n {"text": "a",\n  "label": 1},\n\n {"text": "b", "label": 2} ]\n')
    assert rows_of(path) == [("a", 1, 2), ("b", 2, 5)]


def test_a_json_file_of_objects_without_an_array_is_read_as_lines(put: Put) -> None:
    assert rows_of(put("a.json", '\n{"text": "a", "label": 1}\n')) == [("a", 1, 2)]


@pytest.mark.parametrize(
    ("content", "line"),
    [
        ('[\n{"text": "a" "label": 1}]', 2),
        ('[\n{"text": "a", "label": 1}\n{"text": "b", "label": 1}]', 3),
        ('[\n{"text": "a", "label": 1},\n]', 3),
        ('[\n{"text": "a", "label": 1}', 2),
        ('[\n{"text": "a", "label": 1}\n]\nmore', 4),
        ('[{"text": "a", "label": 1},\n{"text": "b', 2),
        ("text", 1),
        ('\n{"rows": [\n{"text": "a", "label": 1}]}', 2),
    ],
)
def test_a_json_syntax_error_is_named_by_line(put: Put, content: str, line: int) -> None:
    message = refusal(put("a.json", content))
    assert message.startswith("SFT210")
    assert f"line {line}:" in message


json_rows = st.lists(
    st.tuples(st.text(st.characters(exclude_categories=["Cs"]), max_size=30), st.integers()), min_size=1, max_size=20
)


@given(json_rows, st.integers(1, 40), st.sampled_from([None, 2]))
def test_a_json_array_read_in_pieces_of_any_size_gives_the_same_rows(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, int]], chunk: int, indent: int | None
) -> None:
    path = tmp_path_factory.mktemp("json") / "a.json"
    path.write_text(json.dumps([{"text": t, "label": n} for t, n in rows], indent=indent), encoding="utf-8")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(read_json, "_CHUNK", chunk)
        found = rows_of(str(path))
    assert [(text, label) for text, label, _ in found] == rows
    assert [line for *_, line in found] == (
        [1] * len(rows) if indent is None else [2 + 4 * n for n in range(len(rows))]
    )


csv_cells = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=20)


@given(st.lists(st.tuples(csv_cells, csv_cells), min_size=1, max_size=20))
def test_any_csv_file_is_read_as_it_was_written_with_true_lines(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str]]
) -> None:
    def quoted(cell: str) -> str:
        return '"' + cell.replace('"', '""') + '"'

    lines = [f"{quoted(text)},{quoted(label)}" for text, label in rows]
    path = tmp_path_factory.mktemp("csv") / "a.csv"
    path.write_bytes("\n".join(["text,label", *lines, ""]).encode())
    found = rows_of(str(path))
    assert [(text, label) for text, label, _ in found] == rows
    begins = [2]
    for line in lines[:-1]:
        begins.append(begins[-1] + 1 + len(line.replace("\r\n", "\n").replace("\r", "\n").split("\n")) - 1)
    assert [line for *_, line in found] == begins


# --- Parquet ---


def test_parquet_is_read_by_row(tmp_path) -> None:  # type: ignore[no-untyped-def]
    path = tmp_path / "a.parquet"
    pq.write_table(pa.table({"text": ["a", None], "label": [1, 0], "other": [1.0, 2.0]}), path)
    assert rows_of(str(path)) == [("a", 1, 1), (None, 0, 2)]
    assert refusal(str(path), label="lable").startswith("SFT204")


def test_a_broken_parquet_file_is_refused(put: Put) -> None:
    assert refusal(put("a.parquet", "PAR1 but no more")).startswith("SFT213")


# --- files ---


def test_a_missing_file_suggests_its_neighbour(put: Put) -> None:
    path = put("reviews.csv", "text,label\na,1\n")
    message = refusal(path.replace("reviews", "review"))
    assert message.startswith("SFT201")
    assert "reviews.csv" in message


def test_an_unknown_ending_is_refused(put: Put) -> None:
    assert refusal(put("a.docx", "x")).startswith("SFT212")


# --- pairs of spaCy ---

PAIRS = [["good", {"label": "1", "cats": {}}], ["bad", {"label": "0"}]]


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("content", [PAIRS, {"classes": ["0", "1"], "annotations": PAIRS}])
def test_pairs_of_a_text_and_its_annotations_are_rows(put: Put, content: object, indent: int | None) -> None:
    path = put("a.json", json.dumps(content, indent=indent))
    assert [row[:2] for row in rows_of(path)] == [("good", "1"), ("bad", "0")]
    path = put("a.jsonl", "\n".join(map(json.dumps, PAIRS)))
    assert rows_of(path) == [("good", "1", 1), ("bad", "0", 2)]


def test_lists_that_are_no_pairs_are_set_aside(put: Put) -> None:
    path = put("a.jsonl", '["good", {"label": 1}]\n["bad", "0"]\n[{"label": 1}, "good"]\n["good", {}, 1]\n')
    assert [line for _, _, line in rows_of(path)] == [1]
    assert broken_of(path) == [("SFT211", 2), ("SFT211", 3), ("SFT211", 4)]
