"""Names in settings are text as they are written, whatever YAML and JSON would make of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from sftkeras.command_line.commands import parse
from sftkeras.config import BackboneConfig, DataConfig, EvaluateConfig, PredictConfig, TrainConfig, plain
from sftkeras.errors import SFTError
from sftkeras.runs import RunFolder
from sftkeras.tasks.classification.spec import ClassificationSettings

# As it is written, and what is meant.
NAMES: list[tuple[str, dict[str, str]]] = [
    ("{0: negative, 1: positive}", {"0": "negative", "1": "positive"}),
    ("{0: no, 1: yes}", {"0": "no", "1": "yes"}),
    ('{"0": "no", "1": "yes"}', {"0": "no", "1": "yes"}),
    ("{no: off, Yes: on, true: 1}", {"no": "off", "Yes": "on", "true": "1"}),
    ("{1.0: 2.50, 1e5: 0x10, 007: 1_000}", {"1.0": "2.50", "1e5": "0x10", "007": "1_000"}),
    ("{2020: 2020-01-01, 12:30: ~}", {"2020": "2020-01-01", "12:30": "~"}),
    ("{null: null, 否: 不}", {"null": "null", "否": "不"}),
    ("{'': '  '}", {"": "  "}),
]


def parse_both(tmp_path: Path, setting: str, value: str) -> list[TrainConfig]:
    """The config of a flag, and that of a file."""
    group, name = setting.split(".")
    path = tmp_path / "config.yaml"
    path.write_text(f"{group}:\n  {name}: {value}\n", encoding="utf-8")
    return [parse(TrainConfig, [f"--{setting}", value]), parse(TrainConfig, ["--config", str(path)])]


@pytest.mark.parametrize(("written", "meant"), NAMES)
@pytest.mark.parametrize("name", ["label_names", "where"])
def test_names_and_what_they_stand_for_are_text_as_written(
    name: str, written: str, meant: dict[str, str], tmp_path: Path
) -> None:
    for config in parse_both(tmp_path, f"data.{name}", written):
        assert getattr(config.data, name) == meant


def test_weights_are_numbers_of_names_as_written(tmp_path: Path) -> None:
    for config in parse_both(tmp_path, "task.class_weights", "{yes: 2, no: 1e-1, 3: .5}"):
        assert config.task.class_weights == {"yes": 2.0, "no": 0.1, "3": 0.5}
    for config in parse_both(tmp_path, "task.class_weights", "balanced"):
        assert config.task.class_weights == "balanced"


@pytest.mark.parametrize("setting", ["data.mark", "backbone.extra_tokens"])
def test_items_of_lists_are_text_as_written(setting: str, tmp_path: Path) -> None:
    group, name = setting.split(".")
    for config in parse_both(tmp_path, setting, '[no, 1, 2020-01-01, "[E1]"]'):
        assert getattr(getattr(config, group), name) == ["no", "1", "2020-01-01", "[E1]"]


def test_texts_to_predict_are_text_as_written() -> None:
    assert parse(PredictConfig, ["--texts", "[yes, 1, 3.0]"]).texts == ["yes", "1", "3.0"]


def test_names_in_json_are_what_json_says() -> None:
    written = '{"\\ud83d\\ude00": "a\\/b", "\\u2028": "\\u0085\\u007f", "1": 2}'
    names = parse(TrainConfig, ["--data.label_names", written]).data.label_names
    assert names == {"😀": "a/b", "\u2028": "\x85\x7f", "1": "2"}
    weights = parse(TrainConfig, ["--task.class_weights", '{"\\ud83d\\ude00": 2.5}']).task.class_weights
    assert weights == {"😀": 2.5}


@pytest.mark.parametrize(
    "text", ["a\u2028b", "c\x85d", "e\x7ff", "😀", "\ttab ", "line\nbreak", "b\\s", '"q"', "a: b", "\x01", "é́"]
)
def test_texts_on_the_command_line_are_kept_to_the_letter(text: str) -> None:
    assert parse(PredictConfig, [text, "other"]).texts == [text, "other"]


def test_one_name_is_text_in_a_file_as_it_is_in_a_flag(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("name: 2020\ndata: {text: 0, label: no, pair: null, delimiter: '[a]'}\n")
    expected = TrainConfig(
        task=ClassificationSettings(), name="2020", data=DataConfig(text="0", label="no", delimiter="[a]")
    )
    assert parse(TrainConfig, ["--config", str(path)]) == expected
    words = ["--name", "2020", "--data.text", "0", "--data.label", "no", "--data.pair=null", "--data.delimiter", "[a]"]
    assert parse(TrainConfig, words) == expected


def test_names_of_merged_mappings_are_text_too(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("data:\n  label_names: &names {0: no}\n  where: {<<: *names, year: 2020}\n")
    assert parse(TrainConfig, ["--config", str(path)]).data.where == {"0": "no", "year": "2020"}


def test_what_cannot_be_merged_is_a_mistake_of_the_file(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("data:\n  where: {<<: year, language: no}\n")
    with pytest.raises(SFTError, match="SFT103"):
        parse(TrainConfig, ["--config", str(path)])


def test_the_config_of_a_run_gives_back_the_names(tmp_path: Path) -> None:
    config = TrainConfig(
        data=DataConfig(label_names={"0": "no", "1.0": "2020"}, where={"on": "null", "day": "2020-01-01"}),
        task=ClassificationSettings(class_weights={"no": 1.0, "2020": 2.0}),
        backbone=BackboneConfig(extra_tokens=["1", "off"]),
    )
    run = RunFolder(tmp_path)
    run.keep_settings(config)
    assert parse(TrainConfig, ["--config", str(run.config_file)]) == config


def test_names_given_in_python_are_text_as_cells_are() -> None:
    names: Any = {0: False, 1: True}
    weights: Any = {True: 1.0, 2: 3.0}
    assert DataConfig(label_names=names, where=names) == DataConfig(
        label_names={"0": "false", "1": "true"}, where={"0": "false", "1": "true"}
    )
    assert ClassificationSettings(class_weights=weights).class_weights == {"true": 1.0, "2": 3.0}
    assert plain(DataConfig(label_names=names))["label_names"] == {"0": "false", "1": "true"}


def test_a_name_given_twice_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("data:\n  label_names: {1: a, '1': b}\n")
    with pytest.raises(SFTError, match=r"SFT103  .* line 2, column 3: data\.label_names has 1 twice\."):
        parse(TrainConfig, ["--config", str(path)])
    with pytest.raises(SFTError, match=r"SFT102  --data\.where: no stands twice in \{no: 1, no: 2\}\."):
        parse(TrainConfig, ["--data.where", "{no: 1, no: 2}"])


def test_a_name_without_text_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SFTError, match=r"SFT102  --data\.label_names: expected names with values.* got \{0: , 1: a\}"):
        parse(TrainConfig, ["--data.label_names", "{0: , 1: a}"])


@pytest.mark.parametrize(
    ("command", "written", "found"),
    [
        (EvaluateConfig, "data: more.csv", lambda config: config.data.test == "more.csv"),
        (EvaluateConfig, "data: {test: [a.csv, b.csv]}", lambda config: config.data.test == ["a.csv", "b.csv"]),
        (TrainConfig, "resume: never", lambda config: config.resume.mode == "never"),
    ],
)
def test_a_group_that_may_be_written_as_one_word_may_be_in_a_file_too(
    tmp_path: Path, command: type, written: str, found: Any
) -> None:
    (tmp_path / "config.yaml").write_text(written)
    assert found(parse(command, ["--config", str(tmp_path / "config.yaml")]))


def test_a_word_for_a_group_is_that_of_its_main_setting() -> None:
    assert parse(EvaluateConfig, ["--data", "more.csv", "--data.delimiter", ";"]).data.test == "more.csv"
    assert parse(EvaluateConfig, ["--data=more.csv", "--data.columns=label,text"]).data.columns == ["label", "text"]
