"""Folders of decoders: configs of transformers 4, what is refused by name, and folders that are written again."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from safetensors.numpy import load_file, save_file
from tiny_decoders import NAMES, TinyDecoder, batch, draw

from sftkeras.backbones import Backbone
from sftkeras.backbones.decoders.config import DecoderConfig
from sftkeras.backbones.hugging_face import write_decoder
from sftkeras.backbones.hugging_face.decoders.reading import describe, kept_files, load_decoder, notes
from sftkeras.errors import SFTError

HERE = Path("folder")
STRETCHED = {"factor": 4.0, "original_max_position_embeddings": 16}
LLAMA3 = {**STRETCHED, "low_freq_factor": 1.0, "high_freq_factor": 4.0}


def described(config: dict[str, Any]) -> DecoderConfig:
    return describe(config, HERE)[1]


def older(config: dict[str, Any], left_out: tuple[str, ...] = (), **keys: Any) -> dict[str, Any]:
    """A config as transformers 4 wrote it: other keys for rotary positions."""
    gone = ("rope_parameters", *left_out)
    return {**{key: value for key, value in config.items() if key not in gone}, **keys}


# The keys that a config of transformers 4 has in place of rope_parameters, and those that it lacks.
OLDER: dict[str, tuple[dict[str, Any], tuple[str, ...]]] = {
    "llama": ({"rope_theta": 10000.0, "rope_scaling": None}, ("head_dim", "mlp_bias", "attention_bias")),
    "llama-3.1": ({"rope_theta": 100.0, "rope_scaling": {**LLAMA3, "rope_type": "llama3"}}, ()),
    "llama-linear": ({"rope_theta": 100.0, "rope_scaling": {"type": "linear", "factor": 4.0}}, ()),
    "llama-dynamic": ({"rope_theta": 100.0, "rope_scaling": {"type": "dynamic", "factor": 4.0}}, ()),
    "llama-yarn": ({"rope_theta": 100.0, "rope_scaling": {**STRETCHED, "type": "yarn"}}, ()),
    "smollm3": ({"rope_theta": 2000000.0}, ("layer_types",)),
    "smollm3-windows": ({"rope_theta": 2000000.0}, ("layer_types",)),
    "qwen2": ({"rope_theta": 10000.0, "sliding_window": 4}, ("layer_types",)),
    "qwen2-windows": ({"rope_theta": 10000.0}, ("layer_types",)),
    "qwen3": ({"rope_theta": 10000.0}, ("layer_types",)),
    "mistral": ({"rope_theta": 10000.0}, ()),
    "gemma": ({"rope_theta": 10000.0, "hidden_act": "gelu", "hidden_activation": None}, ("tie_word_embeddings",)),
    "gemma2": ({"rope_theta": 10000.0}, ("layer_types", "tie_word_embeddings")),
    "gemma3": (
        {"rope_theta": 1000000.0, "rope_local_base_freq": 10000.0, "sliding_window_pattern": 2, "rope_scaling": None},
        ("layer_types", "_sliding_window_pattern", "tie_word_embeddings"),
    ),
    "phi3": ({"rope_theta": 10000.0, "rope_scaling": None}, ()),
    "phi3-long": (
        {"rope_theta": 100.0, "rope_scaling": {"type": "su", "short_factor": [1.0, 1.5], "long_factor": [2.0, 3.0]}},
        (),
    ),
}


@pytest.mark.parametrize("name", OLDER)
def test_configs_of_transformers_4_say_the_same(name: str) -> None:
    config = TinyDecoder(name).config
    keys, left_out = OLDER[name]
    assert described(older(config, left_out, **keys)) == described(config)


def test_no_setting_of_the_families_goes_unnoticed() -> None:
    """A config as transformers writes it has no key that is unknown; one that is new is told to the user."""
    assert {name: notes(TinyDecoder(name).config) for name in NAMES if notes(TinyDecoder(name).config)} == {}
    (note,) = notes({**TinyDecoder("llama").config, "attention_sinks": 4, "other": None})
    assert "attention_sinks" in note
    assert "other" not in note


REFUSED: dict[str, tuple[str, dict[str, Any], str]] = {
    "activation": ("llama", {"hidden_act": "relu2"}, "SFT355.*hidden_act.*relu2"),
    "rope": ("llama", {"rope_parameters": {"rope_type": "proportional", "rope_theta": 1e4}}, "SFT355.*proportional"),
    "rope without its numbers": ("llama", {"rope_parameters": {"rope_type": "llama3"}}, "SFT354.*factor"),
    "interleaved": ("llama", {"rope_interleaved": True}, "SFT355.*rope_interleaved"),
    "quantized": ("llama", {"quantization_config": {"bits": 4}}, "SFT355.*quantization_config"),
    "heads": ("llama", {"num_key_value_heads": 3}, "SFT354.*no multiple"),
    "odd heads": ("llama", {"head_dim": 3}, "SFT354.*pairs"),
    "no size": ("llama", {"hidden_size": None}, "SFT354.*hidden_size"),
    "no number": ("llama", {"rms_norm_eps": "small"}, "SFT354.*rms_norm_eps"),
    "layer types": ("qwen2", {"layer_types": ["chunked_attention"] * 2}, "SFT355.*chunked_attention"),
    "number of layer types": ("qwen2", {"layer_types": ["full_attention"]}, "SFT354.*layer_types"),
    "both directions": ("gemma3", {"use_bidirectional_attention": True}, "SFT355.*use_bidirectional_attention"),
    "capped scores": ("gemma3", {"attn_logit_softcapping": 50.0}, "SFT355.*attn_logit_softcapping"),
    "types of Mistral": ("mistral", {"layer_types": ["full_attention"] * 2}, "SFT355.*layer_types"),
    "layers without rope": ("smollm3", {"no_rope_layers": [1]}, "SFT354.*no_rope_layers"),
    "cross attention": ("gpt2", {"add_cross_attention": True}, "SFT355.*add_cross_attention"),
    "scores by layer": ("gpt2", {"scale_attn_by_inverse_layer_idx": True}, "SFT355.*scale_attn"),
    "heads of GPT-2": ("gpt2", {"n_head": 3}, "SFT354.*3 heads"),
    "post-norm": ("opt", {"do_layer_norm_before": False}, "SFT355.*do_layer_norm_before"),
    "narrow embedding": ("opt", {"word_embed_proj_dim": 8}, "SFT355.*word_embed_proj_dim"),
    "dropped layers": ("opt", {"layerdrop": 0.1}, "SFT355.*layerdrop"),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_is_not_computed_is_refused_by_name(case: str) -> None:
    name, keys, message = REFUSED[case]
    with pytest.raises(SFTError, match=message):
        described({**TinyDecoder(name).config, **keys})


def test_longrope_has_the_positions_whose_frequencies_do_not_depend_on_the_length() -> None:
    assert described(TinyDecoder("phi3-long").config).max_positions == 32


def backbone_of(folder: Path, config: dict[str, Any]) -> Backbone:
    decoder = load_decoder(folder, config, dropout=None, weights=True)
    files, most = kept_files(folder), decoder.config.max_positions
    return Backbone(decoder, None, most, False, "hugging_face", files, folder, kind="decoder")


@pytest.mark.parametrize("name", NAMES)
def test_a_written_folder_has_the_same_tensors_and_says_the_same(name: str, tmp_path: Path) -> None:
    tiny = TinyDecoder(name)
    folder = tiny.write(tmp_path / "source", torch_dtype="bfloat16")
    config = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    write_decoder(tmp_path / "again", backbone_of(folder, config))
    again = json.loads((tmp_path / "again" / "config.json").read_text(encoding="utf-8"))
    assert again == {**config, "torch_dtype": "float32"}
    written = load_file(tmp_path / "again" / "model.safetensors")
    assert written.keys() == tiny.tensors.keys()
    for key, tensor in tiny.tensors.items():
        np.testing.assert_array_equal(written[key], tensor, err_msg=key)


def test_the_other_files_of_a_folder_are_kept(tmp_path: Path) -> None:
    folder = TinyDecoder("llama").write(tmp_path / "source")
    names = ["generation_config.json", "chat_template.jinja", "tokenizer.json", "additional_chat_templates/tools.jinja"]
    for name in names:
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text(f"this is {name}", encoding="utf-8")
    write_decoder(tmp_path / "again", backbone_of(folder, TinyDecoder("llama").config))
    for name in names:
        assert (tmp_path / "again" / name).read_text(encoding="utf-8") == f"this is {name}"


def test_shards_of_bfloat16_without_a_prefix_are_read(tmp_path: Path) -> None:
    tiny = TinyDecoder("gpt2")
    folder = tiny.write(tmp_path)
    (folder / "model.safetensors").unlink()
    tensors = {name.removeprefix("transformer."): tensor for name, tensor in tiny.tensors.items()}
    names = {name: f"model-0000{number % 2 + 1}-of-00002.safetensors" for number, name in enumerate(tensors)}
    for file in set(names.values()):
        part = {name: tensors[name].astype(ml_dtypes.bfloat16) for name in names if names[name] == file}
        save_file(part, folder / file)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": names}), encoding="utf-8")
    decoder = load_decoder(folder, tiny.config, dropout=None, weights=True)
    expected = tensors["wte.weight"].astype(ml_dtypes.bfloat16).astype(np.float32)
    np.testing.assert_array_equal(decoder.token_embedding.embeddings.numpy(), expected)


@pytest.mark.parametrize("same", [True, False])
def test_a_head_beside_a_tied_one_must_be_the_same(same: bool, tmp_path: Path) -> None:
    tiny = TinyDecoder("gemma")
    folder = tiny.write(tmp_path)
    head = tiny.tensors["model.embed_tokens.weight"] if same else draw("another", (24, 16))
    save_file({**tiny.tensors, "lm_head.weight": head}, folder / "model.safetensors")
    if same:
        assert load_decoder(folder, tiny.config, dropout=None, weights=True).config.tied
    else:
        with pytest.raises(SFTError, match="SFT389"):
            load_decoder(folder, tiny.config, dropout=None, weights=True)


def test_dropout_of_the_config_or_of_the_settings(tmp_path: Path) -> None:
    tiny = TinyDecoder("gpt2")
    config = {**tiny.config, "embd_pdrop": 0.1, "resid_pdrop": 0.2, "attn_pdrop": 0.3}
    decoder = load_decoder(tmp_path, config, dropout=None, weights=False)
    rates = replace(decoder.config, embedding_dropout=0.1, residual_dropout=0.2, attention_dropout=0.3)
    assert decoder.config == rates
    decoder = load_decoder(tmp_path, config, dropout=0.0, weights=False)
    inputs = batch(tiny.rows)
    still, training = (decoder(inputs, training=on)["sequence_output"].numpy() for on in (False, True))
    np.testing.assert_array_equal(training, still)
