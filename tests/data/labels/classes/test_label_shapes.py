"""Labels in the shapes that tools write them in are read where their meaning is certain, and asked about elsewhere."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from sftkeras.config import DataConfig
from sftkeras.data import LabelledData, load_data, load_file
from sftkeras.data.checks.first_look import quick_check
from sftkeras.data.labels.answers.kind import ANSWERS
from sftkeras.data.labels.classes.kind import ONE_LABEL, SEVERAL_LABELS
from sftkeras.data.labels.numbers.kind import NUMBERS
from sftkeras.data.labels.spans.kind import ENTITIES
from sftkeras.errors import SFTError

Put = Callable[[str, str | bytes], str]

NAMES = {"0": "plot", "1": "cast", "2": "score"}
SETS: list[list[str]] = [["plot"], [], ["plot", "cast"], ["score"], ["cast"]]
FLAGS = [[1, 0, 0], [0, 0, 0], [1, 1, 0], [0, 0, 1], [0, 1, 0]]  # the same


def load(train: str, kind: Any = ONE_LABEL, **settings: Any) -> LabelledData:
    return load_data(DataConfig(train=train, **settings), kind, seed=1)


def labels_of(data: LabelledData, count: int = len(SETS)) -> list[list[str]]:
    """The labels of the first rows."""
    labels = data.examples.labels[:count]
    if data.label_kind is ONE_LABEL:
        return [[data.label_names[label]] for label in labels]
    return [sorted(data.label_names[number] for number in row.nonzero()[0]) for row in labels]


def put_json(put: Put, cells: Sequence[Any], column: str = "label", name: str = "a.jsonl", rows: int = 40) -> str:
    """A file of rows whose labels are the cells, again and again."""
    lines = [json.dumps({"text": f"text {row}", column: cells[row % len(cells)]}) for row in range(rows)]
    return put(name, "\n".join(lines))


def put_csv(put: Put, cells: Sequence[str], rows: int = 40, header: str = "text,label") -> str:
    quoted = [cell.replace('"', '""') for cell in cells]
    lines = [f'text {row},"{quoted[row % len(cells)]}"' for row in range(rows)]
    return put("a.csv", "\n".join([header, *lines]))


def refusal(*arguments: Any, **settings: Any) -> str:
    with pytest.raises(SFTError) as raised:
        load(*arguments, **settings)
    return str(raised.value)


# --- lists ---


@pytest.mark.parametrize(
    "cells",
    [
        ["['plot']", "[]", "['plot', 'cast']", '["score"]', "['cast']"],
        ['["plot"]', "[]", '["plot", "cast"]', '["score"]', '["cast"]'],
        ["['plot']", "[]", "['plot' 'cast']", "['score']", "['cast']"],
        ["array(['plot'], dtype=object)", "array([], dtype=object)", "['plot' 'cast']", "['score']", "['cast']"],
        ["('plot',)", "()", "('cast', 'plot')", "('score',)", "('cast',)"],
        ["{'plot'}", "", "{'cast', 'plot'}", "{'score'}", "{'cast'}"],
        ["[plot]", "[ ]", "[plot, cast]", "[score]", "[cast]"],
        ["plot", "", "plot | cast", "score|", "cast"],
        ["plot", "", '{"choices": ["plot", "cast"]}', "score", "cast"],
    ],
)
def test_lists_in_cells_of_text_are_lists(put: Put, cells: list[str]) -> None:
    data = load(put_csv(put, cells), SEVERAL_LABELS)
    assert data.label_names == ("cast", "plot", "score")
    assert labels_of(data) == [sorted(labels) for labels in SETS]


@pytest.mark.parametrize("cell", [["plot"], "['plot']", '["plot"]', ["plot", "plot"], {"choices": ["plot"]}])
def test_a_list_of_one_is_one_label(put: Put, cell: Any) -> None:
    data = load(put_json(put, [cell, "cast"]))
    assert labels_of(data, 2) == [["plot"], ["cast"]]


def test_labels_in_brackets_that_are_no_lists_stay_as_they_are(put: Put) -> None:
    data = load(put_csv(put, ["[other]", "(none)", "{x", "[1"]))
    assert data.label_names == ("(none)", "[1", "[other]", "{x")


def test_a_column_of_texts_named_data_is_no_task_of_label_studio(put: Put) -> None:
    lines = [json.dumps({"id": row, "data": f"text {row}", "label": [["plot", "cast"][row % 2]]}) for row in range(40)]
    data = load(put("a.jsonl", "\n".join(lines)), text="data")
    assert labels_of(data, 2) == [["plot"], ["cast"]]


def test_several_labels_in_a_list_need_multi_label_and_none_is_none(put: Put) -> None:
    message = refusal(put_json(put, [["plot"], ["plot", "cast"]]))
    assert message.startswith("SFT219")
    assert "holds 2 labels, expected one label. 19 more such" in message
    assert "Set --task.multi_label true" in message
    assert refusal(put_json(put, [["plot"], ["cast"], []])).startswith("SFT217")


def test_objects_with_a_label_each_are_their_labels(put: Put) -> None:
    cells = [[{"label": label, "user": 1} for label in labels] for labels in SETS]
    assert labels_of(load(put_json(put, cells), SEVERAL_LABELS)) == [sorted(labels) for labels in SETS]


@pytest.mark.parametrize("kind", [ONE_LABEL, SEVERAL_LABELS])
def test_numbers_text_and_truth_values_are_not_taken_for_one_another(put: Put, kind: Any) -> None:
    data = load(put_json(put, [1, "1", True, [1], [True], "a"]), kind)
    assert labels_of(data, 6) == [["1"], ["1"], ["true"], ["1"], ["true"], ["a"]]


# --- zeros and ones ---


@pytest.mark.parametrize(
    "write",
    [
        list,
        lambda flags: [float(flag) for flag in flags],
        lambda flags: [bool(flag) for flag in flags],
        lambda flags: [str(flag) for flag in flags],
        str,
        lambda flags: str([float(flag) for flag in flags]),
        lambda flags: "[" + " ".join(map(str, flags)) + "]",
        lambda flags: "|".join(map(str, flags)),
        lambda flags: ",".join(map(str, flags)),
        lambda flags: " ".join(map(str, flags)),
    ],
)
def test_the_places_of_vectors_are_labels_by_the_given_names(put: Put, write: Callable[[list[int]], Any]) -> None:
    path = put_json(put, [write(flags) for flags in FLAGS])
    data = load(path, SEVERAL_LABELS, label_names=NAMES)
    assert (data.label_names, labels_of(data)) == (("cast", "plot", "score"), [sorted(labels) for labels in SETS])
    message = refusal(path, SEVERAL_LABELS)
    assert message.startswith("SFT245  column label (--data.label) holds lists of 3 zeros and ones.")
    assert "--data.label_names '{0: NAME, 1: NAME, 2: NAME}'" in message


@pytest.mark.parametrize("names", [{"0": "plot", "1": "cast"}, {"1": "plot", "2": "cast", "3": "score"}, {"plot": "x"}])
def test_names_that_do_not_fit_the_places_are_asked_for(put: Put, names: dict[str, str]) -> None:
    assert refusal(put_json(put, FLAGS), SEVERAL_LABELS, label_names=names).startswith("SFT245")


def test_a_vector_with_a_single_one_is_one_label(put: Put) -> None:
    path = put_json(put, [[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    assert labels_of(load(path, label_names=NAMES), 3) == [["plot"], ["cast"], ["score"]]
    assert refusal(path).startswith("SFT245")
    assert refusal(put_json(put, FLAGS), label_names=NAMES, bad_rows="skip").startswith("SFT219")


def test_labels_that_are_zero_and_one_are_no_vectors(put: Put) -> None:
    data = load(put_json(put, [[0], [1], [0, 1], []]), SEVERAL_LABELS)
    assert (data.label_names, labels_of(data, 4)) == (("0", "1"), [["0"], ["1"], ["0", "1"], []])


def test_vectors_of_other_widths_are_faults_and_never_labels(put: Put) -> None:
    rows = [json.dumps({"text": f"text {row}", "label": FLAGS[row % 5]}) for row in range(40)]
    path = put("a.jsonl", "\n".join([*rows, '{"text": "a", "label": [1, 0]}']))
    assert "line 41: [1, 0] in column label is not a list of 3 zeros and ones" in refusal(
        path, SEVERAL_LABELS, label_names=NAMES
    )
    mixed = put("b.jsonl", "\n".join([*rows[:5], '{"text": "a", "label": [1]}']))
    assert "[1, 0, 0] in column label is not a list of different labels" in refusal(mixed, SEVERAL_LABELS)


def test_a_label_that_no_row_has_keeps_its_name(put: Put) -> None:
    path = put_json(put, [[1, 0, 0], [0, 1, 0], [1, 1, 0]])
    data = load(path, SEVERAL_LABELS, label_names=NAMES)
    assert data.label_names == ("cast", "plot", "score")
    assert any(found.code == "SFT225" and "score" in found.message for found in data.findings)


# --- objects of zeros and ones ---


@pytest.mark.parametrize("column", ["label", "cats"])
def test_categories_with_zero_and_one_are_labels(put: Put, column: str) -> None:
    one = [{"POS": 1, "NEG": 0}, {"POS": 0.0, "NEG": 1.0}, {"POS": True, "NEG": False}]
    assert labels_of(load(put_json(put, one, column)), 3) == [["POS"], ["NEG"], ["POS"]]
    some = [dict(zip(NAMES.values(), flags, strict=True)) for flags in FLAGS]
    assert labels_of(load(put_json(put, some, column), SEVERAL_LABELS)) == [sorted(labels) for labels in SETS]
    message = refusal(put_json(put, some, column), bad_rows="skip")
    assert message.startswith("SFT219")
    assert f"column {column} holds 2 labels, expected one label." in message


def test_pairs_of_text_and_categories_are_read(put: Put) -> None:
    pairs = [[f"text {row}", {"cats": {"POS": row % 2, "NEG": 1 - row % 2}}] for row in range(40)]
    assert labels_of(load(put("a.json", json.dumps(pairs))), 2) == [["NEG"], ["POS"]]


def test_shares_of_categories_are_asked_about(put: Put) -> None:
    path = put_json(put, [{"POS": 1, "NEG": 0}, {"POS": 0, "NEG": 1}, {"POS": 0.7, "NEG": 0.3}])
    assert "SFT244" in refusal(path)
    assert "line 3: 0.7 for POS in column label is not 0 or 1. 12 more such" in refusal(path)
    assert len(load(path, bad_rows="skip").examples) == 27


def test_the_usual_column_is_taken_only_if_none_is_named(put: Put) -> None:
    assert refusal(put_json(put, [["a"], ["b"]], "labels"), label="label").startswith("SFT204")
    assert load(put_json(put, [["a"], ["b"]], "labels")).label_names == ("a", "b")


# --- a column for each label ---


def put_columns(put: Put, ending: str, zero: Any = 0, one: Any = 1) -> str:
    rows: list[dict[str, Any]] = [
        {"text": f"text {row}"} | {NAMES[str(place)]: one if has else zero for place, has in enumerate(FLAGS[row % 5])}
        for row in range(40)
    ]
    if ending == "csv":
        lines = [",".join(map(str, row.values())) for row in rows]
        return put("a.csv", "\n".join([",".join(rows[0]), *lines]))
    path = put(f"a.{ending}", "\n".join(map(json.dumps, rows)))
    if ending == "parquet":
        pq.write_table(pa.Table.from_pylist(rows), path)
    return path


@pytest.mark.parametrize("ending", ["csv", "jsonl", "parquet"])
@pytest.mark.parametrize(("zero", "one"), [(0, 1), (0.0, 1.0), (False, True)])
@pytest.mark.parametrize("named", ["plot,cast,score", ["plot", "cast", "score"]])
def test_columns_of_zeros_and_ones_are_labels(put: Put, ending: str, zero: Any, one: Any, named: Any) -> None:
    path = put_columns(put, ending, zero, one)
    quick_check(DataConfig(train=path, label=named), SEVERAL_LABELS)
    data = load(path, SEVERAL_LABELS, label=named)
    assert data.label_names == ("cast", "plot", "score")
    assert labels_of(data) == [sorted(labels) for labels in SETS]


def test_labels_of_columns_may_get_other_names(put: Put) -> None:
    names = {"plot": "story", "cast": "actors", "score": "music"}
    data = load(put_columns(put, "csv"), SEVERAL_LABELS, label="plot,cast,score", label_names=names)
    assert data.label_names == ("actors", "music", "story")


def test_columns_are_read_again_to_evaluate_a_model(put: Put) -> None:
    path, known = put_columns(put, "csv"), ["cast", "plot", "score"]
    data = load_file(path, DataConfig(label=["score", "plot", "cast"]), SEVERAL_LABELS, known)
    assert labels_of(data) == [sorted(labels) for labels in SETS]
    with pytest.raises(SFTError, match=r"SFT204 .* no column \"music\""):
        load_file(path, DataConfig(label="plot,music"), SEVERAL_LABELS, known)


def test_rows_may_be_kept_by_a_column_of_labels(put: Put) -> None:
    data = load(put_columns(put, "csv"), SEVERAL_LABELS, label="plot,cast,score", where={"plot": "1"})
    assert labels_of(data, 2) == [["plot"], ["cast", "plot"]]


def test_one_column_of_each_row_is_one_label(put: Put) -> None:
    rows = [f"text {row},{row % 2},{1 - row % 2}" for row in range(40)]
    path = put("a.csv", "\n".join(["text,ham,spam", *rows]))
    assert labels_of(load(path, label="ham,spam"), 2) == [["spam"], ["ham"]]
    assert refusal(put_columns(put, "csv"), label="plot,cast,score").startswith("SFT217")


@pytest.mark.parametrize(("cell", "found"), [("2", '"2"'), ("", "nothing"), ("-1", '"-1"'), ("x", '"x"')])
def test_a_cell_that_is_neither_zero_nor_one_is_named(put: Put, cell: str, found: str) -> None:
    rows = [f"text {row},{row % 2},1" for row in range(40)]
    path = put("a.csv", "\n".join(["text,plot,cast", *rows, f"a,1,{cell}"]))
    message = refusal(path, SEVERAL_LABELS, label="plot,cast")
    assert f"SFT244  {path} line 42: {found} for cast in column plot, cast is not 0 or 1." in message


def test_columns_that_may_be_meant_are_named(put: Put) -> None:
    message = refusal(put_columns(put, "csv"), SEVERAL_LABELS)
    assert message.startswith("SFT204")
    assert message.endswith("Columns of zeros and ones are named together: --data.label plot,cast,score")


def test_columns_with_spaces_are_named_as_a_shell_takes_them(put: Put) -> None:
    path = put("a.csv", "\n".join(["text,the plot,cast", *(f"text {row},{row % 2},1" for row in range(40))]))
    assert refusal(path).endswith("--data.label 'the plot,cast'")


@pytest.mark.parametrize("kind", [NUMBERS, ENTITIES, ANSWERS])
def test_several_columns_are_for_classification_alone(put: Put, kind: Any) -> None:
    path = put_columns(put, "csv")
    with pytest.raises(SFTError, match=r"SFT246  --data.label names 2 columns, plot, cast\."):
        quick_check(DataConfig(train=path, label="plot,cast"), kind)
    assert refusal(path, kind, label="plot,cast").startswith("SFT246")


def test_a_column_with_a_comma_is_written_as_a_list_of_one(put: Put) -> None:
    rows = [f"text {row},{'ab'[row % 2]}" for row in range(40)]
    path = put("a.csv", "\n".join(['text,"kind, mood"', *rows]))
    assert load(path, label=["kind, mood"]).label_names == ("a", "b")


# --- labels of parts of texts, and rows that were rejected ---


@pytest.mark.parametrize("cell", [[[0, 3, "PER"]], [{"start": 0, "end": 3, "label": "PER"}]])
@pytest.mark.parametrize("kind", [ONE_LABEL, SEVERAL_LABELS])
def test_labels_of_parts_of_texts_are_none_of_whole_texts(put: Put, cell: Any, kind: Any) -> None:
    message = refusal(put_json(put, [cell]), kind)
    assert message.startswith("SFT219")
    assert message.endswith("For labels of parts of a text, set --task.kind tagging")


def test_what_an_annotator_rejected_is_left_out(put: Put) -> None:
    answers = ["accept", "accept", "reject", "ignore"]
    rows = [
        {"text": f"text {row}", "label": "ab"[row % 2], "_task_hash": row, "answer": answers[row % 4]}
        for row in range(80)
    ]
    data = load(put("a.jsonl", "\n".join(map(json.dumps, rows))))
    assert data.examples.texts([0, 1, 2]) == ["text 0", "text 1", "text 4"]
    (found,) = data.findings
    assert (found.code, found.severity, found.count) == ("SFT268", "warning", 40)


def test_accepted_options_are_labels(put: Put) -> None:
    rows = [
        {"text": f"text {row}", "_input_hash": row, "accept": SETS[row % 5], "answer": "accept"} for row in range(40)
    ]
    data = load(put("a.jsonl", "\n".join(map(json.dumps, rows))), SEVERAL_LABELS)
    assert labels_of(data) == [sorted(labels) for labels in SETS]


def test_an_answer_column_of_other_tables_means_nothing(put: Put) -> None:
    rows = [{"text": f"text {row}", "label": "ab"[row % 2], "answer": "reject"} for row in range(40)]
    assert len(load(put("a.jsonl", "\n".join(map(json.dumps, rows)))).examples) == 40


# --- Label Studio ---


def task(number: int, *results: dict[str, Any], cancelled: bool = False, **data: Any) -> dict[str, Any]:
    """A task with one annotation, as Label Studio's JSON export has it."""
    annotation = {"id": number, "was_cancelled": cancelled, "result": list(results)}
    return {"id": number, "data": {"text": f"text {number}", **data}, "annotations": [annotation]}


