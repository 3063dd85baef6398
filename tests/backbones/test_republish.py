"""A module that was trained as it is, written again: the same module with other weights."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from hub_modules import ENCODERS, LOOK_ALIKES, write_text_module

from sftkeras.backbones import Backbone, load_backbone
from sftkeras.backbones.publishing.republish import write_again
from sftkeras.backbones.tfhub.module import read_module
from sftkeras.errors import SFTError

MODULES: dict[str, Callable[[Path], Path]] = {
    "texts": write_text_module,
    "talking heads": LOOK_ALIKES["talking heads"].write,
    "list interface": ENCODERS["BERT, older names"].write,
}


def tuned(folder: Path) -> Backbone:
    """The module as if it had been trained."""
    backbone = load_backbone(folder, max_length=8, mode="opaque")
    for variable in backbone.model.trainable_variables:
        variable.assign(variable * 1.5)
    return backbone


@pytest.mark.parametrize("name", MODULES)
def test_it_stands_alone_and_differs_in_its_weights_only(name: str, tmp_path: Path) -> None:
    source = MODULES[name](tmp_path / "source")
    before = read_module(source)
    backbone = tuned(source)
    assert write_again(backbone.model, tmp_path / "again") <= 1e-6
    shutil.rmtree(source)
    after = read_module(tmp_path / "again")
    assert (after.kind, after.by_name, after.takes_training) == (before.kind, before.by_name, before.takes_training)
    assert after.variables.keys() == before.variables.keys()
    again = load_backbone(tmp_path / "again", max_length=8, mode="opaque")
    for found, expected in zip(again.model.weights, backbone.model.weights, strict=True):
        np.testing.assert_array_equal(found.numpy(), expected.numpy(), err_msg=found.path)


def test_it_can_be_trained_again(tmp_path: Path) -> None:
    write_again(tuned(write_text_module(tmp_path / "source")).model, tmp_path / "again")
    encoder = load_backbone(tmp_path / "again", max_length=8, mode="opaque").model
    model = keras.Model(encoder.input, keras.layers.Dense(1)(encoder.output["pooled_output"]))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = encoder.trainable_variables[0].numpy()
    model.train_on_batch({"text": tf.constant(["a good film", "the plot"])}, tf.ones((2, 1)))
    assert not np.array_equal(encoder.trainable_variables[0].numpy(), before)


def test_what_answers_otherwise_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    backbone = tuned(write_text_module(tmp_path / "source"))
    monkeypatch.setattr("sftkeras.backbones.publishing.proof.TOLERANCE", -1.0)
    with pytest.raises(SFTError, match=r"SFT379.*pooled_output"):
        write_again(backbone.model, tmp_path / "again")
