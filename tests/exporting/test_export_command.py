from __future__ import annotations

import json
from contextlib import nullcontext
from pathlib import Path

import numpy as np
import pytest
from tiny_models import TASKS, VOCABULARY

from sftkeras import export as command
from sftkeras.backbones import load_backbone
from sftkeras.command_line import commands
from sftkeras.config import ExportCommandConfig
from sftkeras.errors import SFTError
from sftkeras.exporting.contract import read_contract
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.pipeline import export_run
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import restore_model
from sftkeras.tasks import TextModel, attach_head
from sftkeras.text import TextFeatures

import keras  # isort: skip
import tensorflow as tf  # isort: skip

BERT = {
    "model_type": "bert",
    "vocab_size": len(VOCABULARY),
    "hidden_size": 16,
    "num_hidden_layers": 1,
    "num_attention_heads": 2,
    "intermediate_size": 32,
    "max_position_embeddings": 32,
}


@pytest.fixture
def finished_run(tmp_path: Path) -> RunFolder:
    """A run as training leaves it."""
    run = RunFolder(tmp_path / "runs" / "movies")
    run.best_weights.parent.mkdir(parents=True)
    run.config_file.write_text(f"name: movies\nexport: {{folder: {tmp_path / 'saved_models'}}}\n")
    pretrained = tmp_path / "pretrained"
    pretrained.mkdir()
    (pretrained / "config.json").write_text(json.dumps(BERT))
    (pretrained / "vocab.txt").write_text("\n".join(VOCABULARY) + "\n")
    keras.utils.set_random_seed(3)
    backbone = load_backbone(pretrained, max_length=16, without_weights="hugging_face")
    task = TASKS["classification"]
    network = attach_head(backbone, task, "mean")
    network.save_weights(run.best_weights)
    features = TextFeatures(backbone.tokenizer, max_length=16, pairs=False)
    run.keep_model(TextModel(features, network, task), backbone, "mean")
    return run


@pytest.fixture
def shared(process: PredictionProcess, monkeypatch: pytest.MonkeyPatch) -> PredictionProcess:
    """The process that all tests ask, in place of one that the command would start."""
    monkeypatch.setattr(export_run, "PredictionProcess", lambda: nullcontext(process))
    return process


def test_run_is_exported_again_as_a_new_version(
    finished_run: RunFolder, tmp_path: Path, shared: PredictionProcess, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "saved_models" / "movies" / "4").mkdir(parents=True)
    command.main(commands.parse(ExportCommandConfig, ["--run", str(finished_run.folder)]))
    path = tmp_path / "saved_models" / "movies" / "5"
    assert str(path) in capsys.readouterr().out.replace("\n", "")
    assert read_contract(path)["name"] == "movies"
    expected = restore_model(finished_run)(tf.constant(["good film"]))
    np.testing.assert_allclose(shared.predict(["good film"])["probabilities"], expected["probabilities"], atol=1e-6)


def test_a_run_is_exported_with_rounded_weights_beside_the_exact_ones(
    finished_run: RunFolder, tmp_path: Path, shared: PredictionProcess, capsys: pytest.CaptureFixture
) -> None:
    data = tmp_path / "films.csv"
    labels = ("bad", "good", "très bon")
    data.write_text("text,label\n" + "".join(f"film {number},{labels[number % 3]}\n" for number in range(60)))
    with finished_run.config_file.open("a") as config:
        config.write(f"data: {{train: {data}}}\n")
    command.main(commands.parse(ExportCommandConfig, ["--run", str(finished_run.folder), "--precision", "int8"]))
    path = tmp_path / "saved_models" / "movies-int8" / "1"
    said = capsys.readouterr().out.replace("\n", "")
    assert str(path) in said
    assert "It predicts as the exact model does for 100.00% of 6 test rows" in said
    contract = read_contract(path)
    assert (contract["name"], contract["precision"], contract["agreement"]["rows"]) == ("movies-int8", "int8", 6)
    assert not finished_run.export_file.exists()  # which names the exact one


def test_wrong_run_or_folder_is_told_before_tensorflow_starts(finished_run: RunFolder, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for words, code in [
        ([], "SFT104"),
        (["--run", str(tmp_path)], "SFT109"),
        (["--run", str(finished_run.folder), "--folder", str(tmp_path / "file")], "SFT106 .*--folder"),
    ]:
        with pytest.raises(SFTError, match=code):
            command.main(commands.parse(ExportCommandConfig, words))
