"""What is written can be read again bit for bit, and what is wrong with a folder is said without TensorFlow."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from safetensors.numpy import load_file
from tiny_byte_pairs import tiny_byte_pairs
from tiny_byte_pairs import tokenizer_json as byte_pair_json
from tiny_folders import DROPOUT, POOLER, POSITIONS, VOCABULARY, Checkpoint, forward, ragged_inputs, write_keras_hub
from tiny_sentence_pieces import tiny_sentence_pieces, tokenizer_json
from tiny_unigram import tiny_model
from tiny_unigram import tokenizer_json as unigram_json
from tokenizers import Tokenizer

from sftkeras.backbones import Backbone, check_folder, load_backbone
from sftkeras.backbones.hugging_face import load_tokenizer, write_folder, write_tokenizer
from sftkeras.backbones.hugging_face.config import read_config
from sftkeras.backbones.hugging_face.families import FAMILIES
from sftkeras.errors import SFTError
from sftkeras.text import BytePair, SentencePiece, Unigram, WordPiece
from sftkeras.text import Tokenizer as OurTokenizer


def write_again(backbone: Backbone, folder: Path) -> Backbone:
    write_folder(folder, backbone.model, backbone.tokenizer, has_pooler=backbone.has_pooler)
    return load_backbone(folder, max_length=POSITIONS)


CHECKPOINTS = [Checkpoint(model_type) for model_type in DROPOUT]
CHECKPOINTS += [
    Checkpoint("bert", pooler=False, hidden_act="silu", layer_norm_eps=1e-3),
    Checkpoint("albert", hidden_act="gelu", config={"attention_probs_dropout_prob": 0.2}),
    Checkpoint("roberta", pooler=False, hidden_act="gelu_new", layer_norm_eps=1e-5),
    Checkpoint("distilbert", hidden_act="relu", config={"attention_probs_dropout_prob": 0.2}),
    Checkpoint("deberta-v2", hidden_act="relu", config={"hidden_dropout_prob": 0.2}, layer_norm_eps=1e-7),
]


@pytest.mark.parametrize("checkpoint", CHECKPOINTS, ids=lambda it: f"{it.model_type}-{it.activation}")
def test_what_is_written_is_read_bit_for_bit(checkpoint: Checkpoint, tmp_path: Path) -> None:
    backbone = load_backbone(checkpoint.write(tmp_path / "source"), max_length=POSITIONS)
    again = write_again(backbone, tmp_path / "again")
    for weight, other in zip(backbone.model.weights, again.model.weights, strict=True):
        if backbone.has_pooler or "pooled" not in weight.path:
            np.testing.assert_array_equal(weight, other, err_msg=weight.path)
    assert again.has_pooler == backbone.has_pooler
    family = FAMILIES[checkpoint.model_type]
    assert family.describe(again.model) == family.describe(backbone.model)
    assert again.tokenizer.fingerprint == backbone.tokenizer.fingerprint
    inputs = ragged_inputs(checkpoint.model_type)
    expected = backbone.model(inputs, training=False)["sequence_output"]
    np.testing.assert_array_equal(again.model(inputs, training=False)["sequence_output"], expected)
    write_again(again, tmp_path / "third")
    for file in ("config.json", "model.safetensors", "tokenizer_config.json", "vocab.txt"):
        assert (tmp_path / "third" / file).read_bytes() == (tmp_path / "again" / file).read_bytes()


@pytest.mark.parametrize("model_type", DROPOUT)
def test_tensors_are_written_by_the_names_and_in_the_shapes_of_the_source(model_type: str, tmp_path: Path) -> None:
    checkpoint = Checkpoint(model_type)
    backbone = load_backbone(checkpoint.write(tmp_path / "source"), max_length=POSITIONS)
    write_again(backbone, tmp_path / "again")
    written, source = load_file(tmp_path / "again" / "model.safetensors"), checkpoint.tensors()
    assert set(written) == set(source)
    for name, tensor in source.items():
        np.testing.assert_array_equal(written[name], tensor, err_msg=name)
    assert (POOLER[model_type] is not None) == backbone.has_pooler


def test_a_keras_hub_encoder_keeps_its_tanh_gelu(tmp_path: Path) -> None:
    backbone = load_backbone(write_keras_hub(tmp_path / "preset"), max_length=POSITIONS)
    again = write_again(backbone, tmp_path / "again")
    assert json.loads((tmp_path / "again" / "config.json").read_text())["hidden_act"] == "gelu_new"
    inputs = ragged_inputs()
    tokens, pooled = forward(load_file(tmp_path / "again" / "model.safetensors"), inputs, hidden_act="gelu_new")
    outputs = again.model(inputs, training=False)
    np.testing.assert_allclose(outputs["sequence_output"], tokens, atol=1e-5)
    np.testing.assert_allclose(outputs["pooled_output"], pooled, atol=1e-5)


def test_a_pooler_of_electra_is_kept_where_there_is_one(tmp_path: Path) -> None:
    backbone = load_backbone(Checkpoint("electra").write(tmp_path / "source"), max_length=POSITIONS)
    write_folder(tmp_path / "again", backbone.model, backbone.tokenizer, has_pooler=True)
    again = load_backbone(tmp_path / "again", max_length=POSITIONS)
    inputs = ragged_inputs()
    assert again.has_pooler
    expected = backbone.model(inputs, training=False)["pooled_output"]
    np.testing.assert_array_equal(again.model(inputs, training=False)["pooled_output"], expected)


def test_an_encoder_of_no_known_architecture_is_not_written(tmp_path: Path) -> None:
    encoder = keras_hub.models.FNetBackbone(
        vocabulary_size=9, num_layers=1, hidden_dim=2, intermediate_dim=2, max_sequence_length=4
    )
    with pytest.raises(SFTError, match=r"SFT355.*FNetBackbone.*AlbertBackbone"):
        write_folder(tmp_path, encoder, WordPiece(VOCABULARY, lowercase=True), has_pooler=False)


TOKENIZERS: dict[str, OurTokenizer] = {
    "uncased": WordPiece(VOCABULARY, lowercase=True),
    "cased": WordPiece(VOCABULARY, lowercase=False, strip_accents=True, split_cjk=False),
    "uncased, of TF-Hub": WordPiece(VOCABULARY, lowercase=True, rules="tensorflow_text"),
    "pieces": SentencePiece(tiny_sentence_pieces()),
    "pieces with accents": SentencePiece(tiny_sentence_pieces(), lowercase=False, strip_accents=False),
    "pieces of TF-Hub": SentencePiece(tiny_sentence_pieces(), rules="tensorflow_text"),
    "pieces of XLM-R": Unigram(tiny_model("xlm_roberta"), rules="xlm_roberta"),
    "pieces of DeBERTa": Unigram(tiny_model("deberta"), rules="deberta"),
    "byte pairs": BytePair(*tiny_byte_pairs()),
    "byte pairs with a space before": BytePair(*tiny_byte_pairs(), add_prefix_space=True),
}


@pytest.mark.parametrize("kind", TOKENIZERS)
def test_a_tokenizer_is_read_as_it_was_written(kind: str, tmp_path: Path) -> None:
    write_tokenizer(TOKENIZERS[kind], tmp_path)
    assert load_tokenizer(tmp_path).fingerprint == TOKENIZERS[kind].fingerprint


def test_rules_of_nobody_are_refused(tmp_path: Path) -> None:
    write_tokenizer(TOKENIZERS["uncased"], tmp_path)
    path = tmp_path / "tokenizer_config.json"
    path.write_text(path.read_text().replace("hugging_face", "somebody"))
    with pytest.raises(SFTError, match=r'SFT355.*sftkeras_rules "somebody"'):
        load_tokenizer(tmp_path)


def test_a_sentence_piece_model_without_its_settings_has_the_rules_of_albert(tmp_path: Path) -> None:
    folder = Checkpoint("albert", sentence_piece=True).write(tmp_path)
    assert load_tokenizer(folder).fingerprint == TOKENIZERS["pieces"].fingerprint


def test_tokenizer_json_alone_gives_the_tokens_of_the_model_it_was_made_of(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(tokenizer_json())
    reference = Tokenizer.from_file(str(tmp_path / "tokenizer.json"))
    texts = ["The film, the FILM: 9,99 of 1,000", "café 日本語 👍 x", "", "``a'' (b)."]
    ours = load_tokenizer(tmp_path)
    expected = [it.ids for it in reference.encode_batch(texts, add_special_tokens=False)]
    assert ours(tf.constant(texts)).to_list() == expected
    assert (ours.pad_id, ours.cls_id, ours.sep_id) == (0, 2, 3)


WHOLE_FILES = {
    "roberta": byte_pair_json,
    "xlm_roberta": lambda: unigram_json("xlm_roberta"),
    "deberta": lambda: unigram_json("deberta"),
}


@pytest.mark.parametrize("kind", WHOLE_FILES)
def test_tokenizer_json_alone_gives_the_tokens_of_the_other_files(kind: str, tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text(WHOLE_FILES[kind]())
    Checkpoint(kind, tokenizer_of=kind).write_tokenizer(folder := tmp_path / "other")
    texts = tf.constant(["The film, the FILM: 9,99 of 1,000", "café 日本語 👍 x", "", "  (b).</s>"])
    alone, other = load_tokenizer(tmp_path), load_tokenizer(folder)
    assert alone(texts).to_list() == other(texts).to_list()
    assert (alone.layout, alone.size) == (other.layout, other.size)


BAD_FILES = {
    "merges without a second part": ({"vocab.json": '{"a": 0}', "merges.txt": "#version: 0.2\na b\nab\n"}, "SFT354"),
    "a token without a number": ({"vocab.json": '{"a": "b"}', "merges.txt": ""}, "SFT354"),
    "a vocabulary of nothing": ({"vocab.json": "{}", "merges.txt": ""}, "SFT352"),
    "merges of another": ({"merges.txt": "Ġ zzz\n"}, "SFT380"),
    "no merges": ({"merges.txt": None}, "SFT356"),
    "no model": ({"spm.model": "no model"}, "SFT354"),
    "words split in another way": (
        {"vocab.json": None, "tokenizer.json": '{"model": {"type": "BPE", "vocab": {}, "merges": []}}'},
        "SFT355",
    ),
    "lower case": ({"spm.model": tiny_model("deberta"), "tokenizer_config.json": '{"do_lower_case": true}'}, "SFT355"),
}


@pytest.mark.parametrize("case", BAD_FILES)
def test_tokenizer_files_that_cannot_be_used_are_refused(case: str, tmp_path: Path) -> None:
    files, code = BAD_FILES[case]
    write_tokenizer(TOKENIZERS["byte pairs"], tmp_path)
    for name, content in files.items():
        if content is None:
            (tmp_path / name).unlink()
        else:
            (tmp_path / name).write_bytes(content if isinstance(content, bytes) else content.encode())
    with pytest.raises(SFTError, match=code) as raised:
        load_tokenizer(tmp_path)
    assert "\n" not in str(raised.value)


FAULTS = {
    "max_length": ({}, POSITIONS + 1, "SFT351"),
    "model_type": ({"model_type": "mamba"}, 8, "SFT355"),
    "vocab_size": ({"vocab_size": 5}, 8, "SFT353"),
    "hidden_size": ({"hidden_size": None}, 8, "SFT354"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_what_the_small_files_tell_is_told_at_once(fault: str, tmp_path: Path) -> None:
    changes, length, code = FAULTS[fault]
    folder = Checkpoint(config=changes).write(tmp_path)
    check_folder(Checkpoint().write(tmp_path / "whole"), max_length=8)
    with pytest.raises(SFTError, match=code):
        check_folder(folder, max_length=length)


@pytest.mark.parametrize("model_type", ["bert", "albert", "roberta", "deberta-v2"])
def test_checking_a_folder_imports_no_tensorflow(model_type: str, tmp_path: Path) -> None:
    tokenizer = {"roberta": "roberta", "deberta-v2": "deberta"}.get(model_type)
    folder = Checkpoint(model_type, sentence_piece=model_type == "albert", tokenizer_of=tokenizer).write(tmp_path)
    program = """
