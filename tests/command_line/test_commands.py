"""Mistakes in flags and config files are told at once, in one line that says where and what to write instead."""

from __future__ import annotations

import contextlib
import io
import os
import re
import shlex
import subprocess
import sys
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml

from sftkeras.command_line.commands import parse
from sftkeras.command_line.settings_file import settings_of
from sftkeras.command_line.task_choice import with_task
from sftkeras.config import (
    CompareConfig,
    EvaluateConfig,
    ExportCommandConfig,
    LaunchConfig,
    OptimizerConfig,
    PredictConfig,
    PublishConfig,
    ServeConfig,
    TrainConfig,
    TrainingConfig,
    plain,
)
from sftkeras.errors import SFTError
from sftkeras.tasks import DEFAULT_TASK
from sftkeras.tasks.classification.spec import ClassificationSettings

CONFIGS = [TrainConfig, EvaluateConfig, CompareConfig, ExportCommandConfig, PredictConfig, ServeConfig]
ALL_CONFIGS = [*CONFIGS, LaunchConfig, PublishConfig]


def told(*words: str, config_class: type = TrainConfig) -> str:
    """The one line that a mistake gives."""
    with pytest.raises(SFTError) as raised:
        parse(config_class, list(words))
    assert raised.value.exit_code == 2
    line = str(raised.value)
    assert "\n" not in line
    assert "typing." not in line
    assert "<class" not in line
    return line


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["--nme", "x"], 'SFT101  --nme: no such setting. Did you mean "--name"? See --help for all settings.'),
        (
            ["--optimizer.learningrate=1"],
            'SFT101  --optimizer.learningrate: no such setting. Did you mean "--optimizer.l',
        ),
        (["--qqq", "1"], "SFT101  --qqq: no such setting. See --help"),
        (["--train", "1"], "SFT101  --train: no such setting"),  # no abbreviations
        (
            ["stray"],
            "SFT102  stray: no flag stands before it. Settings are written --NAME VALUE, with quotes around spaces.",
        ),
        (["--training.epochs", "three"], "SFT102  --training.epochs: expected a whole number above 0; got three."),
        (["--training.epochs=0"], "SFT102  --training.epochs: expected a whole number above 0; got 0."),
        (["--training.epochs", "1.5"], "expected a whole number above 0; got 1.5."),
        (["--training.epochs"], "SFT102  --training.epochs: expected a whole number above 0; got nothing."),
        (
            ["--task.kind", "clasification"],
            "SFT102  --task.kind: expected classification, regression, tagging, span_qa, similarity, masked_lm, chat "
            'or causal_lm; got clasification. Did you mean "classification"?',
        ),
        (["--optimizer.schedule", "x"], "--optimizer.schedule: expected linear, cosine or constant; got x."),
        (["--backbone.dropout", "2"], "--backbone.dropout: expected a number at least 0 and below 1, or null; got 2."),
        (["--backbone.max_length", "4"], "--backbone.max_length: expected a whole number at least 5; got 4."),
        (["--optimizer.learning_rate", "-1"], "--optimizer.learning_rate: expected a number above 0, or null; got -1."),
        (["--overwrite", "maybe"], "--overwrite: expected true or false; got maybe."),
        (["--data.split", "0.8"], "--data.split: expected a list, such as [A, B], each item a number at least 0"),
        (
            ["--data.label_names", "x"],
            "--data.label_names: expected names with values, such as {A: B}, each value text",
        ),
        (["--task.class_weights", "even"], "each value a number, or balanced or effective_number, or null; got even."),
        (
            ["--training", "3"],
            "SFT102  --training: a group of settings: set each by itself, such as --training.epochs.",
        ),
        (["--seed", str(2**32)], "--seed: expected a whole number at least 0 and below 4294967296"),
        (["--seed", "9" * 99], "got " + "9" * 60 + "…."),
        (["--config"], "SFT102  --config: expected one argument."),
    ],
)
def test_a_wrong_flag_is_told_in_one_line(words: list[str], expected: str) -> None:
    assert expected in told(*words)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        ("name: x\nnme: y\n", ' line 2, column 1: nme: no such setting. Did you mean "name"?'),
        (
            "training:\n  epoch: 3\n",
            ' line 2, column 3: training.epoch: no such setting. Did you mean "training.epochs"?',
        ),
        (
            "training:\n  epochs: three\n",
            " line 2, column 3: training.epochs: expected a whole number above 0; got three.",
        ),
        ("training: {epochs: 1, batch_size: -1}", " line 1, column 23: training.batch_size: expected a whole number"),
        ("data:\n  split: [0.8, 2]\n", " line 2, column 3: data.split: expected a list"),
        ("task:\n  class_weights: {a: x}\n", " line 2, column 3: task.class_weights: expected names with values"),
        ("training: 3\n", " line 1, column 1: training is a group of settings"),
        ("training:\nseed: 1\n", " line 1, column 1: training is a group of settings"),
        ("seed: 1\nname: x\nseed: 2\n", " line 3, column 1: seed is set twice, first on line 1."),
        ("training: [1\nname: x\n", " line 2, column 5: not valid YAML ("),
        ("seed: 1\n\tname: x\n", " line 2, column 1: not valid YAML"),
        ("name: x\x00\n", ": not valid YAML"),
        ("- 1\n- 2\n", ": no settings in it."),
        ("just words\n", ": no settings in it."),
        ("", ": no settings in it."),
        (b"name: \xff\n", ": not valid UTF-8 (at byte 6)."),
    ],
)
def test_a_mistake_in_a_file_is_told_with_its_place(content: str | bytes, expected: str, tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    assert told("--config", str(path)).startswith(f"SFT103  {path}")
    assert f"{path}{expected}" in told(f"--config={path}", "--seed", "3")


def test_a_file_that_is_not_there_is_told(tmp_path: Path) -> None:
    assert told("--config", str(tmp_path / "no.yaml")) == f"SFT103  {tmp_path}/no.yaml: no such file. Check --config."
    assert "Is a directory" in told("--config", str(tmp_path))


def test_a_mistake_after_a_good_file_is_the_flags(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("training: {epochs: 2}\n")
    expected = "SFT102  --training.epochs: expected a whole number above 0; got two."
    assert told("--config", str(path), "--training.epochs", "two") == expected


def test_files_and_flags_mix_and_the_later_wins(tmp_path: Path) -> None:
    first, second = tmp_path / "first.yaml", tmp_path / "second.yaml"
    first.write_text("name: first\noptimizer:\n  learning_rate: 1e-3\n  warmup: 0.2\ntraining: {epochs: 7}\n")
    second.write_text("name: second\n")
    config = parse(
        TrainConfig, ["--config", str(first), "--config", str(second), "--training.epochs", "2", "--overwrite=true"]
    )
    assert config == TrainConfig(
        task=ClassificationSettings(),
        name="second",
        optimizer=OptimizerConfig(learning_rate=1e-3, warmup=0.2),
        training=TrainingConfig(epochs=2),
        overwrite=True,
    )


def test_values_of_every_form_are_read() -> None:
    config = parse(
        TrainConfig,
        [
            "--task.class_weights={good: 2, bad: 1}",
            "--data.split=[0.7, 0.2, 0.1]",
            '--data.where={"language": "en"}',
            "--optimizer.clip_norm=null",
            "--training.profile=[3, 9]",
        ],
    )
    assert config.task == ClassificationSettings(class_weights={"good": 2.0, "bad": 1.0})
    assert (config.data.split, config.data.where) == ([0.7, 0.2, 0.1], {"language": "en"})
    assert (config.optimizer.clip_norm, config.training.profile) == (None, [3, 9])


def test_no_words_at_all_is_the_default() -> None:
    assert parse(TrainConfig, []) == TrainConfig(task=ClassificationSettings())


def help_of(config_class: type, *words: str) -> str:
    """What --help of a command prints."""
    output = io.StringIO()
    with pytest.raises(SystemExit) as ended, contextlib.redirect_stdout(output):
        parse(config_class, [*words, "--help"])
    assert not ended.value.code
    return output.getvalue()


def printed(*words: str) -> str:
    """What a command prints, which must end well."""
    done = command("train", *words)
    assert done.returncode == 0, done.stderr
    return done.stdout


def command(name: str, *words: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """Runs a command in a Python that cannot import TensorFlow or Keras."""
    program = (
        "import sys, runpy\n"
        "class Refuse:\n"
        "    def find_spec(self, name, *_):\n"
        "        if name.partition('.')[0] in ('tensorflow', 'keras', 'keras_hub', 'tensorflow_text'):\n"
        "            raise SystemExit(f'{name} was imported')\n"
        "sys.meta_path.insert(0, Refuse())\n"
        f"sys.argv = ['sftkeras.{name}', *sys.argv[1:]]\n"
        f"runpy.run_module('sftkeras.{name}', run_name='__main__', alter_sys=True)\n"
    )
    return subprocess.run(
        [sys.executable, "-c", program, *words], capture_output=True, text=True, check=False, cwd=cwd, env=os.environ
    )


def names(config_class: type) -> set[str]:
    """The names of all settings of a command; of its tasks, those of the one that is trained if none is named."""
    settings = settings_of(with_task(config_class, DEFAULT_TASK))
    return {name for name, kind in settings.items() if not is_dataclass(kind)}


def keys(settings: dict[str, Any], prefix: str = "") -> set[str]:
    found = set()
    for name, value in settings.items():
        found |= keys(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name}
    return found


@pytest.mark.processes
def test_the_printed_config_is_complete_commented_and_reads_back(tmp_path: Path) -> None:
    path = tmp_path / "config.yaml"
    path.write_text("name: films\n")
    text = printed("--config", str(path), "--optimizer.learning_rate", "3e-4", "--print_config")
    assert keys(yaml.safe_load(text)) == names(TrainConfig)
    assert "# Peak learning rate, reached after warm-up" in text
    path.write_text(text)
    expected = TrainConfig(task=ClassificationSettings(), name="films", optimizer=OptimizerConfig(learning_rate=3e-4))
    assert parse(TrainConfig, ["--config", str(path)]) == expected
    assert yaml.safe_load(text) == plain(expected)


@pytest.mark.processes
@pytest.mark.parametrize("name", ["train", "evaluate", "compare", "export", "predict", "serve"])
def test_help_and_mistakes_need_no_tensorflow(name: str) -> None:
    helped = command(name, "--help")
    assert (helped.returncode, helped.stderr) == (0, "")
    assert f"python -m sftkeras.{name}" in helped.stdout
    mistaken = command(name, "--qqq", "1")
    assert mistaken.returncode == 2
    assert mistaken.stderr.startswith("SFT101  --qqq: no such setting.")
    assert mistaken.stderr.count("\n") == 1


@pytest.mark.processes
def test_a_flag_of_train_that_another_command_has_by_another_name_is_named_as_typed() -> None:
    said = command("export", "--export.folder", "x").stderr
    assert said.startswith('SFT101  --export.folder: no such setting. Did you mean "--folder"?')
    assert said.endswith("(--export.folder: set when a model is trained, with sftkeras.train.)\n")


@pytest.mark.processes
def test_a_wrong_file_and_a_missing_setting_need_no_tensorflow(tmp_path: Path) -> None:
    (tmp_path / "config.yaml").write_text("training: {epoch: 3}\n")
    wrong = command("train", "--config", "config.yaml", cwd=tmp_path)
    assert (wrong.returncode, wrong.stderr[:40]) == (2, "SFT103  config.yaml line 1, column 12: t")
    missing = command("train", cwd=tmp_path)
    assert (missing.returncode, missing.stderr[:30]) == (2, "SFT104  --backbone.handle is m")


def test_every_setting_has_a_help_text() -> None:
    from jsonargparse import ArgumentParser

    for config_class in CONFIGS:
        parser = ArgumentParser()
        parser.add_class_arguments(with_task(config_class, DEFAULT_TASK), nested_key=None)
        silent = [action.dest for action in parser._actions if not action.help]
        assert silent == []


@pytest.mark.parametrize(
    ("words", "mode", "allow"),
    [
        (["--resume", "must"], "must", []),
        (["--resume=never", "--resume.allow=code"], "never", ["code"]),
        (
            ["--resume.allow", "optimizer.learning_rate, code", "--resume", "auto"],
            "auto",
            ["optimizer.learning_rate", "code"],
        ),
        (["--resume.mode=must", "--resume.allow=[code,seed]"], "must", ["code", "seed"]),
    ],
)
def test_resume_is_a_word_and_what_may_differ_a_list(words: list[str], mode: str, allow: list[str]) -> None:
    resume = parse(TrainConfig, words).resume
    assert (resume.mode, resume.allow) == (mode, allow)


def test_a_wrong_word_for_resume_is_told() -> None:
    with pytest.raises(SFTError, match=r"SFT102  --resume.mode: expected never, auto or must; got often\."):
        parse(TrainConfig, ["--resume", "often"])


@pytest.mark.parametrize("config_class", ALL_CONFIGS)
def test_help_opens_with_an_example_that_can_be_typed(config_class: type) -> None:
    shown = help_of(config_class)
    example = shown.split("Example:\n")[1].splitlines()[0]
    name = re.match(r"  python -m sftkeras\.(\w+) ", example)
    assert name
    parse(config_class, shlex.split(example)[3:])
    takes_bare_words = any(setting.metadata.get("bare_words") for setting in fields(config_class))
    required = shown.split("\nRequired: ")[1]
    assert required.startswith("--") or (takes_bare_words and re.match("the settings|two or more folders", required))
    assert shown.index("Example:") < shown.index("Required:") < shown.index("--config FILE")


@pytest.mark.parametrize("config_class", ALL_CONFIGS)
def test_help_says_in_plain_words_what_each_setting_takes(config_class: type) -> None:
    shown = help_of(config_class)
    for setting in names(config_class):
        assert re.search(rf"^  --{re.escape(setting)}(?:, for short --\w+)?$", shown, re.MULTILINE)
    assert not re.findall(r"\b(?:[A-Z][a-z]+(?:Int|Float|Interval|Number)|Fraction|Optional|Union|type:)\b", shown)
    assert "object at" not in shown


def test_help_gives_bounds_and_defaults() -> None:
    shown = " ".join(help_of(TrainConfig, "--task.kind", "masked_lm").split())
    assert "--task.mask_share" in shown
    assert "[a number above 0 and below 1; default 0.15]" in shown
    assert "[a number at least 0 and below 1, or null; default null]" in shown
    assert "default [0.8, 0.1, 0.1]]" in shown


def test_a_command_that_fails_leaves_nothing_to_the_next() -> None:
    words = ["--data.train=x.csv", "--name=x"]
    expected = parse(TrainConfig, words)
    for wrong in ("--nme=y", "--training.epochs=none"):
        told("--print_config", "--name=y", wrong)
        assert parse(TrainConfig, words) == expected
