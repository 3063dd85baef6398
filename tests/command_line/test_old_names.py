"""Settings by the names that earlier versions had for them are read, with one line that says the new name."""

from __future__ import annotations

from pathlib import Path

import pytest

from sftkeras.api.settings import train_config
from sftkeras.command_line.commands import notes, parse
from sftkeras.config import TrainConfig
from sftkeras.config.renamed import RENAMED
from sftkeras.errors import SFTError

OLD = """
optimizer: {learning_rate: 0.001, layer_decay: 0.9}
training:
  epochs: 2
  unfreeze: null
  freeze_embeddings: true
"""


def test_a_file_with_old_names_means_what_one_with_the_new_names_means(tmp_path: Path) -> None:
    old, new = tmp_path / "old.yaml", tmp_path / "new.yaml"
    old.write_text(OLD)
    new.write_text(
        "optimizer: {learning_rate: 0.001}\ntraining: {epochs: 2}\n"
        "tuning: {layer_decay: 0.9, unfreeze: null, freeze_embeddings: true}\n"
    )
    assert parse(TrainConfig, ["--config", str(old)]) == parse(TrainConfig, ["--config", str(new)])
    assert notes(["--config", str(new)]) == []
    assert notes(["--config", str(old)]) == [
        f"Note: {old} line 2: optimizer.layer_decay is now tuning.layer_decay. The old name still works.",
        f"Note: {old} line 6: training.freeze_embeddings is now tuning.freeze_embeddings. The old name still works.",
    ]


@pytest.mark.parametrize("words", [["--optimizer.layer_decay", "0.9"], ["--optimizer.layer_decay=0.9"]])
def test_an_old_flag_is_read(words: list[str]) -> None:
    assert parse(TrainConfig, words).tuning.layer_decay == 0.9
    assert notes(words) == ["Note: --optimizer.layer_decay is now --tuning.layer_decay. The old name still works."]


def test_an_old_name_in_python_is_read_and_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert train_config({"training": {"unfreeze": 1}}).tuning.unfreeze == 1
    assert "--training.unfreeze is now --tuning.unfreeze" in " ".join(capsys.readouterr().out.split())


@pytest.mark.parametrize(
    ("content", "problem"),
    [
        ("training: {unfreeze: 1}\ntuning: {unfreeze: 2}\n", "line 1, column 12: tuning.unfreeze is set twice"),
        ("training: {unfreeze: x}\n", "line 1, column 12: tuning.unfreeze: expected a whole number"),
        ("tuning: lora\ntraining: {unfreeze: 1}\n", "line 1, column 1: tuning is a group of settings"),
        ("training: [unfreeze]\n", "training is a group of settings"),
    ],
)
def test_a_mistake_is_told_with_its_place(content: str, problem: str, tmp_path: Path) -> None:
    (tmp_path / "c.yaml").write_text(content)
    with pytest.raises(SFTError, match=problem):
        parse(TrainConfig, ["--config", str(tmp_path / "c.yaml")])


def test_every_new_name_is_a_setting_and_no_old_one_is() -> None:
    from sftkeras.command_line.settings_file import settings_of

    assert settings_of(TrainConfig).keys() >= set(RENAMED.values())
    assert not settings_of(TrainConfig).keys() & RENAMED.keys()
