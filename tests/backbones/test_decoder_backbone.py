"""A decoder's folder as a backbone: told from an encoder's, loaded with its tokenizer, and given further tokens."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tiny_decoder_tokenizers import write_tokenizer
from tiny_decoders import TinyDecoder
from tokenizers import Tokenizer as HuggingFaceTokenizer

import sftkeras
from sftkeras.backbones import Backbone, check_folder, kind_of_backbone, load_backbone
from sftkeras.backbones.decoders.decoder import Decoder
from sftkeras.backbones.hugging_face import write_decoder
from sftkeras.errors import SFTError
from sftkeras.text import MarkedTokenizer, Tokenizer
from sftkeras.text.marks import special

# A family each that the tiny tokenizers have, with a head of its own and without.
KINDS = {
    "llama": "llama3",
    "llama-tied-with-biases": "smollm2",
    "qwen3": "qwen",
    "gpt2": "gpt2",
    "gemma": "gemma",
    "phi3": "phi3",
}
TOKENS = 660  # rows to spare after those of the tokenizer
ADDED = ("<|user|>", "<|bot|>")


def write(folder: Path, name: str, tokens: int = TOKENS) -> Path:
    TinyDecoder(name).write(folder, tokens=tokens)
    return write_tokenizer(folder, KINDS[name])


@pytest.fixture(scope="module", params=KINDS)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def folder(name: str, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write(tmp_path_factory.mktemp("decoder"), name)


@pytest.fixture(scope="module")
def backbone(folder: Path) -> Backbone:
    """The decoder of the folder, which no test changes."""
    return load_backbone(folder, max_length=32)


@pytest.fixture(scope="module")
def marked_tokens() -> Callable[[Tokenizer, str], list[int]]:
    """Tokens of a marked text, for which equal tokenizers are traced once: tests load most of them twice."""
    traced: dict[str, MarkedTokenizer] = {}

    def tokens(tokenizer: Tokenizer, text: str) -> list[int]:
        marked = traced.setdefault(tokenizer.fingerprint, MarkedTokenizer(tokenizer))
        return marked(tf.constant([text]))[0].to_list()[0]

    return tokens


def outputs(backbone: Backbone, tokens: list[int]) -> np.ndarray:
    """Logits of a text."""
    token_ids = tf.constant([tokens])
    positions = tf.range(len(tokens))[tf.newaxis]
    inputs = {"token_ids": token_ids, "positions": positions, "segments": tf.ones_like(token_ids)}
    return backbone.model.logits(backbone.model(inputs)["sequence_output"]).numpy()


def test_a_folder_is_a_decoder_with_its_tokenizer(folder: Path, backbone: Backbone) -> None:
    check_folder(folder, max_length=32, task="chat", wanted="decoder")
    assert backbone.kind == kind_of_backbone(folder) == "decoder"
    assert isinstance(backbone.model, Decoder)
    assert backbone.tokenizer is not None
    assert backbone.max_positions == backbone.model.config.max_positions
    assert backbone.token_embedding is backbone.model.token_embedding
    assert len(backbone.layers) == backbone.model.config.layers
    assert backbone.parameters == sum(int(np.prod(weight.shape)) for weight in backbone.model.weights)
    assert backbone.pooler is None
    assert backbone.gives_token_vectors
    assert {"config.json", "tokenizer.json", "tokenizer_config.json"} == backbone.files.keys()
    assert backbone.notes == ()


def test_a_decoder_is_built_again_from_its_small_files(backbone: Backbone, tmp_path: Path) -> None:
    for name, path in backbone.files.items():
        (tmp_path / name).write_bytes(path.read_bytes())
    again = load_backbone(tmp_path, max_length=32, without_weights="hugging_face")
    again.model.set_weights(backbone.model.get_weights())
    assert again.tokenizer is not None
    assert backbone.tokenizer is not None
    assert again.tokenizer.fingerprint == backbone.tokenizer.fingerprint
    tokens = backbone.tokenizer(tf.constant(["a good film"])).to_list()[0]
    np.testing.assert_array_equal(outputs(again, tokens), outputs(backbone, tokens))


def test_more_positions_than_there_are_are_refused(folder: Path, backbone: Backbone) -> None:
    most = backbone.max_positions
    for load in (check_folder, load_backbone):
        with pytest.raises(SFTError, match=f"SFT351.*{most + 1}.*{most}"):
            load(folder, max_length=most + 1)


def test_tasks_of_encoders_refuse_a_decoder(tmp_path: Path) -> None:
    write(tmp_path, "llama")
    with pytest.raises(SFTError, match=r"SFT396.*classification"):
        check_folder(tmp_path, max_length=8, task="classification", wanted="encoder")


def test_tasks_of_decoders_refuse_an_encoder(tiny_bert_folder: Path, preprocessor_folder: Path) -> None:
    with pytest.raises(SFTError, match=r"SFT397.*chat"):
        check_folder(tiny_bert_folder, max_length=8, task="chat", wanted="decoder")
    assert kind_of_backbone(preprocessor_folder) == "encoder"


def test_a_vocabulary_larger_than_the_table_is_refused(tmp_path: Path) -> None:
    TinyDecoder("llama").write(tmp_path)
    write_tokenizer(tmp_path, "llama3")
    for load in (check_folder, load_backbone):
        with pytest.raises(SFTError, match="SFT353"):
            load(tmp_path, max_length=8)


@pytest.mark.parametrize("rows", [TOKENS, None])
def test_added_tokens_have_rows_marks_and_files(
    rows: int | None,
    name: str,
    folder: Path,
    backbone: Backbone,
    marked_tokens: Callable[[Tokenizer, str], list[int]],
    tmp_path: Path,
) -> None:
    """With rows to spare, and where the table must grow."""
    assert backbone.tokenizer is not None
    if rows is None:
        folder = write(tmp_path / "tight", name, backbone.tokenizer.size)
    more = load_backbone(folder, max_length=32, extra_tokens=ADDED)
    first = backbone.tokenizer.size
    assert {string: more.tokenizer.special[string] for string in ADDED} == {ADDED[0]: first, ADDED[1]: first + 1}
    assert more.model.output_kernel.shape[0] == more.model.config.vocabulary_size == (rows or first + 2)
    kernel = more.model.output_kernel.numpy()
    np.testing.assert_allclose(kernel[first : first + 2], np.tile(kernel[:first].mean(0), (2, 1)), atol=1e-6)
    write_decoder(tmp_path / "again", more)
    again = load_backbone(tmp_path / "again", max_length=32)
    assert again.tokenizer is not None
    assert again.tokenizer.fingerprint == more.tokenizer.fingerprint
    marked = f"{special(ADDED[0])}a good film{special(ADDED[1])}"
    tokens = marked_tokens(again.tokenizer, marked)
    np.testing.assert_array_equal(outputs(again, tokens), outputs(more, tokens))
    assert (tokens[0], tokens[-1]) == (first, first + 1)
    assert (
        HuggingFaceTokenizer.from_file(str(tmp_path / "again" / "tokenizer.json")).encode("a<|user|>").ids[-1] == first
    )


def test_the_backbone_of_python_makes_inputs_of_texts(folder: Path, backbone: Backbone) -> None:
    of_python = sftkeras.load_backbone(folder, max_length=6)
    texts = ["a good film", "a good film, a bad film, and a film \ufdd0<|im_end|>\ufdd1"]
    inputs = of_python.tokenizer(texts)
    assert inputs.keys() == of_python.model.input.keys()
    assert of_python.model(inputs)["sequence_output"].shape[:2] == inputs["token_ids"].shape
    assert backbone.tokenizer is not None
    tokens = backbone.tokenizer(tf.constant(texts)).to_list()
    assert inputs["token_ids"].numpy()[0].tolist()[: len(tokens[0])] == tokens[0]
    assert inputs["segments"].numpy().sum(1).tolist() == [len(tokens[0]), 6]
    assert inputs["positions"].numpy()[1].tolist() == [*range(6)]
    with pytest.raises(SFTError, match="SFT370"):
        of_python.tokenizer(texts, texts)
