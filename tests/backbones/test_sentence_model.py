"""A folder of sentence-transformers gives its encoder, in both layouts, and says what was trained around it."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from tiny_folders import Checkpoint

from sftkeras.backbones.fetching import fetch_backbone
from sftkeras.backbones.hugging_face.sentence_model import SentenceModel, read_sentence_model
from sftkeras.errors import SFTError

MEAN = {"word_embedding_dimension": 16, "pooling_mode_cls_token": False, "pooling_mode_mean_tokens": True}


def sentence_folder(
    folder: Path, *, encoder: str = "", pooling: dict[str, Any] = MEAN, more: tuple[str, ...] = ()
) -> Path:
    """What `SentenceTransformer.save` writes; `encoder` is the path of the transformer in it."""
    Checkpoint().write(folder / encoder)
    (folder / encoder / "sentence_bert_config.json").write_text('{"max_seq_length": 6, "do_lower_case": false}')
    kinds = {"Transformer": encoder, "Pooling": "1_Pooling"} | {kind: f"{n}_{kind}" for n, kind in enumerate(more, 2)}
    modules = [
        {"idx": n, "name": str(n), "path": path, "type": f"sentence_transformers.models.{kind}"}
        for n, (kind, path) in enumerate(kinds.items())
    ]
    (folder / "modules.json").write_text(json.dumps(modules))
    (folder / "1_Pooling").mkdir()
    (folder / "1_Pooling" / "config.json").write_text(json.dumps(pooling))
    return folder


@pytest.mark.parametrize("encoder", ["", "0_Transformer"])
def test_the_encoder_is_found_in_both_layouts(encoder: str, tmp_path: Path) -> None:
    folder = sentence_folder(tmp_path / "minilm", encoder=encoder)
    folders = fetch_backbone(str(folder), None, max_length=8)
    assert folders.encoder == folder / encoder
    assert read_sentence_model(folders.encoder) == SentenceModel("mean", 6, False, ())


def test_weights_of_an_older_folder_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    folder = sentence_folder(tmp_path / "minilm", encoder="0_Transformer")
    (folder / "0_Transformer" / "model.safetensors").rename(folder / "0_Transformer" / "pytorch_model.bin")
    with pytest.raises(SFTError, match=r"SFT305.*0_Transformer: .*pytorch_model.bin"):
        fetch_backbone(str(folder), None, max_length=8)


def test_what_a_run_does_otherwise_is_said(tmp_path: Path) -> None:
    pooling = {"pooling_mode_cls_token": True, "pooling_mode_mean_tokens": False}
    folder = sentence_folder(tmp_path / "labse", pooling=pooling, more=("Dense", "Normalize"))
    model = read_sentence_model(folder)
    assert model is not None
    notes = list(model.notes("mean", 128))
    assert "--backbone.pooling cls" in notes[0]
    assert "--backbone.max_length 6" in notes[1]
    assert "Dense" in notes[2]
    assert len(notes) == 3
    assert [*model.notes("cls", 6)] == notes[2:]
    assert [*model.notes(None, 6)] == []  # a task of tokens pools nothing


@pytest.mark.parametrize(
    ("config", "pooling"),
    [
        ({"pooling_mode": "max", "embedding_dimension": 16}, "max"),
        ({"pooling_mode_mean_tokens": True, "pooling_mode_max_tokens": True}, "mean and max"),
        ({"pooling_mode_lasttoken": True}, "lasttoken"),
        ({}, None),
    ],
)
def test_poolings_are_read_as_they_are_written(config: dict[str, Any], pooling: str | None, tmp_path: Path) -> None:
    model = read_sentence_model(sentence_folder(tmp_path / "folder", pooling=config))
    assert model is not None
    assert model.pooling == pooling
    if pooling not in ("max", None):
        assert "which is not done here" in next(model.notes("mean", 6))


def test_other_folders_say_nothing(tmp_path: Path) -> None:
    folder = sentence_folder(tmp_path / "folder")
    assert read_sentence_model(folder / "1_Pooling") is None
    shutil.rmtree(folder / "1_Pooling")
    (folder / "modules.json").unlink()
    assert read_sentence_model(folder) is None


def test_a_damaged_list_of_modules_is_named(tmp_path: Path) -> None:
    folder = sentence_folder(tmp_path / "folder", encoder="0_Transformer")
    (folder / "modules.json").write_text("[{}]")
    with pytest.raises(SFTError, match=r"SFT304.*modules.json cannot be read"):
        fetch_backbone(str(folder), None, max_length=8)
