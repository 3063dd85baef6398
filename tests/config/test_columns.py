"""A setting that is given is what was given: its usual value is not the same as none."""

from __future__ import annotations

import pytest

from sftkeras.command_line.commands import parse
from sftkeras.config import DataConfig, TrainConfig
from sftkeras.tasks import spec_of


def columns(*words: str) -> tuple[str | None, str | None, str | None]:
    config = parse(TrainConfig, list(words))
    data = spec_of(config.task.kind).with_columns(config).data
    return data.text, data.pair, data.label


def test_a_task_names_the_columns_that_nobody_named() -> None:
    assert columns("--task.kind", "span_qa") == ("question", "context", None)
    assert columns("--task.kind", "tagging") == (None, None, None)


def test_a_column_that_is_named_is_kept_even_by_its_usual_name() -> None:
    assert columns("--task.kind", "span_qa", "--data.text", "text") == ("text", "context", None)
    assert columns("--task.kind", "span_qa", "--data.pair", "text", "--data.label", "label")[1:] == ("text", "label")
    assert columns("--task.kind", "tagging", "--data.text", "text") == ("text", None, None)


def test_a_column_without_a_name_is_the_usual_one() -> None:
    assert (DataConfig().text_column, DataConfig().label_column) == ("text", "label")
    assert (DataConfig(text="a", label="b").text_column, DataConfig(text="a", label="b").label_column) == ("a", "b")


@pytest.mark.parametrize(
    ("kind", "recorded", "meant"),
    [
        ("tagging", {"text": "text", "label": "label"}, {}),
        ("tagging", {"text": "words", "label": "label"}, {"text": "words"}),
        ("span_qa", {"text": "question", "label": "answers"}, {"text": "question"}),
        ("classification", {"text": "text", "label": "label"}, {"text": "text", "label": "label"}),
    ],
)
def test_usual_names_that_older_runs_recorded_were_not_given(
    kind: str, recorded: dict[str, str], meant: dict[str, str]
) -> None:
    assert spec_of(kind).as_recorded(DataConfig(**recorded)) == DataConfig(**meant)
