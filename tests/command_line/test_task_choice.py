"""The task decides which settings there are: it is read first, and a setting of another task is refused."""

from __future__ import annotations

import contextlib
import io
import re
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import pytest
import yaml

from sftkeras.command_line.commands import parse
from sftkeras.config import DataConfig, TrainConfig, plain
from sftkeras.errors import SFTError
from sftkeras.tasks import DEFAULT_TASK, TASKS, spec_of
from sftkeras.tasks.classification.spec import ClassificationSettings
from sftkeras.tasks.regression.spec import RegressionSettings
from sftkeras.tasks.similarity.spec import SimilaritySettings
from sftkeras.tasks.tagging.spec import TaggingSettings


def printed(*words: str) -> str:
    """Runs train with --help or --print_config, and gives what it prints."""
    output = io.StringIO()
    with pytest.raises(SystemExit) as ended, contextlib.redirect_stdout(output):
        parse(TrainConfig, list(words))
    assert not ended.value.code
    return output.getvalue()


def refused(*words: str) -> str:
    with pytest.raises(SFTError) as raised:
        parse(TrainConfig, list(words))
    return str(raised.value)


def task_of(*words: str) -> Any:
    return parse(TrainConfig, list(words)).task


def file(folder: Path, content: str | dict[str, Any], name: str = "config.yaml") -> str:
    path = folder / name
    path.write_text(content if isinstance(content, str) else yaml.safe_dump(content))
    return str(path)


def settings_named(text: str) -> set[str]:
    """The settings of the task that a help text shows."""
    return set(re.findall(r"^  --task\.(\w+)$", text, re.MULTILINE))


@pytest.mark.parametrize("kind", TASKS)
def test_help_shows_the_settings_of_one_task_and_no_others(kind: str) -> None:
    shown = printed("--task.kind", kind, "--help")
    assert settings_named(shown) == {setting.name for setting in fields(spec_of(kind).settings)}


@pytest.mark.parametrize("words", [[], ["--task.kind", "tagging"]])
def test_help_lists_all_tasks_with_a_sentence_and_how_to_see_theirs(words: list[str]) -> None:
    shown = " ".join(printed(*words, "--help").split())
    assert all(f"{kind} {spec_of(kind).summary}." in shown for kind in TASKS)
    shown_kind = words[-1] if words else DEFAULT_TASK
    assert f"These are the settings of {shown_kind}; `--task.kind " in shown


def test_a_file_chooses_the_task_that_help_shows(tmp_path: Path) -> None:
    assert "temperature" in settings_named(printed("--config", file(tmp_path, "task: {kind: similarity}"), "--help"))


@pytest.mark.parametrize("kind", TASKS)
def test_the_printed_config_has_one_task_and_reads_back(kind: str, tmp_path: Path) -> None:
    text = printed("--task.kind", kind, "--print_config")
    expected = spec_of(kind).settings()
    assert yaml.safe_load(text)["task"] == asdict(expected)
    assert task_of("--config", file(tmp_path, text)) == expected


def test_the_later_choice_wins(tmp_path: Path) -> None:
    tagging = file(tmp_path, "task: {kind: tagging, constrained_decoding: false}")
    assert task_of("--config", tagging) == TaggingSettings(constrained_decoding=False)
    assert task_of("--task.kind", "regression", "--config", tagging) == TaggingSettings(constrained_decoding=False)
    plain_tagging = file(tmp_path, "task: {kind: tagging}", "plain.yaml")
    assert task_of("--config", plain_tagging, "--task.kind=regression") == RegressionSettings()
    assert task_of("--task.kind", "regression", "--task.kind", "tagging") == TaggingSettings()
    assert task_of() == ClassificationSettings()


def test_a_task_that_there_is_not_is_refused_with_what_was_meant(tmp_path: Path) -> None:
    tasks = "classification, regression, tagging, span_qa, similarity, masked_lm, chat or causal_lm"
    expected = f"expected {tasks}; got {{}}."
    assert (
        refused("--task.kind", "taging") == f'SFT102  --task.kind: {expected.format("taging")} Did you mean "tagging"?'
    )
    assert refused("--task.kind=") == f"SFT102  --task.kind: {expected.format('nothing')}"
    assert refused("--task.kind") == f"SFT102  --task.kind: {expected.format('nothing')}"
    path = file(tmp_path, "name: x\ntask:\n  kind: taging\n")
    place = f"SFT103  {path} line 3, column 9: task.kind: "
    assert refused("--config", path) == f'{place}{expected.format("taging")} Did you mean "tagging"?'


