"""KerasHub presets of decoders: the same outputs and tokens, or a refusal by what is not known."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import h5py
import kagglehub
import keras
import numpy as np
import pytest
import tensorflow as tf
import tiny_presets as tiny
from hostile_texts import hostile_texts
from safetensors.numpy import load_file
from tiny_decoder_tokenizers import tiny_tokenizer
from tiny_decoders import batch

from sftkeras.backbones import Backbone, load_backbone
from sftkeras.backbones.converted import write_tensors
from sftkeras.backbones.fetching import fetch_backbone
from sftkeras.backbones.hugging_face.decoders.reading import load_decoder, notes
from sftkeras.backbones.keras_hub_decoders.conversion import write_folder
from sftkeras.backbones.keras_hub_decoders.families import family_of, read_config, read_tensors
from sftkeras.backbones.keras_hub_decoders.preset import Preset
from sftkeras.errors import SFTError
from sftkeras.text import MarkedTokenizer, Tokenizer
from sftkeras.text.marks import ordinary, special

ROWS = [np.random.default_rng(3).integers(0, tiny.TOKENS, length) for length in (15, 9)]
WEIGHTS = "model.weights.h5"


def network_folder(preset: Path, folder: Path) -> tuple[Path, dict[str, Any]]:
    """The folder of a network alone, and its config."""
    read = Preset.read(preset)
    family = family_of(read)
    folder.mkdir()
    write_tensors(read_tensors(family, read), folder)
    return folder, read_config(family, read)


def written(preset: Path, folder: Path) -> Path:
    folder.mkdir()
    write_folder(preset, folder)
    return folder


def check_equal(theirs: Any, folder: Path, config: dict[str, Any]) -> None:
    """Outputs and logits are KerasHub's own, for rows of unequal length."""
    ours, inputs = load_decoder(folder, config, dropout=None, weights=True), batch(ROWS)
    is_token = inputs["segments"] > 0
    expected = theirs({"token_ids": inputs["token_ids"], "padding_mask": inputs["segments"]})
    found = ours(inputs)["sequence_output"]
    logits = ours.logits(found), theirs.token_embedding(expected, reverse=True)
    for mine, its in ((found, expected), logits):
        mine, its = (keras.ops.convert_to_numpy(it)[is_token] for it in (mine, its))
        np.testing.assert_allclose(mine, its, rtol=0, atol=3e-5 * its.std())


@pytest.mark.parametrize("name", tiny.NETWORKS)
def test_a_network_computes_what_keras_hub_computes(name: str, tmp_path: Path) -> None:
    theirs = tiny.network(name)
    theirs.save_to_preset(str(tmp_path / "preset"))
    folder, config = network_folder(tmp_path / "preset", tmp_path / "folder")
    check_equal(theirs, folder, config)
    assert notes(config) == ()


def test_weights_in_several_files_and_of_half_precision_are_read(tmp_path: Path) -> None:
    """As the large presets are stored."""
    theirs = tiny.network("llama3", dtype="bfloat16")
    theirs.save_to_preset(str(tmp_path / "preset"))
    (tmp_path / "preset" / WEIGHTS).unlink()
    theirs.save_weights(str(tmp_path / "preset" / "model.weights.json"), max_shard_size=3e-6)
    assert len([*(tmp_path / "preset").glob("model_*.weights.h5")]) > 1
    folder, config = network_folder(tmp_path / "preset", tmp_path / "folder")
    assert str(load_file(folder / "model.safetensors")["model.norm.weight"].dtype) == "bfloat16"
    whole = tiny.network("llama3")
    for mine, its in zip(whole.weights, theirs.weights, strict=True):
        mine.assign(keras.ops.cast(its, "float32"))
    check_equal(whole, folder, config)


# Tokenizers.


def tokens_of(tokenizer: Tokenizer, texts: list[str]) -> list[list[int]]:
    return MarkedTokenizer(tokenizer)(tf.constant([ordinary(text) for text in texts]))[0].to_list()