def choice(*labels: str, control: str = "topic", **value: Any) -> dict[str, Any]:
    return {"from_name": control, "to_name": "text", "type": "choices", "value": {"choices": list(labels), **value}}


def put_tasks(put: Put, *tasks: dict[str, Any]) -> str:
    return put("tasks.json", json.dumps(tasks))


def test_choices_of_label_studio_are_labels(put: Put) -> None:
    path = put_tasks(put, *(task(row, choice("ab"[row % 2])) for row in range(40)))
    quick_check(DataConfig(train=path), ONE_LABEL)
    assert labels_of(load(path), 2) == [["a"], ["b"]]
    assert load(path, label="topic").label_names == ("a", "b")


def test_nothing_chosen_is_no_label_where_there_may_be_none(put: Put) -> None:
    tasks = [task(row, *([choice(*SETS[row % 5])] if SETS[row % 5] else [])) for row in range(40)]
    assert labels_of(load(put_tasks(put, *tasks), SEVERAL_LABELS)) == [sorted(labels) for labels in SETS]
    assert refusal(put_tasks(put, *tasks), bad_rows="skip").startswith("SFT219")


def test_cancelled_and_missing_annotations_are_bad_rows(put: Put) -> None:
    tasks = [task(row, choice("ab"[row % 2])) for row in range(40)]
    tasks += [task(40, choice("a"), cancelled=True), {"id": 41, "data": {"text": "text 41"}, "annotations": []}]
    path = put_tasks(put, *tasks)
    for kind in (ONE_LABEL, SEVERAL_LABELS):
        assert "no label in column annotations. 1 more such" in refusal(path, kind)
        assert len(load(path, kind, bad_rows="skip").examples) == 40


