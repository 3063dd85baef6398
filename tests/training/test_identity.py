"""A run goes on as it began: what differs is refused by name, unless it is harmless or allowed."""

from __future__ import annotations

import json
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

import sftkeras
from sftkeras.config import (
    CheckpointConfig,
    DataConfig,
    ExportConfig,
    OptimizerConfig,
    ReportConfig,
    ResumeConfig,
    TrainConfig,
    TrainingConfig,
)
from sftkeras.config.renamed import RENAMED
from sftkeras.errors import SFTError
from sftkeras.runs import RunFolder
from sftkeras.tasks.classification.spec import ClassificationSettings
from sftkeras.training.resume.identity import (
    _ONLY_WORDS,
    as_it_began,
    continues,
    identity_of,
    source_hash,
    with_contents,
)

DATA = "5f3a"


@pytest.fixture
def config(tmp_path: Path) -> TrainConfig:
    """The settings of a run that was interrupted."""
    config = TrainConfig(task=ClassificationSettings(), name="films", runs=str(tmp_path))
    run = RunFolder.plan(config)
    run.create(config, with_contents(identity_of(config), DATA, "float32"))
    return config


def go_on(config: TrainConfig, data: str | None = DATA) -> bool:
    identity = identity_of(config)
    known = with_contents(identity, data, identity.get("training.precision", "float32")) if data else identity
    return continues(RunFolder.of(config), config, known)


def test_the_same_settings_go_on(config: TrainConfig) -> None:
    assert go_on(config)
    assert go_on(config, data=None)  # before the data is read


def test_a_run_that_an_earlier_version_began_by_older_names_goes_on(config: TrainConfig) -> None:
    file = RunFolder.of(config).identity_file
    old = {new: old for old, new in RENAMED.items()}
    file.write_text(json.dumps({old.get(name, name): it for name, it in json.loads(file.read_text()).items()}))
    assert "training.unfreeze" in file.read_text()
    assert go_on(config)


def test_a_new_run_begins(tmp_path: Path) -> None:
    assert not go_on(TrainConfig(task=ClassificationSettings(), name="new", runs=str(tmp_path)))


HARMLESS: list[dict[str, Any]] = [
    {"report": ReportConfig(bootstrap=5)},
    {"export": ExportConfig(folder="elsewhere", server="2.19")},
    {"checkpoint": CheckpointConfig(every_steps=50)},
    {"resume": ResumeConfig("must", ["code"])},
    {"training": TrainingConfig(devices=2, histograms=True)},
    {"data": DataConfig(train="/moved/films.csv")},
    {"overwrite": True},
]


@pytest.mark.parametrize("change", HARMLESS, ids=lambda change: next(iter(change)))
def test_what_does_not_change_the_weights_may_differ(config: TrainConfig, change: dict[str, Any]) -> None:
    assert go_on(replace(config, **change))


CHANGES: list[tuple[dict[str, Any], str, str]] = [
    ({"optimizer": OptimizerConfig(learning_rate=1e-4)}, "optimizer.learning_rate", "5e-05 → 0.0001"),
    ({"training": TrainingConfig(batch_size=16)}, "training.batch_size", "32 → 16"),
    ({"task": ClassificationSettings(class_weights={"bad": 2.0})}, "task.class_weights", 'nothing → {"bad": 2.0}'),
    ({"seed": 4}, "seed", "17 → 4"),
]


@pytest.mark.parametrize(("change", "name", "difference"), CHANGES, ids=[name for _, name, _ in CHANGES])
def test_what_differs_is_refused_with_both_values(
    config: TrainConfig, change: dict[str, Any], name: str, difference: str
) -> None:
    with pytest.raises(SFTError, match="SFT420") as refused:
        go_on(replace(config, **change))
    assert f"{name} {difference}." in str(refused.value)
    assert f"--resume.allow {name}," in str(refused.value)
    for allowed in (name, name.split(".")[0]):
        assert go_on(replace(config, **change, resume=ResumeConfig(allow=[allowed])))


def test_other_data_is_refused(config: TrainConfig) -> None:
    with pytest.raises(SFTError, match=r'SFT420.*data.contents "5f3a" → "77"'):
        go_on(config, data="77")


