"""Virtual tokens: against a plain reference, against tokens of a text, and against PEFT, whose files go both ways."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import keras
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file
from test_adapter_files import outputs
from tiny_bert import write_tiny_bert
from tiny_decoders import TinyDecoder, batch
from tiny_folders import MODEL_TYPES, POSITIONS, Checkpoint, forward, ragged_inputs

import sftkeras.layers  # noqa: F401
from sftkeras.backbones import Backbone, load_backbone
from sftkeras.backbones.decoders.decoder import Decoder
from sftkeras.backbones.decoders.joined import JoinedDecoder
from sftkeras.backbones.hugging_face.adapter_files import CONFIG, WEIGHTS
from sftkeras.backbones.hugging_face.decoders.reading import load_decoder
from sftkeras.backbones.virtual_tokens import VirtualTokens, add_virtual_tokens, values_of_tokens, virtual_weights
from sftkeras.config import ExportConfig, TrainConfig, TuningConfig
from sftkeras.errors import SFTError
from sftkeras.tasks.classification.spec import ClassificationSettings
from sftkeras.tuning.needs import check_tuning
from sftkeras.tuning.virtual_tokens import begin_virtual_tokens, write_virtual_token_files

Kind = Literal["prompt", "prefix"]
HERE = Path(__file__).parent
TOKENS = 3
KINDS: tuple[Kind, ...] = ("prompt", "prefix")
FROM_PEFT = [f"{base}-{kind}" for base in ("bert", "llama", "gpt2", "gemma3", "qwen2-windows") for kind in KINDS]


def settings(method: str, max_length: int = POSITIONS - TOKENS, **tuning: Any) -> TrainConfig:
    config = TrainConfig(task=ClassificationSettings(), tuning=TuningConfig(method=method, **tuning))  # type: ignore[arg-type]
    return replace(config, backbone=replace(config.backbone, max_length=max_length))


def drawn(backbone: Backbone, kind: Kind) -> Backbone:
    """A backbone with virtual tokens of random values, large enough that each counts."""
    given = add_virtual_tokens(backbone, VirtualTokens(kind, TOKENS))
    draw = np.random.default_rng(4)
    for weight in virtual_weights(given):
        weight.assign(draw.normal(0, 0.7, tuple(weight.shape)))
    return given


def encoder_inputs(model_type: str = "bert") -> dict[str, np.ndarray]:
    return {name: array[:, : POSITIONS - TOKENS] for name, array in ragged_inputs(model_type).items()}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model_type", MODEL_TYPES)
def test_an_encoder_attends_to_virtual_tokens(model_type: str, kind: Kind, tmp_path: Path) -> None:
    """Against NumPy: positions also relative, segments, padding, and pooling by the first token of the text."""
    checkpoint = Checkpoint(model_type, layer_norm_eps=1e-12)
    backbone = drawn(load_backbone(checkpoint.write(tmp_path), max_length=4), kind)
    values = [weight.numpy() for weight in virtual_weights(backbone)]
    virtual: dict[str, Any] = {"prompt": values[0]} if kind == "prompt" else {"prefix": values * (2 // len(values))}
    rules: dict[str, Any] = {"hidden_act": checkpoint.activation, "epsilon": checkpoint.layer_norm_eps}
    inputs = encoder_inputs(model_type)
    tokens, pooled = forward(checkpoint.tensors(), inputs, model_type=model_type, **rules, **virtual)
    found = backbone.model(inputs, training=False)
    np.testing.assert_allclose(found["sequence_output"], tokens, atol=1e-5)
    if pooled is not None:
        np.testing.assert_allclose(found["pooled_output"], pooled, atol=1e-5)
    assert backbone.max_positions == POSITIONS - TOKENS


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("model_type", ["bert", "distilbert", "deberta-v2"])
def test_a_network_that_keras_saved_has_its_virtual_tokens(model_type: str, kind: Kind, tmp_path: Path) -> None:
    backbone = drawn(load_backbone(Checkpoint(model_type).write(tmp_path), max_length=4), kind)
    network = keras.Model(backbone.model.input, backbone.model.output["sequence_output"])
    network.save(tmp_path / "network.keras")
    inputs = encoder_inputs(model_type)
    again = keras.saving.load_model(tmp_path / "network.keras")(inputs)
    np.testing.assert_array_equal(again, network(inputs))


@pytest.fixture(params=["llama", "gpt2", "qwen2-windows", "gemma2"])
def plain(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Decoder, list[np.ndarray]]:
    """Decoders with shared keys, learned positions, windows, scaled vectors and bounded scores; and rows."""
    tiny = TinyDecoder(request.param)
    decoder = load_decoder(tiny.write(tmp_path / "decoder"), tiny.config, dropout=None, weights=True)
    return decoder, [row[:7] for row in tiny.rows]


def vectors(decoder: Decoder, inputs: dict[str, np.ndarray]) -> np.ndarray:
    return decoder({name: tf.constant(array) for name, array in inputs.items()})["sequence_output"].numpy()


@pytest.mark.parametrize("kind", KINDS)
def test_virtual_tokens_that_are_tokens_of_a_text_do_what_these_do(
    kind: Kind, plain: tuple[Decoder, list[np.ndarray]]
) -> None:
    """Whole sequences, packed ones, with a cache, as exported, and in pages."""
    decoder, rows = plain
    first = np.array([3, 7, 9], np.int32)
    whole = vectors(decoder, batch([np.concatenate([first, row]) for row in rows]))
    expected = np.concatenate([whole[number, TOKENS : TOKENS + len(row)] for number, row in enumerate(rows)])
    backbone = Backbone(decoder, None, 32, False, "hugging_face", {}, kind="decoder")
    values = values_of_tokens(backbone, kind, first)
    given = add_virtual_tokens(backbone, VirtualTokens(kind, TOKENS))
    for weight, value in zip(virtual_weights(given), values, strict=True):
        weight.assign(value)

    def assert_equal(found: np.ndarray) -> None:
        np.testing.assert_allclose(found, expected, rtol=0, atol=2e-5 * expected.std())

    inputs = batch(rows)
    apart = vectors(given.model, inputs)
    assert_equal(np.concatenate([apart[number, : len(row)] for number, row in enumerate(rows)]))
    lengths = [len(row) for row in rows]
    positions = np.concatenate([np.arange(length) for length in lengths]).astype(np.int32)
    packed = {
        "token_ids": np.concatenate(rows)[np.newaxis],
        "positions": positions[np.newaxis],
        "segments": np.repeat([1, 2, 3], lengths).astype(np.int32)[np.newaxis],
    }
    assert_equal(vectors(given.model, packed)[0])

    # All but the last token of each row at once, then that.
    begun = batch([row[:-1] for row in rows])
    found, cache = given.model.start(**{name: tf.constant(array) for name, array in begun.items()}, cache_length=8)
    last, _ = given.model.step(
        tf.constant([row[-1] for row in rows]), tf.constant([length - 1 for length in lengths]), cache
    )
    parts = [[found.numpy()[row, : length - 1], last.numpy()[row : row + 1]] for row, length in enumerate(lengths)]
    assert_equal(np.concatenate([part for both in parts for part in both]))

    joined = JoinedDecoder(given.model)
    assert joined.positions == decoder.config.max_positions - TOKENS
    columns = np.minimum(np.arange(max(lengths)), np.array(lengths)[:, np.newaxis] - 1).astype(np.int32)
    ids = tf.constant(np.take_along_axis(inputs["token_ids"], columns, 1))
    read, _ = joined.read(ids, tf.constant(columns), joined.empty_cache(tf.constant(3), tf.constant(7)))
    assert_equal(np.concatenate([read.numpy()[row, :length] for row, length in enumerate(lengths)]))
    pages = tf.zeros([7 if size is None else size for size in joined.pages_shape(4)])
    read = joined.read_pages(ids, tf.constant(columns), tf.constant([[3, 1], [5, 2], [4, 6]]), pages)
    assert_equal(np.concatenate([read.numpy()[row, :length] for row, length in enumerate(lengths)]))


# --- PEFT's files ---


def base_of(name: str, folder: Path) -> Backbone:
    base = name.rpartition("-")[0]
    if base == "bert":
        return load_backbone(_with_vocabulary(HERE / "from_transformers" / base, folder), max_length=4)
    tiny = TinyDecoder(base)
    decoder = load_decoder(tiny.write(folder), tiny.config, dropout=None, weights=True)
    return Backbone(decoder, None, 32, False, "hugging_face", {}, kind="decoder")


def _with_vocabulary(weights: Path, folder: Path) -> Path:
    shutil.copytree(weights, folder, dirs_exist_ok=True)
    rows = json.loads((folder / "config.json").read_text())["vocab_size"]
    special = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    (folder / "vocab.txt").write_text("\n".join([*special, *(f"word{number}" for number in range(rows - 5))]) + "\n")
    return folder


@pytest.mark.parametrize("name", FROM_PEFT)
def test_outputs_are_those_of_peft_and_what_is_written_is_what_was_read(name: str, tmp_path: Path) -> None:
    folder, written, kind = HERE / "adapters_from_peft" / name, tmp_path / "adapter", name.rpartition("-")[2]
    expected = np.load(folder / "outputs.npz")
    model = begin_virtual_tokens(base_of(name, tmp_path / "base"), settings(kind, adapter=str(folder)))
    difference = np.abs(outputs(model, expected["token_ids"]) - expected["outputs"]).max()
    assert difference < 1e-4 * np.abs(expected["outputs"]).max()
    assert write_virtual_token_files(written, model, f"hf://{name}")
    theirs, ours = (json.loads((each / CONFIG).read_text()) for each in (folder, written))
    assert ours.items() <= theirs.items()
    assert (load_file(written / WEIGHTS)["prompt_embeddings"] == load_file(folder / WEIGHTS)["prompt_embeddings"]).all()


def test_what_peft_cannot_hold_is_not_written(tmp_path: Path) -> None:
    for number, (model_type, kind) in enumerate(
        (("distilbert", "prefix"), ("deberta-v2", "prefix"), ("albert", "prompt"))
    ):
        folder = Checkpoint(model_type).write(tmp_path / str(number))
        model = drawn(load_backbone(folder, max_length=4), kind)  # type: ignore[arg-type]
        assert not write_virtual_token_files(tmp_path / "adapter", model, "base")
    assert not (tmp_path / "adapter").exists()


@pytest.mark.parametrize(
    ("name", "method", "problem"),
    [
        ("bert-prompt", "prefix", "is of the kind PROMPT_TUNING.* Set --tuning.method prompt"),
        ("bert", "prompt", "is of the kind LORA.* Set --tuning.method lora"),
        ("llama-prefix", "prefix", "have 32 numbers each, and those of this backbone 64"),
    ],
)
def test_an_adapter_that_does_not_fit_is_refused(name: str, method: str, problem: str, tmp_path: Path) -> None:
    config = settings(method, adapter=str(HERE / "adapters_from_peft" / name))

    def begin() -> None:
        check_tuning(config)
        begin_virtual_tokens(base_of("bert-", tmp_path), config)

    with pytest.raises(SFTError) as raised:
        begin()
    assert raised.value.code == "SFT486"
    assert re.search(problem, str(raised.value))


# --- how they begin ---


@pytest.fixture
def bert(tmp_path: Path) -> Backbone:
    return load_backbone(write_tiny_bert(tmp_path / "bert"), max_length=16)


def test_a_prompt_begins_as_a_text_again_and_again(bert: Backbone) -> None:
    table = bert.token_embedding.embeddings.numpy()  # type: ignore[union-attr]
    numbers = bert.tokenizer(tf.constant(["good film"])).flat_values.numpy()  # type: ignore[operator, misc]
    config = settings("prompt", 16, virtual_tokens=5, init_text="good film")
    (vectors,) = virtual_weights(begin_virtual_tokens(bert, config))
    np.testing.assert_array_equal(vectors, table[np.resize(numbers, 5)])


def test_a_prompt_begins_as_tokens_that_are_not_special(bert: Backbone) -> None:
    table = bert.token_embedding.embeddings.numpy()  # type: ignore[union-attr]
    pieces = bert.tokenizer.pieces(np.arange(len(table)))  # type: ignore[union-attr]
    (vectors,) = virtual_weights(begin_virtual_tokens(bert, settings("prompt", 16, virtual_tokens=40)))
    found = [int(np.flatnonzero((table == vector).all(1))[0]) for vector in vectors.numpy()]
    assert not {pieces[number] for number in found} & {"[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"}
    assert len(set(found)) > 5


@pytest.mark.parametrize("kind", KINDS)
def test_random_numbers_depend_on_the_seed_alone(kind: Kind, tmp_path: Path) -> None:
    folder, found = write_tiny_bert(tmp_path / "bert"), []
    for seed in (1, 1, 2):
        config = replace(settings(kind, 16, virtual_tokens=4, init="random"), seed=seed)
        found.append(virtual_weights(begin_virtual_tokens(load_backbone(folder, max_length=16), config))[0].numpy())
    np.testing.assert_array_equal(found[0], found[1])
    assert np.abs(found[0] - found[2]).max() > 1e-3


@pytest.mark.parametrize(
    ("tuning", "code"),
    [
        ({"virtual_tokens": 49}, "SFT491"),
        ({"init_text": " "}, "SFT492"),
    ],
)
def test_what_a_backbone_cannot_begin_with_is_refused(tuning: dict[str, Any], code: str, bert: Backbone) -> None:
    with pytest.raises(SFTError) as raised:
        begin_virtual_tokens(bert, settings("prefix", 16, **tuning))
    assert raised.value.code == code


@pytest.mark.parametrize(
    ("tuning", "code"),
    [
        ({"method": "prompt", "layer_decay": 0.9}, "SFT483"),
        ({"method": "prefix", "init": "random", "init_text": "good"}, "SFT483"),
        ({"method": "prefix", "adapter": "here", "virtual_tokens": 4}, "SFT486"),
    ],
)
def test_contradictions_are_refused_before_anything_is_loaded(tuning: dict[str, Any], code: str) -> None:
    with pytest.raises(SFTError) as raised:
        check_tuning(settings(**tuning))
    assert raised.value.code == code


def test_transformers_cannot_be_asked_for_what_its_folders_cannot_hold() -> None:
    with pytest.raises(SFTError, match="SFT493"):
        check_tuning(replace(settings("prefix"), export=ExportConfig(transformers="python")))
