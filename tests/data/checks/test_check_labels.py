"""Labels that are unknown, rare, alone or absent are found, and names that may mean another label or several."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence

import pytest
from checked import found_in, load, refusal

from sftkeras.data.labels.classes.kind import SEVERAL_LABELS
from sftkeras.data.labels.numbers.kind import NUMBERS
from sftkeras.errors import SFTError

PutRows = Callable[..., str]
Put = Callable[[str, str | bytes], str]


def rows_of(labels: Sequence[str], count: int = 60) -> list[tuple[str, str]]:
    return [(f"text {number}", labels[number % len(labels)]) for number in range(count)]


def test_a_label_only_in_the_test_file_is_an_error_with_a_suggestion(put_rows: PutRows) -> None:
    train = put_rows([(f"t{number}", ["negative", "positive"][number % 2]) for number in range(40)])
    test = put_rows([("new", "positive"), ("newer", "postive"), ("newest", "postive")], "test.csv")
    error = refusal(train, test=test)
    assert f'{test} line 3: label "postive" is not one of negative, positive. Did you mean "positive"?' in str(error)
    assert error.findings[0].count == 2


def test_one_label_only_is_an_error(put_rows: PutRows) -> None:
    rows = [(f"t{number}", "a") for number in range(40)]
    assert refusal(put_rows(rows)).code == "SFT220"
    assert refusal(put_rows(rows), SEVERAL_LABELS).code == "SFT220"
    assert refusal(put_rows([(text, "1.5") for text, _ in rows]), NUMBERS).code == "SFT220"


def test_several_unknown_labels_are_one_error(put_rows: PutRows) -> None:
    train = put_rows(rows_of(["negative", "positive"]))
    test = put_rows([("a", "postive"), ("b", "meh"), ("c", "meh"), ("d", "so so"), ("e", "positive")], "test.csv")
    (found,) = [found for found in refusal(train, test=test).findings if found.code == "SFT214"]
    assert (found.severity, found.count) == ("error", 4)
    assert f'{test} line 3: label "meh" is not one of negative, positive.' in found.message
    assert found.message.endswith('3 more such, with "postive", "so so" too.')


# --- rare and absent labels ---


def test_a_rare_label_is_named_with_what_it_may_mean(put_rows: PutRows) -> None:
    path = put_rows([*rows_of(["negative", "positive"]), ("new", "postive")])
    data = load(path)
    found = found_in(data, "SFT224")
    assert (found.severity, found.count, found.places) == ("warning", 1, ((path, 62),))
    assert found.message == (
        "1 of 3 labels has fewer than 5 of the 49 rows to train on, and may not be learned: "
        f'"postive" (1 row, such as {path} line 62, perhaps meant as "positive").'
    )
    assert [found.message for found in data.findings if found.code == "SFT225"] == [
        f'1 of 3 labels is not in the {part} part: "postive". The scores there say nothing about it.'
        for part in ("validation", "test")
    ]


def test_many_rare_labels_are_one_warning_of_each_kind(put_rows: PutRows) -> None:
    rows = [*rows_of(["negative", "positive"], 200), *((f"rare {number}", f"r{number}") for number in range(7))]
    data = load(put_rows(rows))
    assert [found.code for found in data.findings] == ["SFT224", "SFT225", "SFT225"]
    found = found_in(data, "SFT224")
    assert found.count == 7
    assert found.message.startswith("7 of 9 labels have fewer than 5 of the ")
    assert '"r4" (1 row' in found.message
    assert '"r5"' not in found.message
    assert found.message.endswith(", ….")
    assert 'validation part: "r0", "r1", "r2", "r3", "r4", …. The scores there say nothing about them.' in str(
        data.findings[1]
    )


def test_rare_labels_alone_ask_for_the_right_column(put_rows: PutRows) -> None:
    found = found_in(load(put_rows(rows_of([f"name {number}" for number in range(20)], 80))), "SFT224")
    assert found.message.endswith("Is --data.label the right column?")


def test_a_label_in_each_row_is_the_wrong_column_and_no_matter_of_shares(put_rows: PutRows) -> None:
    with pytest.raises(SFTError) as raised:
        load(put_rows(rows_of([f"name {number}" for number in range(100)], 100)))
    message = str(raised.value)
    assert message.startswith(
        "SFT260  the validation part would be empty: column label (--data.label) has 100 different"
    )
    assert "Is it the right column?" in message
    assert "share" not in message


def test_too_few_rows_are_still_too_few_rows(put_rows: PutRows) -> None:
    with pytest.raises(SFTError, match="SFT232"):
        load(put_rows([("a", "x"), ("b", "y")]))


# --- names ---


def test_labels_that_differ_in_case_spaces_or_form_are_one_warning(put_rows: PutRows) -> None:
    labels = ["good", "Good", "GOOD ", "very bad", "very  bad", "caf\u00e9", "cafe\u0301", "full", "ｆｕｌｌ", "other"]
    found = found_in(load(put_rows(rows_of(labels, 200))), "SFT248")
    assert (found.severity, found.count) == ("warning", 180)
    assert '"GOOD" (20 rows), "Good" (20 rows), "good" (20 rows); ' in found.message
    assert '"very  bad" (20 rows), "very bad" (20 rows)' in found.message
    assert '"cafe\\u0301" (20 rows), "caf\u00e9" (20 rows)' in found.message
    assert '"full" (20 rows), "ｆｕｌｌ" (20 rows)' in found.message
    assert "other" not in found.message


def test_labels_written_alike_get_one_name_as_advised(put_rows: PutRows) -> None:
    names = {"good": "good", "Good": "good", "bad": "bad"}
    data = load(put_rows(rows_of(["good", "Good", "bad"])), label_names=names)
    assert (data.label_names, data.findings) == (("bad", "good"), ())


@pytest.mark.parametrize(("separator", "called"), [("|", "a vertical bar"), (",", "a comma"), ("; ", "a semicolon")])
def test_cells_that_look_like_several_labels_are_noticed(put_rows: PutRows, separator: str, called: str) -> None:
    path = put_rows(
        rows_of(["plot", "cast", f"plot{separator}cast", f"cast{separator}score{separator}plot", "score"], 200)
    )
    found = found_in(load(path), "SFT249")
    assert (found.severity, found.count) == ("warning", 80)
    assert found.message.startswith(f"2 of 5 labels hold {called} between what are labels too, in 80 of 200 rows: ")
    setting = "" if separator == "|" else f' and --data.label_separator "{separator[0]}"'
    assert found.message.endswith(f"If a text may have several labels, set --task.multi_label true{setting}")
    followed = load(path, SEVERAL_LABELS, label_separator=separator[0])
    assert (followed.label_names, followed.findings) == (("cast", "plot", "score"), ())


def test_lists_with_another_separator_are_noticed(put_rows: PutRows) -> None:
    path = put_rows(rows_of(["plot", "cast", "plot,cast", "", "cast,plot"], 200))
    found = found_in(load(path, SEVERAL_LABELS), "SFT249")
    assert found.count == 80
    assert found.message.endswith('If it stands between labels, set --data.label_separator ","')
    assert load(path, SEVERAL_LABELS, label_separator=",").label_names == ("cast", "plot")


def test_the_usual_separator_is_advised_where_another_is_set(put_rows: PutRows) -> None:
    path = put_rows(rows_of(["plot", "cast", "plot|cast"], 90))
    found = found_in(load(path, SEVERAL_LABELS, label_separator=","), "SFT249")
    assert found.message.endswith('If it stands between labels, set --data.label_separator "|"')


def test_cells_are_noticed_where_no_label_stands_alone(put_rows: PutRows) -> None:
    assert found_in(load(put_rows(rows_of(["a|b", "b|c", "a|c"], 90))), "SFT249").count == 90


@pytest.mark.parametrize("labels", [["Korea, Republic of", "Korea, North"], ["a/b", "b/a"], ["1,5", "2"], ["a|", "|a"]])
def test_labels_that_hold_a_separator_are_left_in_peace(put_rows: PutRows, labels: list[str]) -> None:
    assert load(put_rows(rows_of(labels))).findings == ()


def test_findings_of_labels_are_plain_json(put: Put) -> None:
    lines = [json.dumps({"text": f"t{number}", "label": ["a", "A", "a|A"][number % 3]}) for number in range(90)]
    data = load(put("a.jsonl", "\n".join(lines)))
    assert json.loads(json.dumps([found.to_json() for found in data.findings]))[0]["code"] == "SFT248"