def test_choices_for_parts_of_a_text_are_no_labels_of_it(put: Put) -> None:
    part = choice("c", control="part", start=0, end=3)
    assert load(put_tasks(put, *(task(row, part, choice("ab"[row % 2])) for row in range(40)))).label_names == (
        "a",
        "b",
    )


def test_marked_parts_alone_are_for_tagging(put: Put) -> None:
    region = {"from_name": "label", "type": "labels", "value": {"start": 0, "end": 4, "labels": ["PER"]}}
    assert refusal(put_tasks(put, *(task(row, region) for row in range(40)))).startswith("SFT261")


def test_one_of_several_controls_is_asked_for(put: Put) -> None:
    tasks = [task(row, choice("ab"[row % 2]), choice("xy"[row % 2], control="mood")) for row in range(40)]
    path = put_tasks(put, *tasks)
    with pytest.raises(SFTError, match=r"SFT247 .* controls, topic, mood\. Name one, such as --data\.label topic"):
        quick_check(DataConfig(train=path), ONE_LABEL)
    assert load(path, label="mood").label_names == ("x", "y")
    message = refusal(path, label="moot")
    assert 'no column "moot" (--data.label). Its columns: topic, mood. Did you mean "mood"?' in message


def test_further_columns_of_an_export_are_those_of_its_tasks(put: Put) -> None:
    languages = ["en", "en", "de"]
    tasks = [task(row, choice("ab"[row % 2]), title=f"title {row}", language=languages[row % 3]) for row in range(60)]
    data = load(put_tasks(put, *tasks), pair="title", where={"language": "de"})
    assert data.examples.texts([0]) == ["text 2"]
    assert data.examples.pairs([0]) == ["title 2"]
    assert len(data.examples) == 20


def test_tables_of_label_studio_name_the_column_of_choices(put: Put) -> None:
    cells = [json.dumps({"choices": labels}) if len(labels) > 1 else "".join(labels) for labels in SETS]
    data = load(put_csv(put, cells, header="text,topic"), SEVERAL_LABELS, label="topic")
    assert labels_of(data) == [sorted(labels) for labels in SETS]
