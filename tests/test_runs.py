"""A run is a folder: made once, moved as it is, and never in place of something that is not a run."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from tiny_bert import write_tiny_bert

from sftkeras.command_line.commands import parse
from sftkeras.config import OptimizerConfig, TrainConfig
from sftkeras.errors import SFTError
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import restore_model
from sftkeras.tasks.classification.spec import ClassificationSettings

VOCABULARY = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", "good", "bad", "film"]


def config(folder: Path, **settings: Any) -> TrainConfig:
    return TrainConfig(**{"name": "films", "task": ClassificationSettings(), "runs": str(folder / "runs"), **settings})


def create(settings: TrainConfig) -> RunFolder:
    run = RunFolder.plan(settings)
    run.create(settings)
    return run


def test_the_kept_config_is_complete_and_reads_back(tmp_path: Path) -> None:
    settings = config(
        tmp_path,
        optimizer=OptimizerConfig(learning_rate=3e-5, clip_norm=None),
        task=ClassificationSettings(class_weights={"gut": 2.0, "schlecht": 1.0}),
        seed=3,
    )
    run = create(settings)
    assert run.folder == tmp_path / "runs" / "films"
    assert parse(TrainConfig, ["--config", str(run.config_file)]) == settings


def test_a_run_is_not_written_over_unless_asked(tmp_path: Path) -> None:
    run = create(config(tmp_path))
    run.log_file.write_text("precious")
    with pytest.raises(SFTError, match="SFT105"):
        RunFolder.plan(config(tmp_path))
    assert run.log_file.read_text() == "precious"
    create(config(tmp_path, overwrite=True, seed=5))
    assert not run.log_file.exists()
    assert parse(TrainConfig, ["--config", str(run.config_file)]).seed == 5


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_folder_that_is_no_run_is_left_alone(tmp_path: Path, overwrite: bool) -> None:
    diary = tmp_path / "runs" / "films" / "diary.txt"
    diary.parent.mkdir(parents=True)
    diary.write_text("dear diary")
    with pytest.raises(SFTError, match="SFT111"):
        RunFolder.plan(config(tmp_path, overwrite=overwrite))
    assert diary.read_text() == "dear diary"


def test_planning_alone_leaves_nothing_behind(tmp_path: Path) -> None:
    RunFolder.plan(config(tmp_path))
    assert list((tmp_path / "runs").iterdir()) == []


def test_two_processes_do_not_train_one_run(tmp_path: Path) -> None:
    run = RunFolder.plan(config(tmp_path))
    with run.claimed():
        run.create(config(tmp_path))  # which keeps the claim
        with pytest.raises(SFTError, match="SFT423"), run.claimed():
            pass
    with run.claimed():
        pass


def test_a_claim_alone_leaves_nothing_behind(tmp_path: Path) -> None:
    with RunFolder.plan(config(tmp_path)).claimed():
        pass
    assert list((tmp_path / "runs").iterdir()) == []


def test_a_run_is_unfinished_from_its_first_file_to_its_end(tmp_path: Path) -> None:
    run = RunFolder.plan(config(tmp_path))
    run.create(config(tmp_path), {"seed": 17})
    assert run.is_unfinished
    run.best_weights.write_bytes(b"best")
    (run.states / "step-0000000001.safetensors").write_bytes(b"state")
    assert RunFolder.plan(config(tmp_path)) == run  # to be continued
    run.finish()
    assert not run.is_unfinished
    assert [path.name for path in run.states.iterdir()] == ["best.weights.h5"]
    with pytest.raises(SFTError, match="SFT105"):
        RunFolder.plan(config(tmp_path))


@pytest.mark.parametrize("left", ["state/.4711.identity.json", "state"])
def test_what_a_process_killed_at_its_very_beginning_left_is_no_obstacle(tmp_path: Path, left: str) -> None:
    path = tmp_path / "runs" / "films" / left
    path.parent.mkdir(parents=True)
    path.write_text("half") if path.suffix else path.mkdir()
    assert create(config(tmp_path)).config_file.exists()


@pytest.mark.parametrize("name", ["..", "../films", "/etc", "a/b", "", ".hidden", "two words", "a\n"])
def test_a_name_stays_inside_its_folder(name: str) -> None:
    with pytest.raises(SFTError, match="SFT102  --name"):
        parse(TrainConfig, [f"--name={name}"])


def test_a_place_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "runs").write_text("a file")
    with pytest.raises(SFTError, match=r"SFT106.*--runs"):
        RunFolder.plan(config(tmp_path))


def test_a_folder_that_was_not_trained_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SFTError, match=r"SFT109.*config.yaml is missing"):
        RunFolder.open(tmp_path)
    run = create(config(tmp_path))
    with pytest.raises(SFTError, match=r"SFT109.*model.json is missing"):
        RunFolder.open(run.folder)


def backbone_folder(folder: Path, kind: str, pooler: bool) -> Path:
    """A tiny encoder, as KerasHub saves it, or as a Hugging Face folder with or without a pooler."""
    import keras_hub

    if kind == "keras_hub":
        keras_hub.models.BertBackbone(8, 1, 2, 8, 8, max_sequence_length=9).save_to_preset(str(folder))
        keras_hub.models.BertTokenizer(vocabulary=VOCABULARY, lowercase=True).save_to_preset(str(folder))
        return folder
    return write_tiny_bert(folder, pooler=pooler)


@pytest.mark.parametrize(
    ("kind", "pooler", "pooling"),
    [
        ("hugging_face", True, "mean"),
        ("hugging_face", True, "cls"),
        ("hugging_face", False, "cls"),
        ("keras_hub", True, "cls"),
    ],
)
def test_a_moved_run_gives_its_model_again(tmp_path: Path, kind: str, pooler: bool, pooling: Any) -> None:
    from sftkeras import runtime

    runtime.start_tensorflow()
    import keras
    import numpy as np
    import tensorflow as tf

    from sftkeras.backbones import load_backbone
    from sftkeras.tasks import TextModel, attach_head
    from sftkeras.tasks.classification.task import MultiLabelClassification
    from sftkeras.text import TextFeatures

    keras.utils.set_random_seed(6)
    folder = backbone_folder(tmp_path / "backbone", kind, pooler)
    backbone = load_backbone(folder, max_length=8)
    task = MultiLabelClassification(("très bon", "lang"), threshold=0.3, dropout=0.2)
    network = attach_head(backbone, task, pooling)
    model = TextModel(TextFeatures(backbone.tokenizer, max_length=8, pairs=True), network, task)
    run = create(config(tmp_path))
    run.keep_model(model, backbone, pooling)
    network.save_weights(run.best_weights)
    shutil.rmtree(folder)
    moved = shutil.move(run.folder, tmp_path / "elsewhere")

    restored = restore_model(RunFolder.open(moved))
    texts, pairs = tf.constant(["good film", "bad", ""]), tf.constant(["film", "", "good good good good good"])
    expected = model(texts, pairs)
    for name, answer in restored(texts, pairs).items():
        np.testing.assert_array_equal(answer, expected[name], err_msg=name)
    assert restored.features.fingerprint == model.features.fingerprint


def test_a_run_that_was_stopped_before_its_first_epoch_ended_is_no_missing_run(tmp_path: Path) -> None:
    run = RunFolder.of(config(tmp_path))
    run.create(config(tmp_path), {"seed": 1})
    with pytest.raises(SFTError, match=r"SFT113.*no weights yet"):
        RunFolder.open(run.folder)


def test_a_run_knows_its_last_export(tmp_path: Path) -> None:
    run = create(config(tmp_path))
    with pytest.raises(SFTError, match=r"SFT114.*exported no model yet.*sftkeras.export --run"):
        run.last_export()
    run.note_export(tmp_path / "films" / "1")
    run.note_export(tmp_path / "films" / "2")
    assert run.last_export() == tmp_path / "films" / "2"


def test_a_damaged_run_names_the_file(tmp_path: Path) -> None:
    run = create(config(tmp_path))
    run.model_file.write_text('{"task": ')
    run.best_weights.touch()
    with pytest.raises(SFTError, match=r"SFT112.*model.json"):
        restore_model(RunFolder.open(run.folder))


def test_overwriting_needs_no_earlier_run(tmp_path: Path) -> None:
    assert create(replace(config(tmp_path), overwrite=True)).config_file.exists()