@pytest.fixture(scope="module")
def presets(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], tuple[Path, Backbone]]:
    """Gives the folder of a preset, and the backbone that is made of it."""
    root, made = tmp_path_factory.mktemp("presets"), {}

    def get(name: str) -> tuple[Path, Backbone]:
        if name not in made:
            preset = tiny.write_preset(root / name, name)
            made[name] = preset, load_backbone(written(preset, root / f"{name}-written"), max_length=8)
        return made[name]

    return get


Presets = Callable[[str], tuple[Path, Backbone]]


def test_pieces_are_those_of_keras_hub(presets: Presets) -> None:
    _, backbone = presets("llama")
    texts = hostile_texts(500)
    assert isinstance(backbone.tokenizer, Tokenizer)
    assert tokens_of(backbone.tokenizer, texts) == [list(it) for it in tiny.TOKENIZERS["llama"]()(texts)]
    numbers = {it: backbone.tokenizer.special[it] for it in ("<s>", "</s>")}
    assert backbone.tokenizer.decoder is not None
    assert (backbone.tokenizer.decoder.begin_id, backbone.tokenizer.end_ids) == (numbers["<s>"], (numbers["</s>"],))


@pytest.mark.parametrize("name", ["gpt2", "qwen"])
def test_bytes_are_merged_as_the_family_does(name: str, presets: Presets) -> None:
    """By its own pattern for every text, and as KerasHub where its pattern for all families makes no difference."""
    tokenizer = presets(name)[1].tokenizer
    assert isinstance(tokenizer, Tokenizer)
    texts = hostile_texts(500)
    family = tiny_tokenizer(name)
    expected = [it.ids for it in family.encode_batch(texts, add_special_tokens=False)]
    assert tokens_of(tokenizer, texts) == expected
    plain = ["the good film has a plot", "great cast, lovely scenes", "日本語 👍"]
    assert tokens_of(tokenizer, plain) == [list(it) for it in tiny.TOKENIZERS[name]()(plain)]


def test_special_tokens_come_from_marks_alone(presets: Presets) -> None:
    tokenizer = presets("qwen")[1].tokenizer
    assert isinstance(tokenizer, Tokenizer)
    number = tokenizer.special["<|im_end|>"]
    assert number in tokenizer.end_ids
    tokens = MarkedTokenizer(tokenizer)(tf.constant([f"a{special('<|im_end|>')}", "a<|im_end|>"]))[0].to_list()
    assert tokens[0][-1] == number
    assert number not in tokens[1]
    # What no user's text can be mistaken for, and is not written between bars, is found in texts.
    assert tokens_of(tokenizer, ["<think>"]) == [[tokenizer.special["<think>"]]]


# Handles.


def test_a_preset_s_name_leads_to_a_decoder(presets: Presets, monkeypatch: pytest.MonkeyPatch) -> None:
    """Written once; a run then keeps files of Hugging Face."""
    preset, _ = presets("gpt2")
    monkeypatch.setattr(kagglehub, "model_download", lambda model: str(preset))
    folder = fetch_backbone("gpt2_base_en", None, max_length=16, task="causal_lm", wanted="decoder").encoder
    assert fetch_backbone(str(preset), None, max_length=16).encoder == folder
    backbone = load_backbone(folder, max_length=16)
    assert (backbone.kind, backbone.format, backbone.weights, backbone.max_positions) == (
        *("decoder", "hugging_face", folder),
        32,
    )
    assert {"config.json", "tokenizer.json", "tokenizer_config.json", "generation_config.json"} <= {*backbone.files}
    with pytest.raises(SFTError, match="SFT396"):
        fetch_backbone(str(preset), None, max_length=16, task="classification")


# Refusals.


def save(folder: Path, name: str) -> Path:
    tiny.network(name).save_to_preset(str(folder))
    return folder


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save(tmp_path_factory.mktemp("saved") / "gemma3", "gemma3")


