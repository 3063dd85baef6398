"""What a module is, is told from its files alone; called, it answers alike whatever its convention."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hub_modules import (
    BERT,
    ENCODERS,
    EncoderModule,
    write_broken_module,
    write_dangerous_module,
    write_image_module,
    write_text_module,
    write_tf1_module,
)

from sftkeras.backbones.tfhub.module import read_module
from sftkeras.errors import SFTError


@pytest.fixture(scope="module", params=ENCODERS)
def written(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[EncoderModule, Path]:
    encoder = ENCODERS[request.param]
    return encoder, encoder.write(tmp_path_factory.mktemp("module") / "encoder")


@pytest.fixture(scope="module")
def bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain module. Copy it before changing it."""
    return BERT.write(tmp_path_factory.mktemp("bert") / "module")


@pytest.fixture
def no_loading(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tf.saved_model, "load", lambda *_: pytest.fail("the module was loaded"))


@pytest.mark.usefixtures("no_loading")
def test_a_token_encoder_is_known_without_being_loaded(written: tuple[EncoderModule, Path]) -> None:
    encoder, folder = written
    module = read_module(folder)
    assert module.kind == "token_encoder"
    assert module.by_name == (encoder.interface == "dict")
    assert module.length == encoder.length
    assert module.layers == (encoder.layers if encoder.interface == "dict" else None)
    assert module.takes_training
    assert (module.vocabulary is None, module.sentence_piece is None) == (encoder.shared, not encoder.shared)
    assert module.lowercase is (None if encoder.shared else True)
    stored = set(module.variables) - {"Variable", "save_counter"}  # do_lower_case, and what tf.train.Checkpoint adds
    assert len(stored) == len(encoder.draw())


@pytest.mark.usefixtures("no_loading")
def test_the_values_of_variables_are_read_from_the_checkpoint(bert_folder: Path) -> None:
    module = read_module(bert_folder)
    for name, value in BERT.draw().items():
        assert module.variables[name].shape == value.shape
        np.testing.assert_array_equal(module.read(name), value)


def token_batch(rows: int = 4, length: int = 20) -> tuple[tf.Tensor, tf.Tensor, tf.Tensor]:
    """Word ids, mask and type ids, [rows, length] each."""
    random = np.random.default_rng(4)
    mask = (np.arange(length) < np.linspace(1, length, rows)[:, np.newaxis]).astype(np.int32)
    word_ids = random.integers(1, 40, mask.shape).astype(np.int32)
    return tf.constant(word_ids), tf.constant(mask), tf.constant(word_ids % 2 * mask)


def test_every_convention_gives_the_same_vectors(tmp_path: Path) -> None:
    batch, weights = token_batch(), BERT.draw()
    expected = read_module(BERT.write(tmp_path / "dict")).load().encode_tokens(*batch)
    assert {name: tuple(vector.shape) for name, vector in expected.items()} == {
        "sequence_output": (4, 20, 16),
        "pooled_output": (4, 16),
    }
    others = {
        "list": EncoderModule(interface="list"),
        "older names": EncoderModule(names="older", interface="list", flat_kernels=True),
        "fixed length": EncoderModule(length=24),
    }
    for name, other in others.items():
        found = read_module(other.write(tmp_path / name, weights)).load().encode_tokens(*batch)
        for output, vectors in expected.items():
            np.testing.assert_allclose(found[output], vectors, atol=1e-5, err_msg=f"{name}: {output}")


def test_dropout_is_on_only_in_training(tmp_path: Path) -> None:
    loaded = read_module(EncoderModule(dropout=0.5).write(tmp_path / "module")).load()
    batch = token_batch()
    quiet = [loaded.encode_tokens(*batch)["pooled_output"] for _ in range(2)]
    np.testing.assert_array_equal(quiet[0], quiet[1])
    assert np.abs(loaded.encode_tokens(*batch, training=True)["pooled_output"] - quiet[0]).max() > 1e-3


def test_a_loaded_module_names_what_can_be_trained(tmp_path: Path) -> None:
    loaded = read_module(EncoderModule(regularised=True).write(tmp_path / "module")).load()
    assert len(loaded.trainable_variables) == len(BERT.draw())
    assert len(loaded.variables) == len(loaded.trainable_variables) + 1  # do_lower_case
    (loss,) = loaded.regularization_losses
    assert float(loss()) == pytest.approx(0.01 * np.square(BERT.draw()["word_embeddings/embeddings"]).sum(), rel=1e-5)


@pytest.mark.parametrize("outputs", ["tensor", "dict"])
def test_a_text_encoder_gives_one_vector_a_text(outputs: str, tmp_path: Path) -> None:
    module = read_module(write_text_module(tmp_path / "module", outputs=outputs))  # type: ignore[arg-type]
    assert (module.kind, module.takes_training) == ("text_encoder", False)
    vectors = module.load().encode_texts(tf.constant(["a good film", "", "words of no table"]))
    assert set(vectors) == {"pooled_output"}
    assert vectors["pooled_output"].shape == (3, 16)
    assert np.abs(vectors["pooled_output"][1]).max() == 0


@pytest.mark.parametrize("folder", ["preprocessor_folder", "sentence_piece_preprocessor_folder"])
def test_a_preprocessor_is_told_from_an_encoder(folder: str, request: pytest.FixtureRequest) -> None:
    module = read_module(request.getfixturevalue(folder))
    assert module.kind == "preprocessor"
    assert {"tokenize", "bert_pack_inputs"} <= module.attributes


def without(*names: str) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        for name in names:
            (path,) = folder.glob(name)
            path.unlink()

    return spoil


def tf1(marked: bool) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        shutil.rmtree(folder)
        write_tf1_module(folder)
        if not marked:
            (folder / "tfhub_module.pb").unlink()

    return spoil


def instead(write: Callable[[Path], Path]) -> Callable[[Path], None]:
    def spoil(folder: Path) -> None:
        shutil.rmtree(folder)
        write(folder)

    return spoil


def uncallable(folder: Path) -> Path:
    tf.saved_model.save(tf.train.Checkpoint(weight=tf.Variable(1.0)), str(folder))
    return folder


REFUSED = {
    "TF1": (tf1(marked=True), "SFT363", "TF1"),
    "TF1 without its mark": (tf1(marked=False), "SFT363", "TF1"),
    "graph cut off": (instead(write_broken_module), "SFT364", "saved_model.pb"),
    "graph is something else": (lambda folder: (folder / "saved_model.pb").write_text("<html>"), "SFT364", "damaged"),
    "no graph": (without("saved_model.pb"), "SFT364", "saved_model.pb"),
    "no index of variables": (without("variables/variables.index"), "SFT364", "variables"),
    "no variables": (without("variables/variables.data-*"), "SFT364", "variables"),
    "no vocabulary file": (without("assets/vocab.txt"), "SFT364", "vocab.txt"),
    "reads files": (instead(write_dangerous_module), "SFT365", "runs the operation ReadFile"),
    "for images": (instead(write_image_module), "SFT368", "float32"),
    "cannot be called": (instead(uncallable), "SFT368", "cannot be called"),
}


@pytest.mark.parametrize("case", REFUSED)
@pytest.mark.usefixtures("no_loading")
def test_a_module_that_cannot_be_used_is_refused_before_it_is_loaded(
    case: str, bert_folder: Path, tmp_path: Path
) -> None:
    spoil, code, told = REFUSED[case]
    folder = shutil.copytree(bert_folder, tmp_path / "module")
    spoil(folder)
    with pytest.raises(SFTError, match=code) as raised:
        read_module(folder)
    assert told in str(raised.value)
    assert "\n" not in str(raised.value)
