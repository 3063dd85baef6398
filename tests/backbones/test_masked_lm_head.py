"""A checkpoint's own masked-LM head: read by the names of its architecture, and written so that it is read again."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_folders import DROPOUT, EMBEDDING, HIDDEN, POSITIONS, PROJECTION, Checkpoint, ragged_inputs

import keras  # isort: skip

from sftkeras.backbones import Backbone, load_backbone
from sftkeras.backbones.hugging_face import write_folder
from sftkeras.errors import SFTError
from sftkeras.tasks.masked_lm.task import MaskedLM

NAMES = {
    "bert": ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias"),
    "roberta": ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias"),
    "xlm-roberta": ("lm_head.dense", "lm_head.layer_norm", "lm_head.bias"),
    "distilbert": ("vocab_transform", "vocab_layer_norm", "vocab_projector.bias"),
    "albert": ("predictions.dense", "predictions.LayerNorm", "predictions.bias"),
    "electra": ("generator_predictions.dense", "generator_predictions.LayerNorm", "generator_lm_head.bias"),
    "deberta-v2": ("cls.predictions.transform.dense", "cls.predictions.transform.LayerNorm", "cls.predictions.bias"),
}


def head_tensors(checkpoint: Checkpoint, rows: int | None = None) -> dict[str, np.ndarray]:
    dense, norm, bias = NAMES[checkpoint.model_type]
    width = EMBEDDING if checkpoint.model_type in PROJECTION else HIDDEN
    shapes = {f"{dense}.weight": (width, HIDDEN), f"{dense}.bias": (width,)}
    shapes |= {f"{norm}.weight": (width,), f"{norm}.bias": (width,), bias: (rows or checkpoint.rows,)}
    random = np.random.default_rng(5)
    return {name: random.normal(0, 0.3, shape).astype(np.float32) for name, shape in shapes.items()}


def with_head(checkpoint: Checkpoint, folder: Path, rows: int | None = None) -> Path:
    checkpoint.write(folder)
    stored = load_file(folder / "model.safetensors")
    save_file(stored | head_tensors(checkpoint, rows), folder / "model.safetensors")
    return folder


def network_of(folder: Path, **settings: object) -> tuple[Backbone, keras.Model]:
    backbone = load_backbone(folder, max_length=POSITIONS, **settings)  # type: ignore[arg-type]
    task = MaskedLM().for_tokenizer(backbone.tokenizer)
    return backbone, task.network(backbone, "mean")


@pytest.mark.parametrize("model_type", DROPOUT)
def test_the_checkpoints_own_head_is_read_and_written(model_type: str, tmp_path: Path) -> None:
    checkpoint = Checkpoint(model_type)
    backbone, network = network_of(with_head(checkpoint, tmp_path / "source"))
    head = network.get_layer("vocabulary")
    expected = head_tensors(checkpoint)
    dense, norm, bias = NAMES[model_type]
    np.testing.assert_array_equal(head.dense.kernel, expected[f"{dense}.weight"].T)
    np.testing.assert_array_equal(head.norm.gamma, expected[f"{norm}.weight"])
    np.testing.assert_array_equal(head.bias, expected[bias])
    write_folder(tmp_path / "again", backbone.model, backbone.tokenizer, has_pooler=False, head=head)
    written = load_file(tmp_path / "again" / "model.safetensors")
    for name, tensor in expected.items():
        np.testing.assert_array_equal(written[name], tensor, err_msg=name)
    _, again = network_of(tmp_path / "again")
    inputs = ragged_inputs(model_type) | {"masked_positions": np.zeros((5, 2), np.int32)}
    np.testing.assert_array_equal(again(inputs), network(inputs))


def test_an_encoder_without_a_head_gets_a_new_one(tmp_path: Path) -> None:
    _, network = network_of(Checkpoint().write(tmp_path / "source"))
    head = network.get_layer("vocabulary")
    assert not np.any(head.bias)
    assert np.any(head.dense.kernel)


def test_a_run_that_has_its_own_weights_reads_no_head(tmp_path: Path) -> None:
    folder = with_head(Checkpoint(), tmp_path / "source")
    backbone, network = network_of(folder, without_weights="hugging_face")
    assert backbone.weights is None
    assert not np.any(network.get_layer("vocabulary").bias)


def test_tokens_that_were_added_have_the_bias_zero(tmp_path: Path) -> None:
    checkpoint = Checkpoint()
    _, network = network_of(with_head(checkpoint, tmp_path / "source", rows=checkpoint.rows - 2))
    bias = np.asarray(network.get_layer("vocabulary").bias)
    assert bias[-3] != 0
    assert bias[-2:].tolist() == [0, 0]


def test_a_head_of_another_model_is_refused(tmp_path: Path) -> None:
    folder = with_head(Checkpoint(), tmp_path / "source")
    stored = load_file(folder / "model.safetensors")
    stored["cls.predictions.transform.dense.weight"] = np.zeros((HIDDEN, HIDDEN + 1), np.float32)
    save_file(stored, folder / "model.safetensors")
    with pytest.raises(SFTError, match=r"SFT358.*transform\.dense"):
        network_of(folder)
