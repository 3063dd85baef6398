"""A `tokenizer.model` without a tokenizer.json: its own tokens, or a refusal by what is not followed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import sentencepiece
import tensorflow as tf
from hostile_texts import hostile_texts
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]
from tiny_sentence_pieces import tiny_decoder_pieces, train_pieces
from tokenizers import Tokenizer as Reference

from sftkeras.backbones.hugging_face import load_decoder_tokenizer
from sftkeras.backbones.hugging_face.decoder_tokenizers import write_whole
from sftkeras.errors import SFTError
from sftkeras.handles import resolve
from sftkeras.text import Detokenizer, MarkedTokenizer, Tokenizer
from sftkeras.text.marks import ordinary, special

FAMILIES = ("llama", "gemma")
SPACES = [" " * count + "x" + " " * (33 - count) + "▁" * (count % 4) + "y" for count in range(33)]
# The first decoder's tokenizer.model that a package has: Mistral's.
REAL = "pypi:mistral-common==1.8.5/mistral_common/data/mistral_instruct_tokenizer_240323.model.v3"


def write(folder: Path, content: bytes, **settings: object) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "tokenizer.model").write_bytes(content)
    (folder / "tokenizer_config.json").write_text(json.dumps(settings), encoding="utf-8")
    return folder


def check_equal(tokenizer: Tokenizer, content: bytes, texts: list[str]) -> None:
    """Each text has the tokens of `sentencepiece` itself, and comes back from them."""
    processor = sentencepiece.SentencePieceProcessor(model_proto=content)
    texts = [ordinary(text) for text in texts]
    ours = MarkedTokenizer(tokenizer)(tf.constant(texts))[0]
    pairs = zip(texts, ours.to_list(), processor.encode(texts), strict=True)
    assert [text for text, mine, its in pairs if mine != its] == []
    back = [text.decode() for text in Detokenizer(tokenizer)(ours).numpy()]
    assert back == [text.replace("▁", " ") for text in texts]


@pytest.mark.parametrize("family", FAMILIES)
def test_hostile_texts_have_the_tokens_of_sentencepiece(family: str, tmp_path: Path) -> None:
    content = tiny_decoder_pieces(family)
    tokenizer = load_decoder_tokenizer(write(tmp_path, content))
    check_equal(tokenizer, content, [*SPACES, *hostile_texts(1_500)])
    numbers = {it.piece: number for number, it in enumerate(ModelProto.FromString(content).pieces)}
    assert (tokenizer.end_ids, tokenizer.decoder and tokenizer.decoder.begin_id) == ((numbers["</s>"],), numbers["<s>"])


@pytest.mark.real_weights
def test_a_real_model_has_the_tokens_of_sentencepiece(users_cache: None, tmp_path: Path) -> None:
    content = resolve(REAL).read_bytes()
    tokenizer = load_decoder_tokenizer(write(tmp_path, content))
    check_equal(tokenizer, content, hostile_texts(10_000))
    assert "[INST]" in tokenizer.special


def test_settings_beside_the_model_count(tmp_path: Path) -> None:
    """Added tokens, the token before texts, and spaces before a text alone."""
    content = tiny_decoder_pieces("llama")
    turn = {"600": {"content": "<|end|>", "special": True, "normalized": False}}
    write(tmp_path, content, eos_token="<|end|>", add_bos_token=False, legacy=False, added_tokens_decoder=turn)
    tokenizer = load_decoder_tokenizer(tmp_path)
    assert tokenizer.decoder is not None
    assert (tokenizer.end_ids, tokenizer.decoder.begin_id) == ((600,), None)
    tokens = MarkedTokenizer(tokenizer)(tf.constant([f" film{special('<|end|>')}film"]))[0].to_list()[0]
    pieces = tokenizer.pieces(np.array(tokens))
    assert "".join(pieces[: pieces.index("<|end|>")]) == "▁film"
    assert "".join(pieces[pieces.index("<|end|>") + 1 :]) == "film"


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_written_of_it_reads_the_same(family: str, tmp_path: Path) -> None:
    tokenizer = load_decoder_tokenizer(write(tmp_path, tiny_decoder_pieces(family)))
    write_whole(tmp_path)
    assert load_decoder_tokenizer(tmp_path).fingerprint == tokenizer.fingerprint
    reference = Reference.from_file(str(tmp_path / "tokenizer.json"))
    texts = ["the good film", "  a film\n\n"]
    found = [it.ids for it in reference.encode_batch(texts, add_special_tokens=False)]
    assert found == tokenizer(tf.constant(texts)).to_list()


@pytest.mark.parametrize(
    ("setting", "changed"),
    [
        ("model_type.*UNIGRAM", {"model_type": "unigram"}),
        ("byte_fallback", {"byte_fallback": False}),
        ("normalization rule.*nmt_nfkc", {"normalization_rule_name": "nmt_nfkc"}),
        ("remove_extra_whitespaces", {"remove_extra_whitespaces": True}),
    ],
)
def test_a_model_of_another_kind_is_refused_by_its_setting(
    setting: str, changed: dict[str, object], tmp_path: Path
) -> None:
    usual = {"model_type": "bpe", "byte_fallback": True, "normalization_rule_name": "identity", "vocab_size": 420}
    content = train_pieces(**usual | {"remove_extra_whitespaces": False} | changed)
    with pytest.raises(SFTError, match=f"SFT355.*{setting}"):
        load_decoder_tokenizer(write(tmp_path, content))


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    """Such as the tokenizer.model of Llama 3, which is a list of tokens in base64."""
    with pytest.raises(SFTError, match=r"SFT354.*no SentencePiece model"):
        load_decoder_tokenizer(write(tmp_path, b"IQ== 0\nIg== 1\n"))
    with pytest.raises(SFTError, match=r"SFT355.*tokenizer_class"):
        load_decoder_tokenizer(write(tmp_path, tiny_decoder_pieces("llama"), tokenizer_class="T5Tokenizer"))
