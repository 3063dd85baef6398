"""Marked-up texts of every format come to one form, and what is wrong with a row is told by file and line."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sftkeras.config import DataConfig
from sftkeras.data import DataError, LabelledData, load_data, load_file, quick_check
from sftkeras.data.labels.classes.kind import ONE_LABEL
from sftkeras.data.labels.spans.joining import joined_words
from sftkeras.data.labels.spans.kind import ENTITIES
from sftkeras.errors import SFTError

Write = Callable[[str, Any], str]

JOHN = "John Smith lives in New York"
SPANS = [[0, 10, "PER"], [20, 28, "LOC"]]
WORDS = JOHN.split()
TAGS = ["B-PER", "I-PER", "O", "O", "B-LOC", "I-LOC"]
LABEL_STUDIO = {
    "id": 7,
    "data": {"text": JOHN},
    "annotations": [
        {"was_cancelled": True, "result": [{"value": {"start": 0, "end": 4, "labels": ["LOC"]}}]},
        {
            "result": [
                {"type": "labels", "value": {"start": 0, "end": 10, "text": "John Smith", "labels": ["PER"]}},
                {"type": "choices", "value": {"choices": ["good"]}},
                {"type": "labels", "value": {"start": 20, "end": 28, "text": "New York", "labels": ["LOC"]}},
            ]
        },
    ],
}
NUMBERS = {"0": "O", "1": "B-PER", "2": "I-PER", "3": "B-LOC", "4": "I-LOC"}

FORMATS: dict[str, tuple[str, Any, dict[str, Any]]] = {
    "CoNLL": ("a.conll", "\n".join(f"{w}\t{t}" for w, t in zip(WORDS, TAGS, strict=True)), {}),
    "CoNLL 2003": (
        "a.txt",
        "-DOCSTART- -X- -X- O\n\n" + "\n".join(f"{w} NNP I-NP {t}" for w, t in zip(WORDS, TAGS, strict=True)) + "\n\n",
        {},
    ),
    "CoNLL, numbered columns": (
        "a.bio",
        "\r\n".join(f"{n} {t} {w} x" for n, (w, t) in enumerate(zip(WORDS, TAGS, strict=True))),
        {"text": "2", "label": "1"},
    ),
    "tokens and tags": ("a.jsonl", [{"tokens": WORDS, "tags": TAGS}], {}),
    "tokens and numbered tags": (
        "a.jsonl",
        [{"tokens": WORDS, "ner_tags": [1, 2, 0, 0, 3, 4]}],
        {"label_names": NUMBERS},
    ),
    "named columns": ("a.jsonl", [{"w": WORDS, "t": TAGS}], {"text": "w", "label": "t"}),
    "BIOES": ("a.jsonl", [{"words": WORDS, "labels": ["B-PER", "E-PER", "O", "O", "B-LOC", "E-LOC"]}], {}),
    "spans": ("a.jsonl", [{"text": JOHN, "spans": [{"start": s, "end": e, "label": n} for s, e, n in SPANS]}], {}),
    "spans with outer spaces, in any order": (
        "a.jsonl",
        [{"text": JOHN, "label": [[19, 28, "LOC"], [0, 11, "PER"], [0, 10, "PER"]]}],
        {},
    ),
    "renamed labels": (
        "a.jsonl",
        [{"text": JOHN, "label": [[0, 10, "p"], [20, 28, "LOC"]]}],
        {"label_names": {"p": "PER"}},
    ),
    "doccano": ("a.jsonl", [{"id": 1, "text": JOHN, "label": SPANS}], {}),
    "doccano with relations": (
        "a.jsonl",
        [{"text": JOHN, "entities": [{"id": 1, "label": n, "start_offset": s, "end_offset": e} for s, e, n in SPANS]}],
        {},
    ),
    "Label Studio": ("a.json", [LABEL_STUDIO], {}),
    "Label Studio, minimal": (
        "a.json",
        [{"text": JOHN, "label": [{"start": s, "end": e, "labels": [n]} for s, e, n in SPANS], "annotator": 1}],
        {},
    ),
}


@pytest.fixture
def write(tmp_path: Path) -> Write:
    def put(name: str, content: Any) -> str:
        path = tmp_path / name
        if isinstance(content, str):
            path.write_bytes(content.encode())
        elif name.endswith(".json"):
            path.write_text(json.dumps(content, indent=1))
        else:
            path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in content))
        return str(path)

    return put


def load(path: str, labels: tuple[str, ...] = ("LOC", "PER"), **settings: Any) -> LabelledData:
    return load_file(path, DataConfig(**settings), ENTITIES, labels)


def rows_of(data: LabelledData) -> list[tuple[str, list[list[Any]]]]:
    texts = data.examples.texts(np.arange(len(data.examples)))
    labels = [[[s, e, data.label_names[n]] for s, e, n in spans.tolist()] for spans in data.examples.labels]
    return list(zip(texts, labels, strict=True))


@pytest.mark.parametrize("case", FORMATS)
def test_every_format_comes_to_one_form(write: Write, case: str) -> None:
    name, content, settings = FORMATS[case]
    path = write(name, content)
    quick_check(DataConfig(train=path, **settings), ENTITIES)
    assert rows_of(load(path, **settings)) == [(JOHN, SPANS)]


def test_parquet_has_words_and_tags_too(tmp_path: Path) -> None:
    pq.write_table(pa.table({"tokens": [WORDS], "ner_tags": [[1, 2, 0, 0, 3, 4]]}), tmp_path / "a.parquet")
    assert rows_of(load(str(tmp_path / "a.parquet"), label_names=NUMBERS)) == [(JOHN, SPANS)]


def test_words_of_scripts_without_spaces_are_joined_without() -> None:
    assert joined_words(["北", "京", "2008", "年", "the", "Games", "。"]) == (
        "北京2008年the Games。",
        [0, 1, 2, 6, 7, 11, 16],
    )
    assert joined_words(["서울", "은"]) == ("서울 은", [0, 3])
    assert joined_words([]) == ("", [])


def test_offsets_count_characters_of_the_raw_text(write: Write) -> None:
    text = "👩‍👩‍👧 e\u0301té  مرحبا"
    start = text.index("مرحبا")
    data = load(write("a.jsonl", [{"text": text, "label": [[start, len(text), "PER"]]}]))
    assert rows_of(data) == [(text, [[start, len(text), "PER"]])]


FAULTS: dict[str, tuple[str, Any, str]] = {
    "SFT250 columns": (
        "a.conll",
        "x B-PER\n\ny O\nJohn I-PER\n",
        'a.conll line 4: I-PER after O is not legal in BIO (word 2, "John")',
    ),
    "SFT250 rows": ("a.jsonl", {"tokens": ["a", "b"], "tags": ["B-PER", "I-LOC"]}, "line 1: I-LOC after B-PER is not"),
    "SFT251": ("a.jsonl", {"tokens": ["a", "b"], "tags": ["O"]}, "line 1: 2 words, but 1 tags"),
    "SFT252 words": ("a.jsonl", {"tokens": ["a", 1], "tags": ["O", "O"]}, "line 1: 1 is no word"),
    "SFT252 span": ("a.jsonl", {"text": "a", "label": [[0, 1]]}, "[0, 1] is no entity with start, end and label"),
    "SFT253": ("a.jsonl", {"text": "abc", "label": [[1, 4, "PER"]]}, "PER from 1 to 4 is outside of its 3 characters"),
    "SFT253 spaces": ("a.jsonl", {"text": "a  c", "label": [[1, 3, "PER"]]}, "holds nothing but spaces"),
    "SFT254": ("a.jsonl", {"text": "abcd", "label": [[0, 3, "P"], [2, 4, "L"]]}, "overlap, P from 0 to 3 and L from 2"),
    "SFT255": ("a.conll", "x B-PER\n\nalone\n", "a.conll line 3: expected a word and its tag in columns, found alone"),
    "SFT217": ("a.jsonl", {"data": {"text": "a"}, "annotations": []}, "no label in column annotations"),
    "SFT219": ("a.jsonl", {"text": "a", "label": "PER"}, 'holds "PER", expected a list of entities'),
    "SFT216": ("a.jsonl", {"text": " ", "label": []}, "no text in column text"),
    "SFT214": ("a.jsonl", {"text": "abc", "label": [[0, 1, "PRE"]]}, "is not one of LOC, PER. Did you mean"),
}


@pytest.mark.parametrize("case", FAULTS)
def test_what_is_wrong_with_a_row_is_told_by_line(write: Write, case: str) -> None:
    name, content, told = FAULTS[case]
    with pytest.raises(DataError, match=case[:6]) as raised:
        load(write(name, content if isinstance(content, str) else [content]))
    assert told in str(raised.value)


def test_bad_rows_can_be_left_out(write: Write) -> None:
    path = write("a.conll", "x I-PER\ny B-PER\n\nJohn B-PER\n\nalone\n")
    data = load(path, bad_rows="skip")
    assert rows_of(data) == [("John", [[0, 4, "PER"]])]
    assert {found.code for found in data.findings} == {"SFT250", "SFT255"}


def test_a_named_scheme_is_kept_to(write: Write) -> None:
    path = write("a.conll", "John I-PER\nSmith B-PER\n")
    assert rows_of(load(path, tag_scheme="iob1")) == [("John Smith", [[0, 4, "PER"], [5, 10, "PER"]])]
    with pytest.raises(DataError, match="SFT250"):
        load(path, tag_scheme="bio")


def test_the_parts_share_the_rare_labels(write: Write) -> None:
    rows = [
        {"text": f"word {n} here", "label": [[5, 6 + (n > 9) + (n > 99), "a" if n % 10 else "b"]]} for n in range(200)
    ]
    data = load_data(DataConfig(train=write("a.jsonl", rows)), ENTITIES, seed=1)
    assert data.label_names == ("a", "b")
    counts = {part: data.examples.labels[rows].members().sum(0).tolist() for part, rows in data.splits.items()}
    assert counts == {"train": [144, 16], "validation": [18, 2], "test": [18, 2]}


def test_rows_are_looked_up_in_any_order(write: Write) -> None:
    data = load(write("a.jsonl", [{"text": f"{n} x", "label": [[0, 1, "PER"]] * (n % 2)} for n in range(5)]))
    labels = data.examples.labels[np.array([3, 0, 1])]
    assert [spans.tolist() for spans in labels] == [[[0, 1, 1]], [], [[0, 1, 1]]]
    assert data.examples.label_text(3) == '"PER" 0-1'
    assert data.examples.label_text(0) == "no entity"


def test_entities_that_cut_words_are_told(write: Write) -> None:
    rows = [
        {"text": f"{n} iPhones 北京市", "label": [[2 + len(str(n)) - 1, 8 + len(str(n)) - 1, "PER"]]} for n in range(40)
    ]
    rows += [{"text": f"{n} U.S.-based 北京市", "label": [[12, 14, "LOC"], [2, 6, "PER"]]} for n in range(9)]
    data = load_data(DataConfig(train=write("a.jsonl", rows)), ENTITIES, seed=1)
    (found,) = [found for found in data.findings if found.code == "SFT257"]
    assert found.count == 40
    assert '"iPhone" in' in found.message
    assert found.places[0][1] == 1


def test_regions_of_label_studio_without_one_label_are_no_guess(write: Write) -> None:
    for labels in ([], ["PER", "LOC"]):
        value = {"start": 0, "end": 4, "text": "John", "labels": labels}
        task = {"data": {"text": "John"}, "annotations": [{"result": [{"value": value}]}]}
        with pytest.raises(DataError, match="SFT252"):
            load(write("a.json", [task]))


def test_rows_may_be_chosen_and_weighted(write: Write) -> None:
    rows = [{"text": f"{n} x", "label": [[0, 1, "PER"]], "lang": "en" if n % 2 else "zh", "w": n} for n in range(1, 41)]
    config = DataConfig(train=write("a.jsonl", rows), where={"lang": "en"}, weight="w", split=[0.6, 0.2, 0.2])
    data = load_data(config, ENTITIES, seed=1)
    assert data.examples.weights is not None
    assert sorted(data.examples.weights.tolist()) == list(range(1, 41, 2))


@pytest.mark.parametrize("name", ["a.conll", "a.txt"])
def test_columns_of_words_are_for_tagging_alone(write: Write, name: str) -> None:
    with pytest.raises(SFTError, match="SFT269"):
        quick_check(DataConfig(train=write(name, "x O\n")), ONE_LABEL)


def test_tagging_reads_no_pairs(write: Write) -> None:
    with pytest.raises(SFTError, match="SFT256"):
        quick_check(DataConfig(train=write("a.conll", "x O\n"), pair="other"), ENTITIES)


def test_a_missing_column_is_told_with_those_that_are_there(write: Write) -> None:
    with pytest.raises(SFTError, match="SFT204") as raised:
        quick_check(DataConfig(train=write("a.jsonl", [{"text": "a", "marked": []}])), ENTITIES)
    assert "text, marked" in str(raised.value)


@pytest.mark.parametrize(
    ("name", "content", "settings"),
    [
        ("a.jsonl", [{"tokens": WORDS, "ner_tags": TAGS}], {"text": "text"}),
        ("a.jsonl", [{"tokens": WORDS, "ner_tags": TAGS}], {"label": "label"}),
        ("a.json", [LABEL_STUDIO], {"label": "label", "text": "data"}),
        ("a.conll", "x O\n", {"text": "text"}),
        ("a.conll", "x O\n", {"label": "label"}),
    ],
)
def test_a_column_that_is_named_is_that_column_even_by_its_usual_name(
    write: Write, name: str, content: Any, settings: dict[str, str]
) -> None:
    with pytest.raises(SFTError, match="SFT204") as raised:
        quick_check(DataConfig(train=write(name, content), **settings), ENTITIES)
    assert f'no column "{next(iter(settings.values()))}"' in str(raised.value)


def test_the_text_of_a_label_studio_task_is_the_one_that_is_named(write: Write) -> None:
    with pytest.raises(DataError, match="SFT216"):
        load(write("a.json", [LABEL_STUDIO]), text="title")
