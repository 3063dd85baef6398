"""A module as a Keras layer: it answers as the module itself, and its weights are the module's variables."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf
from hub_modules import BERT, ENCODERS, LOOK_ALIKES, EncoderModule, write_text_module

from sftkeras.backbones import Backbone
from sftkeras.backbones.tfhub.opaque import OpaqueEncoder, load
from sftkeras.errors import SFTError
from sftkeras.tasks import attach_head
from sftkeras.tasks.classification.task import Classification
from sftkeras.text import ModulePreprocessor, WordPiece
from sftkeras.text.tokenizers.sentence_piece import SentencePiece

Load = Callable[..., Backbone]

LENGTH = 16
TEXTS = ["the good film", "", "a bad bad plot of unheard-of words"]


def opaque(folder: Path, **settings: Any) -> Backbone:
    return load(folder, **{"max_length": LENGTH, "dropout": None, "preprocessor": None, **settings})


@pytest.fixture
def write(tmp_path: Path) -> Callable[[EncoderModule], Path]:
    return lambda module: module.write(tmp_path / "module")


def tokens(rows: int = 3, length: int = 9) -> dict[str, np.ndarray]:
    """Random tokens with ragged masks."""
    random = np.random.default_rng(2)
    mask = (np.arange(length) < random.integers(1, length + 1, (rows, 1))).astype(np.int32)
    ids = random.integers(5, 50, (rows, length)).astype(np.int32)
    return {"token_ids": ids * mask, "segment_ids": (ids % 2) * mask, "padding_mask": mask}


def module_outputs(folder: Path, module: EncoderModule, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """What the module itself gives: vectors of tokens, of texts."""
    length = inputs["token_ids"].shape[1]
    padded = {name: np.pad(it, [(0, 0), (0, (module.length or length) - length)]) for name, it in inputs.items()}
    names = {"input_word_ids": "token_ids", "input_mask": "padding_mask", "input_type_ids": "segment_ids"}
    given = {name: tf.constant(padded[ours]) for name, ours in names.items()}
    root = tf.saved_model.load(str(folder))
    if module.interface == "list":
        pooled, sequence = root(list(given.values()), training=False)
        return sequence[:, :length].numpy(), pooled.numpy()
    outputs = root(given, training=False)
    return outputs["sequence_output"][:, :length].numpy(), outputs["pooled_output"].numpy()


@pytest.mark.parametrize("kind", [*ENCODERS, *LOOK_ALIKES])
def test_it_answers_as_the_module_itself(kind: str, write: Callable[[EncoderModule], Path]) -> None:
    module = {**ENCODERS, **LOOK_ALIKES}[kind]
    folder = write(module)
    backbone = opaque(folder)
    inputs = tokens()
    sequence, pooled = module_outputs(folder, module, inputs)
    outputs = backbone.model(inputs)
    np.testing.assert_array_equal(outputs["sequence_output"], sequence)
    np.testing.assert_array_equal(outputs["pooled_output"], pooled)
    assert backbone.model.output["sequence_output"].shape == (None, None, module.hidden)
    assert isinstance(backbone.tokenizer, SentencePiece if module.shared else WordPiece)
    assert backbone.max_positions == (module.length or module.positions)
    assert len(backbone.model.trainable_variables) == len(module.draw())


@pytest.mark.parametrize("outputs", ["tensor", "dict"])
def test_a_module_of_texts_takes_texts(tmp_path: Path, outputs: Any) -> None:
    folder = write_text_module(tmp_path / "module", outputs=outputs)
    backbone = opaque(folder)
    assert backbone.tokenizer is None
    assert backbone.model.output.keys() == {"pooled_output"}
    expected = tf.saved_model.load(str(folder))(tf.constant(TEXTS))
    vectors = backbone.model({"text": tf.constant(TEXTS)})["pooled_output"]
    np.testing.assert_array_equal(vectors, expected["outputs"] if outputs == "dict" else expected)
    assert any("pooling" in note for note in backbone.notes)
    network = attach_head(backbone, Classification(("a", "b")), "mean")
    assert network({"text": tf.constant(TEXTS)}).shape == (3, 2)


@pytest.mark.parametrize("rows", [0, 1, 2, 5])
def test_a_module_of_two_rows_at_once_takes_any_number(tmp_path: Path, rows: int) -> None:
    root = tf.train.Checkpoint()
    root.weight = tf.Variable([[1.0, 2.0]], name="weight")
    root.variables = root.trainable_variables = [root.weight]
    lengths = lambda texts: tf.cast(tf.strings.length(texts), tf.float32)[:, tf.newaxis]  # noqa: E731
    root.__call__ = tf.function(
        lambda texts: tf.matmul(lengths(texts), root.weight), input_signature=[tf.TensorSpec([2], tf.string)]
    )
    tf.saved_model.save(root, str(tmp_path / "module"))
    encoder = opaque(tmp_path / "module").model
    texts = tf.constant(["x" * row for row in range(rows)], tf.string)
    with tf.GradientTape() as tape:
        vectors = tf.function(lambda: encoder({"text": texts})["pooled_output"])()
    np.testing.assert_allclose(vectors, [[row, 2.0 * row] for row in range(rows)] or np.empty((0, 2)))
    gradient = tape.gradient(vectors, encoder.variables[0].value)
    np.testing.assert_allclose(gradient, [[sum(range(rows))] * 2])


def test_weights_are_the_modules_variables(write: Callable[[EncoderModule], Path]) -> None:
    encoder = opaque(write(BERT)).model
    # All but `do_lower_case`, which no call reads.
    assert {variable.path for variable in encoder.variables} == set(BERT.draw())
    assert {variable.path.rpartition("/")[2] for variable in encoder.variables} == {it.name for it in encoder.variables}
    inputs = tokens()
    before = encoder(inputs)["pooled_output"]
    for variable in encoder.variables:
        variable.assign(variable * 0)
    assert not np.allclose(before, encoder(inputs)["pooled_output"])


def test_saved_weights_come_back(write: Callable[[EncoderModule], Path], tmp_path: Path) -> None:
    folder = write(BERT)
    task = Classification(("a", "b"))
    trained, fresh = (attach_head(opaque(folder), task, "cls") for _ in range(2))
    for variable in trained.variables:
        variable.assign(variable + 0.5)
    trained.save_weights(tmp_path / "best.weights.h5")
    fresh.load_weights(tmp_path / "best.weights.h5")
    np.testing.assert_array_equal(fresh(tokens()), trained(tokens()))


def test_dropout_follows_the_training_argument(write: Callable[[EncoderModule], Path]) -> None:
    backbone = opaque(write(EncoderModule(dropout=0.3)))
    inputs = tokens()
    still, training = (backbone.model(inputs, training=on)["pooled_output"] for on in (False, True))
    np.testing.assert_array_equal(still, backbone.model(inputs)["pooled_output"])
    assert not np.allclose(still, training)
    backbone.model.trainable = False
    np.testing.assert_array_equal(backbone.model(inputs, training=True)["pooled_output"], still)


def test_penalties_are_losses_in_training_alone(write: Callable[[EncoderModule], Path]) -> None:
    module = EncoderModule(regularised=True)
    encoder = opaque(write(module)).model
    encoder(tokens())
    assert encoder.losses == []
    for _ in range(2):  # they do not pile up
        encoder(tokens(), training=True)
    (loss,) = encoder.losses
    np.testing.assert_allclose(loss, 0.01 * np.square(module.draw()["word_embeddings/embeddings"]).sum(), rtol=1e-5)


def test_under_mixed_precision_it_computes_in_float32(write: Callable[[EncoderModule], Path]) -> None:
    folder = write(BERT)
    expected = opaque(folder).model(tokens())["sequence_output"]
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        backbone = opaque(folder)
        outputs = backbone.model(tokens())
    finally:
        keras.config.set_dtype_policy("float32")
    assert outputs["sequence_output"].dtype == tf.float32
    np.testing.assert_array_equal(outputs["sequence_output"], expected)
    assert any("mixed_bfloat16" in note for note in backbone.notes)


def write_half_frozen(folder: Path, *, listed: bool = True) -> Path:
    """Text length times a weight that is to be trained and one that is not."""
    root = tf.train.Checkpoint()
    root.free, root.frozen = tf.Variable([[1.0, 2.0]], name="free"), tf.Variable([3.0, 4.0], trainable=False, name="it")

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string)])
    def call(texts: tf.Tensor) -> tf.Tensor:
        lengths = tf.cast(tf.strings.length(texts), tf.float32)[:, tf.newaxis]
        return tf.matmul(lengths, root.free) * root.frozen

    root.__call__ = call
    if listed:
        root.variables, root.trainable_variables = [root.free, root.frozen], [root.free]
    tf.saved_model.save(root, str(folder))
    return folder


def test_what_the_module_does_not_train_stays(tmp_path: Path) -> None:
    encoder = opaque(write_half_frozen(tmp_path / "module")).model
    assert [variable.path for variable in encoder.trainable_variables] == ["free"]
    assert [variable.path for variable in encoder.non_trainable_variables] == ["it"]


def test_a_module_that_lists_nothing_trains_nothing_and_says_so(tmp_path: Path) -> None:
    backbone = opaque(write_half_frozen(tmp_path / "module", listed=False))
    assert backbone.model.trainable_variables == []
    assert len(backbone.model.variables) == 2
    assert any("only the head learns" in note for note in backbone.notes)


def test_settings_that_cannot_reach_it_are_named(write: Callable[[EncoderModule], Path]) -> None:
    notes = " ".join(opaque(write(EncoderModule(dropout=0.1)), dropout=0.2).notes)
    assert "--backbone.dropout" in notes
    assert "seed" in notes


def test_it_keeps_all_its_files(write: Callable[[EncoderModule], Path], preprocessor_folder: Path) -> None:
    backbone = opaque(write(BERT), preprocessor=preprocessor_folder)
    assert isinstance(backbone.tokenizer, ModulePreprocessor)
    assert backbone.format == "tfhub"
    expected = {"saved_model.pb", "assets/vocab.txt", "variables/variables.index"}
    assert expected <= set(backbone.files)
    assert {f"preprocessor/{name}" for name in expected} <= set(backbone.files)
    assert all(path.is_file() for path in backbone.files.values())


def without_vocabulary(folder: Path) -> Path:
    loaded = tf.saved_model.load(str(BERT.write(folder / "whole")))
    root = tf.train.Checkpoint(variables=loaded.variables, trainable_variables=loaded.trainable_variables)
    root.__call__ = loaded.__call__
    tf.saved_model.save(root, str(folder / "bare"))
    return folder / "bare"


def short(folder: Path) -> Path:
    """Its positions have a name that tells nothing."""
    module = EncoderModule(positions=12)
    variables = module.draw()
    renamed = {"position_embedding/embeddings": "places"}

    class Renamed(EncoderModule):
        def _name(self, name: str) -> str:
            return renamed.get(name, name)

    return Renamed(positions=12).write(folder / "short", variables)


def test_what_cannot_be_loaded_says_what_to_do(tmp_path: Path, preprocessor_folder: Path) -> None:
    text, companion = write_text_module(tmp_path / "text"), preprocessor_folder
    bert = BERT.write(tmp_path / "bert")
    for settings, message in [
        ({"folder": bert, "max_length": 65}, "SFT351 .* 64"),
        ({"folder": short(tmp_path)}, "SFT371 .*short.* 16 tokens"),
        ({"folder": without_vocabulary(tmp_path)}, "SFT372 .*--backbone.preprocessor"),
        ({"folder": text, "preprocessor": companion}, "SFT375 .*reads texts itself"),
        ({"folder": bert, "preprocessor": bert}, "SFT375 .*does not turn texts into tokens"),
        ({"folder": companion}, "SFT375 .*--backbone.handle"),
    ]:
        with pytest.raises(SFTError, match=message):
            opaque(**settings)


def test_dropout_without_a_seed_cannot_be_deterministic(
    write: Callable[[EncoderModule], Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sftkeras.backbones.tfhub.opaque.is_op_determinism_enabled", lambda: True)
    tf.random.set_seed(None)  # of an earlier test: it would give the module's operations a seed as they are written
    folder = write(EncoderModule(dropout=0.1))
    with pytest.raises(SFTError, match=r"SFT376 .*--training\.deterministic"):
        opaque(folder)


def test_the_layer_is_one_layer(write: Callable[[EncoderModule], Path]) -> None:
    layers = [layer for layer in opaque(write(BERT)).model.layers if not isinstance(layer, keras.layers.InputLayer)]
    assert [type(layer) for layer in layers] == [OpaqueEncoder]