import sys
from pathlib import Path
from sftkeras.backbones import check_folder
check_folder(Path(sys.argv[1]), max_length=8)
print(sorted({"tensorflow", "tensorflow_text", "keras", "keras_hub"} & set(sys.modules)))
"""
    done = subprocess.run([sys.executable, "-c", program, str(folder)], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("name", "same"),
    [("gelu_python", "gelu"), ("gelu_fast", "gelu_new"), ("gelu_accurate", "gelu_new"), ("swish", "silu")],
)
def test_an_activation_by_another_name_is_the_same(name: str, same: str, tmp_path: Path) -> None:
    checkpoint = Checkpoint(hidden_act=name)
    backbone = load_backbone(checkpoint.write(tmp_path), max_length=POSITIONS)
    tokens, _ = forward(checkpoint.tensors(), ragged_inputs(), hidden_act=same)
    np.testing.assert_allclose(backbone.model(ragged_inputs(), training=False)["sequence_output"], tokens, atol=1e-5)
    assert FAMILIES["bert"].describe(backbone.model)["hidden_act"] == same


@pytest.mark.parametrize("model_type", FAMILIES)
def test_a_config_without_its_type_is_known_by_its_class(model_type: str, tmp_path: Path) -> None:
    classes = {"xlm-roberta": "XLMRobertaModel", "deberta-v2": "DebertaV2ForMaskedLM", "distilbert": "DistilBertModel"}
    named = classes.get(model_type, f"{model_type.capitalize()}ForSequenceClassification")
    changes = {"model_type": None, "architectures": [named]}
    folder = Checkpoint(model_type, config=changes, tokenizer_of=None).write(tmp_path)
    assert read_config(folder)[0] == FAMILIES[model_type]


@pytest.mark.parametrize(
    ("classes", "said"),
    [
        ([], r'SFT367.*"model_type": "bert".*distilbert'),
        (["GPT2Model"], 'SFT355.*architectures "GPT2Model".*distilbert'),
    ],
)
def test_a_config_of_no_known_architecture_says_so(classes: list[str], said: str, tmp_path: Path) -> None:
    folder = Checkpoint(config={"model_type": None, "architectures": classes}).write(tmp_path)
    with pytest.raises(SFTError, match=said):
        check_folder(folder, max_length=8)