def changed(preset: Path, folder: Path, **settings: object) -> Path:
    """A copy of a preset whose config says something else."""
    folder.mkdir()
    (folder / WEIGHTS).symlink_to(preset / WEIGHTS)
    content = json.loads((preset / "config.json").read_text())
    kind = settings.pop("class_name", content["class_name"])
    config = {**content["config"], **settings}
    (folder / "config.json").write_text(json.dumps({"class_name": kind, "config": config}), encoding="utf-8")
    return folder


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"class_name": "BloomBackbone"}, "SFT355.*BloomBackbone.*Llama3Backbone"),
        ({"vision_encoder": {"class_name": "Gemma3VisionEncoder"}}, "SFT355.*vision_encoder"),
        ({"use_bidirectional_attention": True}, "SFT355.*use_bidirectional_attention"),
        ({"layer_norm_epsilon": 1e-5}, "SFT355.*layer_norm_epsilon.*1e-06"),
        ({"a_setting_of_tomorrow": 2}, "SFT355.*a_setting_of_tomorrow"),
        ({"hidden_dim": "many"}, "SFT354.*hidden_dim"),
        ({"num_layers": 7}, "SFT357.*gemma3_decoder_block_6"),
        ({"num_layers": 5}, "SFT355.*gemma3_decoder_block_5"),
    ],
)
def test_what_is_not_computed_is_refused_by_its_name(
    settings: dict[str, object], code: str, saved: Path, tmp_path: Path
) -> None:
    with pytest.raises(SFTError, match=code):
        network_folder(changed(saved, tmp_path / "preset", **settings), tmp_path / "folder")


def integers(file: h5py.File, name: str) -> None:
    values = np.ones(file[name].shape, np.int8)
    del file[name]
    file[name] = values


def another_file(file: h5py.File, name: str) -> None:
    shape = file[name].shape
    del file[name]
    external = [(str(Path(file.filename).with_name("secret")), 0, h5py.h5f.UNLIMITED)]
    file.create_dataset(name, shape, "float32", external=external)


def a_link(file: h5py.File, name: str) -> None:
    del file[name]
    file[name] = h5py.ExternalLink("secret.h5", name)


@pytest.mark.parametrize(
    ("change", "code"), [(integers, "SFT355.*int8"), (another_file, "SFT354.*another file"), (a_link, "SFT357")]
)
def test_weights_are_those_of_the_file_itself(
    change: Callable[[h5py.File, str], None], code: str, tmp_path: Path
) -> None:
    preset = save(tmp_path / "preset", "llama")
    with h5py.File(preset / WEIGHTS, "a") as file:
        change(file, "layers/llama_layer_norm/vars/0")
    with pytest.raises(SFTError, match=code):
        network_folder(preset, tmp_path / "folder")


def test_damaged_files_are_refused(presets: Presets, saved: Path, tmp_path: Path) -> None:
    preset = changed(saved, tmp_path / "preset")
    with pytest.raises(SFTError, match=r"SFT354.*tokenizer\.json"):
        written(preset, tmp_path / "no-tokenizer")
    (preset / WEIGHTS).unlink()
    (preset / WEIGHTS).write_bytes(b"no HDF5")
    with pytest.raises(SFTError, match=r"SFT354.*model\.weights\.h5"):
        network_folder(preset, tmp_path / "folder")
    (preset / WEIGHTS).unlink()
    (preset / "model.weights.json").write_text(json.dumps({"weight_map": {"/layers/a/vars": "../a.h5"}}))
    with pytest.raises(SFTError, match=r"SFT354.*\.\./a\.h5"):
        network_folder(preset, tmp_path / "again")
    (preset / "config.json").write_text("[]")
    with pytest.raises(SFTError, match=r"SFT354.*config\.json"):
        Preset.read(preset)
    named = json.loads((presets("llama")[0] / "tokenizer.json").read_text())
    for file, content in (("tokenizer.json", json.dumps(named | {"class_name": "T5Tokenizer"})), ("config.json", "")):
        (preset / file).write_text(content or json.dumps({"class_name": "LlamaBackbone", "config": {}}))
    with pytest.raises(SFTError, match=r"SFT355.*T5Tokenizer"):
        written(preset, tmp_path / "other-tokenizer")