@pytest.mark.parametrize("changed", ["code.sftkeras", "code.keras"])
def test_other_code_is_refused(config: TrainConfig, changed: str) -> None:
    file = RunFolder.of(config).identity_file
    file.write_text(json.dumps({**json.loads(file.read_text()), changed: "0.0.1"}))
    with pytest.raises(SFTError, match=rf'SFT420.*{changed} "0.0.1" → '):
        go_on(config)
    assert go_on(replace(config, resume=ResumeConfig(allow=["code"])))


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A copy of the package's source."""
    source = Path(sftkeras.__file__).parent
    return Path(shutil.copytree(source, tmp_path / "sftkeras", ignore=shutil.ignore_patterns("__pycache__")))


def hash_after(package: Path, edited: str) -> str:
    """The hash of the package with one more line in a file, which is made if it is not there."""
    edited_copy = Path(shutil.copytree(package, package.with_name("edited")))
    with (edited_copy / edited).open("a", encoding="utf-8") as file:
        file.write("# one more line\n")
    return source_hash(edited_copy)


WORDS = [
    *("errors/data.py", "data/checks/check.py", "data/show.py", "training/watching/progress.py"),
    *("training/dry_run.py", "data/labels/spans/checks.py"),
]
DECIDES = [
    *("data/formats/read_csv.py", "data/checks/findings.py", "data/labels/spans/rows.py", "data/split.py"),
    *("data/batches.py", "data/new_reader.py", "text/tokenizers/word_piece.py", "tasks/tagging/task.py"),
    *("tuning/unfreezing.py", "training/step/model.py", "backbones/dropout.py"),
]


@pytest.mark.parametrize("file", WORDS)
def test_a_module_of_messages_is_no_other_code(package: Path, file: str) -> None:
    assert (package / file).is_file()
    assert hash_after(package, file) == source_hash(package)


@pytest.mark.parametrize("file", DECIDES)
def test_a_module_that_reads_batches_or_computes_is_other_code(package: Path, file: str) -> None:
    assert hash_after(package, file) != source_hash(package)


def test_what_is_left_out_exists(package: Path) -> None:
    assert all((package / path).exists() for path in _ONLY_WORDS)


def test_settings_of_other_tasks_which_earlier_versions_kept_are_no_difference(config: TrainConfig) -> None:
    file = RunFolder.of(config).identity_file
    of_others = {"task.margin": 0.5, "task.loss": "multiple_negatives", "task.no_answer_threshold": None}
    file.write_text(json.dumps({**json.loads(file.read_text()), **of_others}))
    assert go_on(config)
    file.write_text(json.dumps({**json.loads(file.read_text()), "task.threshold": 0.4, "task.gone": 1}))
    with pytest.raises(SFTError, match=r"SFT420.*: task.gone 1 → nothing, task.threshold 0.4 → 0.5\."):
        go_on(config)


def test_an_open_precision_is_that_of_the_interrupted_run(config: TrainConfig) -> None:
    run = RunFolder.of(config)
    assert config.training.precision == "auto"
    assert as_it_began(run, config, identity_of(config)).training.precision == "float32"
    exact = replace(config, training=TrainingConfig(precision="float32"))
    assert as_it_began(run, exact, identity_of(exact)) == exact
    rounded = replace(config, training=TrainingConfig(precision="mixed_bfloat16"))
    with pytest.raises(SFTError, match=r'SFT420.*training.precision "float32" → "mixed_bfloat16"'):
        as_it_began(run, rounded, identity_of(rounded))
    anew = replace(config, seed=4, overwrite=True)
    assert as_it_began(run, anew, identity_of(anew)) == anew


def test_many_differences_are_counted(config: TrainConfig) -> None:
    optimizer = OptimizerConfig("sgd", 0.1, "cosine", 0.2, 0.0, None, 0.8, 0.99, 1e-6)
    with pytest.raises(SFTError, match=r"SFT420.*, 4 more\."):
        go_on(replace(config, optimizer=optimizer))


def test_overwrite_replaces_what_cannot_go_on(config: TrainConfig) -> None:
    assert go_on(replace(config, overwrite=True))
    assert not go_on(replace(config, overwrite=True, seed=4))
    with pytest.raises(SFTError, match="SFT420"):
        go_on(replace(config, overwrite=True, seed=4, resume=ResumeConfig("must")))


def test_never_begins_again(config: TrainConfig) -> None:
    assert not go_on(replace(config, resume=ResumeConfig("never")))


def test_an_identity_that_cannot_be_read_is_another_one(config: TrainConfig) -> None:
    RunFolder.of(config).identity_file.write_text("{")
    with pytest.raises(SFTError, match="SFT420"):
        go_on(config)
