"""What annotation tools export is read as the tool meant it: their keys, their countings, and rows without a mark."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sftkeras.config import DataConfig
from sftkeras.data import DataError, LabelledData, load_file, quick_check
from sftkeras.data.labels.spans.kind import ENTITIES
from sftkeras.errors import SFTError

Row = dict[str, Any]
Entities = list[tuple[str, str]]

ANN = "Ann lives in New York"
SPANS = [[0, 3, "PER"], [13, 21, "LOC"]]
FOUND = [("Ann", "PER"), ("New York", "LOC")]
EMOJI = "😀 Ann 😀 York"  # in UTF-16 Ann begins at 3 and York at 10, in UTF-8 at 5 and 14


def write(path: Path, rows: Any) -> str:
    if path.suffix in (".csv", ".tsv"):
        with path.open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]), delimiter="\t" if path.suffix == ".tsv" else ",")
            writer.writeheader()
            writer.writerows(rows)
    elif path.suffix == ".json":
        path.write_text(json.dumps(rows), encoding="utf-8")
    else:
        path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return str(path)


def read(path: str, **settings: Any) -> LabelledData:
    quick_check(DataConfig(train=path, **settings), ENTITIES)
    return load_file(path, DataConfig(**settings), ENTITIES, ("LOC", "PER"))


def entities(data: LabelledData) -> list[Entities]:
    texts = data.examples.texts(np.arange(len(data.examples)))
    return [
        [(text[start:end], data.label_names[label]) for start, end, label in spans.tolist()]
        for text, spans in zip(texts, data.examples.labels, strict=True)
    ]


def regions(places: list[tuple[int, int]], words: list[str | None], text: str = "text") -> list[Row]:
    found = []
    for (start, end), word, label in zip(places, words, ("PER", "LOC"), strict=True):
        found.append({"start": start, "end": end, "labels": [label]} | ({text: word} if word else {}))
    return found


def task(text: str, marks: list[Row]) -> Row:
    return {"data": {"text": text}, "annotations": [{"result": [{"type": "labels", "value": one} for one in marks]}]}


# --- shapes ---

SHAPES: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "pairs of spaCy": ("a.json", [[ANN, {"entities": SPANS}]], {}),
    "lines of pairs": ("a.jsonl", [[ANN, {"entities": SPANS}]], {}),
    "pairs under a key": ("a.json", {"classes": ["PER", "LOC"], "annotations": [[ANN, {"entities": SPANS}]]}, {}),
    "documents of spaCy": (
        "a.jsonl",
        [{"text": ANN, "ents": [{"start": s, "end": e, "label": label} for s, e, label in SPANS],
          "tokens": [{"id": 0, "start": 0, "end": 3}]}],
        {},
    ),
    "doccano, numbers as labels": (
        "a.jsonl",
        [{"text": ANN, "annotations": [{"label": n, "start_offset": s, "end_offset": e} for s, e, n in
                                       ((0, 3, 7), (13, 21, 8))]}],
        {"label_names": {"7": "PER", "8": "LOC"}},
    ),
    "doccano, several labels": ("a.jsonl", [{"id": 3, "data": ANN, "label": SPANS}], {"text": "data"}),
    "whole numbers with a point": ("a.jsonl", [{"text": ANN, "label": [[0.0, 3.0, "PER"], [13.0, 21.0, "LOC"]]}], {}),
    "numbers as text": ("a.jsonl", [{"text": ANN, "label": [["0", "3", "PER"], ["13", "21", "LOC"]]}], {}),
    "spans as JSON in a table": ("a.csv", [{"text": ANN, "entities": json.dumps(SPANS)}], {}),
    "spans as Python in a table": ("a.tsv", [{"text": ANN, "label": str([tuple(span) for span in SPANS])}], {}),
    "words and tags in a table": (
        "a.csv",
        [{"tokens": str(ANN.split()), "ner_tags": "['B-PER', 'O', 'O', 'B-LOC', 'I-LOC']"}],
        {},
    ),
    "words beside their text": (
        "a.jsonl",
        [{"text": "another " + ANN, "tokens": ANN.split(), "tags": ["B-PER", "O", "O", "B-LOC", "I-LOC"]}],
        {},
    ),
    "words beside the text of spans": ("a.jsonl", [{"text": ANN, "tokens": ANN.split(), "entities": SPANS}], {}),
    "arrays of numbers in a table": (
        "a.csv",
        [{"tokens": str(np.array(ANN.split())), "ner_tags": str(np.array([1, 0, 0, 2, 3]))}],
        {"label_names": {"0": "O", "1": "B-PER", "2": "B-LOC", "3": "I-LOC"}},
    ),
    "a page of Label Studio": (
        "a.json",
        [{"data": {"page": ANN}, "annotations": [{"result": [
            {"value": {"start": "/p[1]/text()[1]", "end": "/p[1]/text()[1]", "startOffset": s, "endOffset": e,
                       "globalOffsets": {"start": s, "end": e}, "text": ANN[s:e], "hypertextlabels": [label]}}
            for s, e, label in SPANS]}]}],
        {},
    ),
    "Label Studio's table": (
        "a.csv",
        [{"text": ANN, "id": 1, "label": json.dumps(regions([(0, 3), (13, 21)], ["Ann", "New York"])),
          "annotator": 1, "annotation_id": 1, "lead_time": 2.5}],
        {},
    ),
}  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES)
def test_every_shape_is_read(tmp_path: Path, shape: str) -> None:
    name, rows, settings = SHAPES[shape]
    assert entities(read(write(tmp_path / name, rows), **settings)) == [FOUND]


def test_prodigy_leaves_out_the_spans_of_rows_without_any(tmp_path: Path) -> None:
    spans = [{"start": start, "end": end, "label": label, "token_start": 0} for start, end, label in SPANS]
    tokens = [{"text": word, "id": number} for number, word in enumerate(ANN.split())]
    rows: list[Row] = [
        {"text": "nobody here", "_input_hash": 1, "tokens": tokens, "answer": "accept"},
        {"text": ANN, "_input_hash": 2, "tokens": tokens, "spans": spans, "answer": "accept"},
        {"text": ANN + "?", "_input_hash": 3, "tokens": tokens, "spans": [], "answer": "reject"},
        {"text": ANN + "!", "_input_hash": 4, "tokens": tokens, "answer": "ignore"},
    ]
    data = read(write(tmp_path / "a.jsonl", rows))
    assert entities(data) == [[], FOUND]
    (found,) = data.findings
    assert (found.code, found.severity, found.count, found.places[0][1]) == ("SFT268", "warning", 2, 3)


def test_rows_of_prodigy_of_which_none_was_accepted_are_no_fault_of_theirs(tmp_path: Path) -> None:
    row = {"text": ANN, "_input_hash": 1, "spans": [], "answer": "reject"}
    with pytest.raises(SFTError, match=r"SFT239 .*None was accepted"):
        read(write(tmp_path / "a.jsonl", [row]))


@pytest.mark.parametrize("ending", [".json", ".csv"])
def test_a_table_of_label_studio_lacks_what_was_not_marked(tmp_path: Path, ending: str) -> None:
    about = {"annotator": 1, "annotation_id": 7, "lead_time": 2.5}
    marks: Any = regions([(0, 3), (13, 21)], ["Ann", "New York"])
    rows = [
        {"text": ANN, **about, "label": json.dumps(marks) if ending == ".csv" else marks},
        {"text": "none", **about},
    ]
    assert entities(read(write(tmp_path / f"a{ending}", rows))) == [FOUND, []]


def test_rows_of_other_files_without_entities_are_named_by_their_column(tmp_path: Path) -> None:
    path = write(tmp_path / "a.jsonl", [{"text": ANN, "spans": SPANS}, {"text": "none"}])
    with pytest.raises(DataError, match=r"SFT217 .*line 2: no label in column spans"):
        read(path)


def test_what_is_no_list_of_entities_is_named_by_its_column(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'SFT219 .*line 2: column tags holds "O O B-PER", expected a list'):
        read(write(tmp_path / "a.csv", [{"sentence": "Ann met Bob", "tags": "O O B-PER"}]))


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ({"text": ANN, "annotations": [{"label": 7, "start_offset": 0, "end_offset": 3}]}, 'such as 7.*{"7": "PER"}'),
        ({"tokens": ["Ann", "sat"], "ner_tags": [1, 0]}, 'such as 1.*{"0": "O", "1": "B-PER"'),
        ({"tokens": ["Ann", "sat"], "ner_tags": ["0", "0"]}, 'such as 0.*{"0": "O"'),
        ({"tokens": ["Ann", "sat"], "ner_tags": [1.0, 0.0]}, "such as 1[.]"),
    ],
)
def test_numbers_are_no_labels_without_names(tmp_path: Path, rows: Row, words: str) -> None:
    path = write(tmp_path / "a.jsonl", [rows])
    for bad_rows in ("error", "skip"):
        with pytest.raises(DataError, match=f"SFT267 .*line 1: .*{words}"):
            read(path, bad_rows=bad_rows)
    with pytest.raises(DataError, match=r"SFT215.*has no name in --data.label_names .which names 9"):
        read(path, label_names={"9": "PER"})


@pytest.mark.parametrize(
    ("entity", "reason"),
    [
        ({"start": 0.5, "end": 3, "label": "PER"}, "the start 0.5 is no whole number"),
        ({"start": "Ann", "end": 3, "label": "PER", "note": "x" * 90}, 'the start "Ann" is no whole number, in {'),
        ({"start": 0, "label": "PER"}, "the end null is no whole number"),
        ({"start": 0, "end": 3, "labels": ["PER", "LOC"]}, r'\["PER", "LOC"\] is not one label, in {'),
        ({"start": 0, "end": 3}, "null is not one label"),
    ],
)
def test_the_part_of_an_entity_that_is_wrong_is_named_first(tmp_path: Path, entity: Row, reason: str) -> None:
    with pytest.raises(DataError, match=f"SFT252 .*line 1: {reason}"):
        read(write(tmp_path / "a.jsonl", [{"text": ANN, "spans": [entity]}]))


# --- countings ---

UTF16, UTF8 = [(3, 6), (10, 14)], [(5, 8), (14, 18)]
WORDS: list[str | None] = ["Ann", "York"]


@pytest.mark.parametrize(("places", "counting"), [(UTF16, "UTF-16 code units"), (UTF8, "UTF-8 bytes")])
@pytest.mark.parametrize(
    ("name", "row"),
    [
        ("a.json", lambda text, marks: task(text, marks)),
        ("a.json", lambda text, marks: {"text": text, "label": marks}),
        ("a.csv", lambda text, marks: {"text": text, "label": json.dumps(marks), "annotation_id": 3}),
        ("a.jsonl", lambda text, marks: [text, {"entities": marks}]),
        ("a.jsonl", lambda text, marks: {"text": text, "spans": marks, "_task_hash": 3}),
    ],
)
def test_offsets_of_another_counting_are_read_by_the_texts_beside_them(
    tmp_path: Path, name: str, row: Any, places: list[tuple[int, int]], counting: str
) -> None:
    rows = [row(ANN, regions([(0, 3), (13, 21)], ["Ann", "New York"])), row(EMOJI, regions(places, WORDS))]
    data = read(write(tmp_path / name, rows))
    assert entities(data) == [FOUND, [("Ann", "PER"), ("York", "LOC")]]
    (found,) = data.findings
    assert (found.code, found.severity, found.count) == ("SFT265", "warning", 1)
    assert f"count {counting} in this file" in found.message


def test_regions_without_a_text_count_as_the_others_of_their_file(tmp_path: Path) -> None:
    rows = [task(EMOJI, regions(UTF16, WORDS)), task("😀 Bob 😀 Rome", regions(UTF16, [None, None]))]
    assert entities(read(write(tmp_path / "a.json", rows)))[1] == [("Bob", "PER"), ("Rome", "LOC")]


def test_offsets_are_characters_where_nothing_says_otherwise(tmp_path: Path) -> None:
    rows = [
        task(EMOJI, regions([(2, 5), (8, 12)], [None, None])),
        task("😀😀 Bob", regions([(3, 6), (0, 1)], ["Bob", "😀"])),
    ]
    assert entities(read(write(tmp_path / "a.json", rows)))[0] == [("Ann", "PER"), ("York", "LOC")]


@pytest.mark.parametrize("bad_rows", ["error", "skip"])
def test_a_region_that_fits_no_counting_is_refused_by_its_line(tmp_path: Path, bad_rows: Any) -> None:
    rows = [
        {"text": EMOJI, "label": regions(UTF16, WORDS)},
        {"text": "😀 Ann", "label": regions([(2, 5)] * 2, WORDS)[:1]},
    ]
    path = write(tmp_path / "a.jsonl", [*rows, {"text": EMOJI + "!", "label": regions(UTF16, WORDS)}])
    if bad_rows == "skip":
        data = read(path, bad_rows="skip")
        assert entities(data) == [[("Ann", "PER"), ("York", "LOC")]] * 2
        assert {(found.code, found.count) for found in data.findings} == {("SFT265", 2), ("SFT266", 1)}
    else:
        with pytest.raises(DataError, match=r'SFT266 .*line 2: PER from 2 to 5 holds " An", but the file says "Ann"'):
            read(path)


def test_a_region_that_says_other_words_than_its_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r'SFT266 .*line 1: PER from 1 to 4 holds "nn ", but the file says "Ann"'):
        read(write(tmp_path / "a.jsonl", [{"text": ANN, "label": regions([(1, 4), (13, 21)], ["Ann", None])}]))