@pytest.mark.parametrize(
    ("words", "setting"),
    [
        (["--task.kind", "tagging", "--task.margin", "0.3"], "--task.margin"),
        (["--task.kind", "tagging", "--task.margin=x"], "--task.margin"),
        (["--task.kind", "masked_lm", "--task.dropout", "0.2"], "--task.dropout"),
        (["--task.kind", "masked_lm", "--task.class_weights", "{a: 2}"], "--task.class_weights"),
        (["--task.max_answer_length", "3"], "--task.max_answer_length"),
    ],
)
def test_a_setting_of_another_task_is_refused(words: list[str], setting: str) -> None:
    assert refused(*words).startswith(f"SFT412  {setting} has no effect here: the task predicts ")


def test_a_setting_of_another_task_in_a_file_is_refused(tmp_path: Path) -> None:
    path = file(tmp_path, "task: {kind: tagging, class_weights: {a: 2.0}, dropout: 0.2}")
    assert refused("--config", path).startswith("SFT412  --task.class_weights has no effect here")


def test_a_setting_of_another_task_with_its_usual_value_is_let_through(tmp_path: Path) -> None:
    words = [
        "--task.kind",
        "tagging",
        "--task.margin",
        "0.50",
        "--task.multi_label=false",
        "--task.class_weights",
        "null",
    ]
    assert task_of(*words) == TaggingSettings()
    assert task_of("--config", file(tmp_path, "task: {kind: tagging, margin: 5e-1}")) == TaggingSettings()


def test_a_setting_of_no_task_is_unknown(tmp_path: Path) -> None:
    assert refused("--task.drpout", "0.2") == (
        'SFT101  --task.drpout: no such setting. Did you mean "--task.dropout"? See --help for all settings.'
    )
    path = file(tmp_path, "task: {kind: similarity, margn: 0.2}")
    assert 'column 26: task.margn: no such setting. Did you mean "task.margin"?' in refused("--config", path)


# --- files that list the settings of all tasks, as earlier versions wrote them ---

ALL_TASKS = {
    setting.name: getattr(spec_of(kind).settings(), setting.name)
    for kind in TASKS
    for setting in fields(spec_of(kind).settings)
}
# What such a file said of the columns and the pooling of a run where nobody had set them.
NOT_SET = {
    "classification": {"text": "text", "label": "label"},
    "regression": {"text": "text", "label": "label"},
    "tagging": {"text": "text", "label": "label"},
    "span_qa": {"text": "question", "pair": "context", "label": "answers"},
    "similarity": {"text": "text", "pair": "pair", "label": "label"},
    "masked_lm": {"text": "text", "label": "label"},
}


@pytest.mark.parametrize("kind", NOT_SET)  # the tasks that there were then
def test_the_config_of_an_earlier_run_is_taken_as_it_stands(kind: str, tmp_path: Path) -> None:
    spec = spec_of(kind)
    settings = plain(TrainConfig(task=spec.settings(), data=DataConfig(**NOT_SET[kind])))  # type: ignore[arg-type]
    settings["task"] = {**ALL_TASKS, "kind": kind}
    settings["backbone"]["pooling"] = "mean"
    config = parse(TrainConfig, ["--config", file(tmp_path, settings)])
    assert config.task == spec.settings()
    spec.check(config)
    assert (config.data.label is None) == (kind not in ("classification", "regression"))


def test_the_same_words_of_a_user_are_still_refused(tmp_path: Path) -> None:
    own = file(tmp_path, "task: {kind: masked_lm}\ndata: {label: label}\n")
    for words in (["--config", own], ["--task.kind", "masked_lm", "--data.label", "label"]):
        with pytest.raises(SFTError, match=r"SFT412  --data\.label has no effect here"):
            spec_of("masked_lm").check(parse(TrainConfig, words))


# --- in Python ---


def test_settings_written_in_python_are_those_of_the_flags() -> None:
    written = TrainConfig(task=ClassificationSettings(class_weights={2020: 2.0, True: 1}))  # type: ignore[dict-item]
    words = ["--task.class_weights", "{2020: 2.0, true: 1.0}"]
    assert parse(TrainConfig, words) == written
    assert parse(TrainConfig, ["--task.kind", "similarity"]) == TrainConfig(task=SimilaritySettings())
