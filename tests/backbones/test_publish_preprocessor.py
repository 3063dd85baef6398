"""A published preprocessor: the tokenizer and the packing of this package, behind the public interface."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from hub_modules import ENCODERS
from published import write_both
from tiny_bert import SPECIALS, VOCABULARY

from sftkeras.backbones import load_backbone
from sftkeras.backbones.publishing.preprocessor import write_preprocessor
from sftkeras.backbones.tfhub.names import HUB_INPUTS
from sftkeras.exporting.parity import ODD_TEXTS
from sftkeras.text import TextFeatures, Tokenizer, WordPiece

LENGTH = 128

MORE = [*VOCABULARY, "é", "##é", "ß", "电", "影", "!", ",", "👩"]


def sentence_piece(folder: Path) -> Tokenizer:
    return load_backbone(ENCODERS["ALBERT"].write(folder), max_length=8, mode="native").tokenizer


TOKENIZERS: dict[str, Callable[[Path], Tokenizer]] = {
    "uncased": lambda _: WordPiece(MORE, lowercase=True),
    "cased, padding is not zero": lambda _: WordPiece(["a", *SPECIALS, "b", "A"], lowercase=False),
    "odd rules": lambda _: WordPiece(MORE, lowercase=True, strip_accents=False, split_cjk=False),
    "SentencePiece": sentence_piece,
}


@pytest.fixture(scope="module", params=TOKENIZERS)
def both(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Tokenizer, tf.train.Checkpoint]:
    """A tokenizer, and the preprocessor made of it, loaded from its files."""
    folder = tmp_path_factory.mktemp("preprocessor")
    tokenizer = TOKENIZERS[request.param](folder / "source")
    write_preprocessor(tokenizer, folder / "module", max_positions=512)
    return tokenizer, tf.saved_model.load(str(folder / "module"))


def texts() -> tf.Tensor:
    return tf.constant([text.encode("utf-8", "replace") for text in (*ODD_TEXTS, "a b good films " * 100)])


def test_it_splits_texts_as_the_tokenizer_does(both: tuple[Tokenizer, tf.train.Checkpoint]) -> None:
    tokenizer, module = both
    assert module.tokenize(texts()).to_list() == tokenizer(texts()).to_list()


@pytest.mark.parametrize("pairs", [False, True], ids=["texts", "pairs"])
def test_it_packs_as_training_does(both: tuple[Tokenizer, tf.train.Checkpoint], pairs: bool) -> None:
    tokenizer, module = both
    parts = [texts(), texts()[::-1]] if pairs else [texts()]
    expected = TextFeatures(tokenizer, max_length=LENGTH, pairs=pairs)(*parts)
    tokens = [module.tokenize(part) for part in parts]
    check(module.bert_pack_inputs(tokens), expected, tokenizer.pad_id, LENGTH)
    if not pairs:
        check(module(texts()), expected, tokenizer.pad_id, LENGTH)
    for length in (8, 50):
        expected = TextFeatures(tokenizer, max_length=length, pairs=pairs)(*parts)
        for asked in (length, tf.constant(length)):
            check(module.bert_pack_inputs(tokens, seq_length=asked), expected, tokenizer.pad_id, length)


def check(found: dict[str, tf.Tensor], expected: dict[str, tf.Tensor], pad_id: int, length: int) -> None:
    """Compares what the module gives, which is padded to `length`, with features as wide as the longest row."""
    assert set(found) == set(HUB_INPUTS)
    assert {tensor.dtype for tensor in found.values()} == {tf.int32}
    for name, ours in HUB_INPUTS.items():
        rest = length - expected[ours].shape[1]
        fill = pad_id if name == "input_word_ids" else 0
        np.testing.assert_array_equal(found[name], np.pad(expected[ours], [(0, 0), (0, rest)], constant_values=fill))


def test_words_that_others_grouped_are_packed_too(both: tuple[Tokenizer, tf.train.Checkpoint]) -> None:
    _, module = both
    grouped, flat = (
        tf.ragged.constant([[[1, 2], [3]], []], tf.int32, ragged_rank=2),
        tf.ragged.constant([[1, 2, 3], []]),
    )
    np.testing.assert_array_equal(
        module.bert_pack_inputs([grouped])["input_word_ids"], module.bert_pack_inputs([flat])["input_word_ids"]
    )


def test_it_names_the_special_tokens(both: tuple[Tokenizer, tf.train.Checkpoint]) -> None:
    tokenizer, module = both
    special = {name: int(number) for name, number in module.tokenize.get_special_tokens_dict().items()}
    assert special == {
        "padding_id": tokenizer.pad_id,
        "start_of_sequence_id": tokenizer.cls_id,
        "end_of_segment_id": tokenizer.sep_id,
        "vocab_size": tokenizer.size,
    }


def test_a_server_gets_a_signature(both: tuple[Tokenizer, tf.train.Checkpoint]) -> None:
    _, module = both
    served, called = module.signatures["serving_default"](texts=texts()), module(texts())
    for name, tensor in called.items():
        np.testing.assert_array_equal(served[name], tensor)


def test_a_short_encoder_gets_short_texts(tmp_path: Path) -> None:
    write_preprocessor(WordPiece(MORE, lowercase=True), tmp_path, max_positions=12)
    module = tf.saved_model.load(str(tmp_path))
    assert module(texts())["input_mask"].shape == (len(texts()), 12)


def test_a_run_can_use_it_as_its_preprocessor(tmp_path: Path, tiny_bert_folder: Path) -> None:
    backbone = load_backbone(tiny_bert_folder, max_length=32)
    module = write_both(backbone, tmp_path / "module")
    opaque = load_backbone(module, max_length=32, mode="opaque", preprocessor=module / "preprocessor")
    for pairs in (False, True):
        parts = [texts(), texts()[::-1]] if pairs else [texts()]
        expected = TextFeatures(backbone.tokenizer, max_length=32, pairs=pairs)(*parts)
        found = TextFeatures(opaque.tokenizer, max_length=32, pairs=pairs)(*parts)
        for name, tensor in expected.items():
            np.testing.assert_array_equal(found[name], tensor, err_msg=name)
