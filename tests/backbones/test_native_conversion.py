"""A module that is rebuilt equals itself; one that cannot be is refused, or trained as it is, and says why."""

from __future__ import annotations

import json
import random
import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from hub_modules import BERT, ENCODERS, LOOK_ALIKES, EncoderModule, write_preprocessor, write_text_module

from sftkeras.backbones import Backbone, choose_mode, load_backbone
from sftkeras.backbones.tfhub import native
from sftkeras.backbones.tfhub.native import convert, measured_difference
from sftkeras.errors import SFTError
from sftkeras.text import ModulePreprocessor

Inputs = dict[str, np.ndarray]

LENGTH = 24
KINDS = {
    "BERT": keras_hub.models.BertBackbone,
    "ELECTRA": keras_hub.models.ElectraBackbone,
    "ALBERT": keras_hub.models.AlbertBackbone,
}
CLOSE = 1e-5  # float32 in another order of operations


@dataclass(frozen=True)
class Rebuilt:
    """A module that was loaded natively."""

    case: str
    encoder: EncoderModule
    folder: Path
    backbone: Backbone


@pytest.fixture(scope="module", params=ENCODERS)
def rebuilt(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Rebuilt:
    encoder = ENCODERS[request.param]
    folder = encoder.write(tmp_path_factory.mktemp("module") / "encoder")
    return Rebuilt(request.param, encoder, folder, load_backbone(folder, max_length=LENGTH, mode="native"))


@pytest.fixture(scope="module")
def bert(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A plain module. Copy it before changing it."""
    return BERT.write(tmp_path_factory.mktemp("bert") / "module")


@pytest.fixture(scope="module")
def preprocessor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A preprocessor whose vocabulary is larger than that of `bert`."""
    folder = tmp_path_factory.mktemp("preprocessor") / "module"
    return write_preprocessor(folder, vocabulary=[*BERT.vocabulary, "more", "words"])


@pytest.fixture
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("SFTKERAS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def ragged_inputs(rows: int = 6) -> Inputs:
    """Random pairs of texts of unequal length, the shortest one token long; other tokens than the conversion draws."""
    draw = np.random.default_rng(21)
    mask = (np.arange(LENGTH) < np.linspace(1, LENGTH, rows).astype(int)[:, np.newaxis]).astype(np.int32)
    return {
        "token_ids": draw.integers(1, 48, mask.shape).astype(np.int32),
        "segment_ids": draw.integers(0, 2, mask.shape).astype(np.int32) * mask,
        "padding_mask": mask,
    }


def keep(backbone: Backbone, folder: Path) -> Path:
    """Copies what a run keeps of its backbone."""
    for name, path in backbone.files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(path, folder / name)
    return folder


def module_outputs(
    folder: Path, encoder: EncoderModule, inputs: dict[str, np.ndarray]
) -> tuple[np.ndarray, np.ndarray]:
    """What the module itself gives: vectors of tokens, of texts."""
    ids, types, mask = (tf.constant(tensor) for tensor in inputs.values())
    root = tf.saved_model.load(str(folder))
    if encoder.interface == "list":
        pooled, tokens = root([ids, mask, types])
        return tokens.numpy(), pooled.numpy()
    outputs = root({"input_word_ids": ids, "input_mask": mask, "input_type_ids": types})
    return outputs["sequence_output"].numpy(), outputs["pooled_output"].numpy()


def test_a_rebuilt_encoder_equals_its_module(rebuilt: Rebuilt) -> None:
    inputs, backbone = ragged_inputs(), rebuilt.backbone
    tokens, pooled = module_outputs(rebuilt.folder, rebuilt.encoder, inputs)
    outputs = backbone.model(inputs, training=False)
    kept = inputs["padding_mask"][:, :, np.newaxis] == 1
    assert np.abs(outputs["sequence_output"] - tokens).max(where=kept, initial=0) < CLOSE
    assert np.abs(outputs["pooled_output"] - pooled).max() < CLOSE
    assert isinstance(backbone.model, KINDS[rebuilt.case.partition(",")[0]])
    assert backbone.has_pooler
    assert backbone.max_positions == rebuilt.encoder.positions
    assert backbone.format == "hugging_face"


def test_the_note_tells_the_difference_that_was_measured(rebuilt: Rebuilt) -> None:
    (note,) = rebuilt.backbone.notes
    assert "native" in note
    told = float(re.search(r"(\d\.\de[-+]\d+)$", note)[1])  # type: ignore[index]
    assert told == pytest.approx(measured_difference(convert(rebuilt.folder)), rel=0.05)
    assert told < CLOSE


CONFIG = {
    "BERT, flat kernels": {"num_attention_heads": 4},
    "BERT, exact gelu": {"hidden_act": "gelu"},
    "BERT, relu": {"hidden_act": "relu"},
    "BERT, large epsilon": {"layer_norm_eps": 1e-5},
    "BERT": {"hidden_act": "gelu_new", "hidden_dropout_prob": 0.0, "attention_probs_dropout_prob": 0.0},
    "BERT, list interface": {"hidden_dropout_prob": 0.3, "attention_probs_dropout_prob": 0.3},
    "ELECTRA": {"model_type": "electra", "embedding_size": 8},
    "ALBERT": {"model_type": "albert", "embedding_size": 8, "num_hidden_layers": 3},
    "ALBERT, older names": {"model_type": "albert", "num_hidden_layers": 3},
}


def test_what_the_variables_do_not_tell_is_found_out(rebuilt: Rebuilt) -> None:
    config = json.loads((convert(rebuilt.folder) / "config.json").read_text())
    assert CONFIG.get(rebuilt.case, {}).items() <= config.items()


@pytest.mark.parametrize("case", LOOK_ALIKES)
def test_an_encoder_that_computes_something_else_is_trained_as_it_is(case: str, tmp_path: Path) -> None:
    backbone = load_backbone(LOOK_ALIKES[case].write(tmp_path / "module"), max_length=8)
    assert backbone.format == "tfhub"
    assert re.search(r"\(opaque\): it differs by \d\.\de[-+]\d+", backbone.notes[0])


def test_what_cannot_be_rebuilt_is_refused_where_native_is_asked_for(tmp_path: Path, own_cache: Path) -> None:
    folder = LOOK_ALIKES["talking heads"].write(tmp_path / "module")
    with pytest.raises(SFTError, match=r"SFT366.*differs by \d\.\de[-+]\d+.*--backbone.mode opaque"):
        load_backbone(folder, max_length=8, mode="native")
    assert not [path for path in (own_cache / "converted").iterdir() if not path.name.endswith(".lock")]


def test_a_module_of_texts_is_trained_as_it_is(tmp_path: Path) -> None:
    choice = choose_mode(write_text_module(tmp_path / "module"), "auto")
    assert choice.mode == "opaque"
    assert "reads texts" in choice.notes[0]


def test_a_module_keeps_its_regularization_losses(tmp_path: Path) -> None:
    choice = choose_mode(EncoderModule(regularised=True).write(tmp_path / "module"), "auto")
    assert choice.mode == "opaque"
    assert "regularization losses" in choice.notes[0]


def test_the_mode_that_is_asked_for_is_taken(bert: Path) -> None:
    assert choose_mode(bert, "opaque").folder == bert
    assert [choose_mode(bert, mode).mode for mode in ("auto", "native", "opaque")] == ["native", "native", "opaque"]


def test_opaque_is_for_modules_alone(tiny_bert_folder: Path) -> None:
    assert choose_mode(tiny_bert_folder, "native").folder == tiny_bert_folder
    with pytest.raises(SFTError, match="SFT369"):
        choose_mode(tiny_bert_folder, "opaque")


def test_a_preprocessor_is_no_encoder(preprocessor: Path) -> None:
    with pytest.raises(SFTError, match="SFT375"):
        load_backbone(preprocessor, max_length=8)


def test_values_that_are_not_finite_are_refused_in_every_mode(tmp_path: Path) -> None:
    weights = BERT.draw()
    weights["transformer/layer_1/output/kernel"][3, 4] = np.nan
    folder = BERT.write(tmp_path / "module", weights)
    with pytest.raises(SFTError, match=r"SFT359.*transformer/layer_1/output/kernel"):
        load_backbone(folder, max_length=8)


def test_a_module_is_converted_once_wherever_it_is(bert: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    converted = convert(bert)
    monkeypatch.setattr(native, "_convert_into", lambda *_: pytest.fail("converted again"))
    assert convert(bert) == converted
    assert convert(shutil.copytree(bert, tmp_path / "copy")) == converted


def test_other_weights_are_another_conversion(bert: Path, tmp_path: Path) -> None:
    assert convert(bert) != convert(BERT.write(tmp_path / "other", BERT.draw(seed=8)))


@pytest.mark.usefixtures("own_cache")
def test_a_damaged_conversion_is_made_again(bert: Path) -> None:
    weights = convert(bert) / "model.safetensors"
    whole = weights.read_bytes()
    weights.write_bytes(whole[:-100])
    assert convert(bert) == weights.parent
    assert weights.read_bytes() == whole


@pytest.mark.usefixtures("own_cache")
def test_a_conversion_leaves_randomness_and_precision_as_they_were(bert: Path) -> None:
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        keras.utils.set_random_seed(3)
        expected = random.random(), np.random.random()
        keras.utils.set_random_seed(3)
        converted = convert(bert)
        assert (random.random(), np.random.random()) == expected
        assert keras.config.dtype_policy().name == "mixed_bfloat16"
    finally:
        keras.config.set_dtype_policy("float32")
    assert measured_difference(converted) < CLOSE


def test_a_run_builds_the_encoder_again_without_the_module(tmp_path: Path, own_cache: Path) -> None:
    folder = ENCODERS["ALBERT"].write(tmp_path / "module")
    backbone: Backbone = load_backbone(folder, max_length=LENGTH)
    kept = keep(backbone, tmp_path / "run")
    shutil.rmtree(folder)
    shutil.rmtree(own_cache)
    again = load_backbone(kept, max_length=LENGTH, without_weights=backbone.format)
    again.model.set_weights(backbone.model.get_weights())
    expected = backbone.model(ragged_inputs(), training=False)["sequence_output"]
    np.testing.assert_array_equal(again.model(ragged_inputs(), training=False)["sequence_output"], expected)
    assert again.tokenizer.fingerprint == backbone.tokenizer.fingerprint  # type: ignore[union-attr]


def test_a_given_preprocessor_tokenises_for_a_rebuilt_encoder(preprocessor: Path, tmp_path: Path) -> None:
    folder = EncoderModule(vocabulary=[*BERT.vocabulary, "more", "words"]).write(tmp_path / "module")
    backbone = load_backbone(folder, max_length=LENGTH, preprocessor=preprocessor)
    assert isinstance(backbone.tokenizer, ModulePreprocessor)
    assert "rebuilt (native)" in backbone.notes[0]
    again = load_backbone(keep(backbone, tmp_path / "run"), max_length=LENGTH, without_weights=backbone.format)
    assert isinstance(again.tokenizer, ModulePreprocessor)
    assert again.tokenizer.fingerprint == backbone.tokenizer.fingerprint


def test_a_preprocessor_of_another_vocabulary_is_refused(bert: Path, preprocessor: Path) -> None:
    with pytest.raises(SFTError, match="SFT353"):
        load_backbone(bert, max_length=LENGTH, preprocessor=preprocessor)
