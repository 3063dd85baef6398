"""A tiny SentencePiece model with the settings of ALBERT's, and the tokenizer Hugging Face's library makes of it."""

from __future__ import annotations

import io
from functools import cache
from typing import Any

import sentencepiece
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]
from tokenizers import Tokenizer, models, normalizers, pre_tokenizers

SENTENCES = (
    "the good film has a plot and a moving story",
    "a bad and boring film with an awful ending",
    "great cast, lovely scenes: 1,000 people in 2,500 seats (on 9, 19, 29 may)",
    "unaffable, unaffordable, affable and able; the story of istanbul, of strasse and cafe",
    "in 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 or 15, at 9,99 or $5",
    "\"quoted\" - and 'not' quoted. what? it is so! the end...",
    "это хороший фильм и плохой конец",
    "这部 电影 很 好看 日本 日本語 と かな",
    "नमस्ते दुनिया",
    "👍 👍 🎬 🔥 ❤",
)


def train_pieces(**settings: Any) -> bytes:
    """The contents of a SentencePiece model, trained on a few made-up sentences."""
    model = io.BytesIO()
    usual = {"vocab_size": 240, "hard_vocab_limit": False, "normalization_rule_name": "nmt_nfkc"}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(SENTENCES * 20),
        model_writer=model,
        character_coverage=1.0,
        num_threads=1,
        minloglevel=2,
        **usual | settings,
    )
    return model.getvalue()


@cache
def tiny_sentence_pieces() -> bytes:
    """The contents of a spiece.model."""
    return train_pieces(
        split_by_number=False,
        split_by_unicode_script=False,
        pad_id=0,
        unk_id=1,
        bos_id=-1,
        eos_id=-1,
        control_symbols=["[CLS]", "[SEP]", "[MASK]"],
        user_defined_symbols=["(", ")", '"', "-", ".", "£"],
    )


@cache
def tiny_decoder_pieces(family: str) -> bytes:
    """The contents of a tokenizer.model with the settings of a family of decoders: "llama" or "gemma"."""
    is_gemma = family == "gemma"
    # Gemma has runs of spaces, of newlines and tags as pieces that were named before training.
    named = (
        ["▁▁", "▁▁▁", "▁▁▁▁", "▁▁▁▁▁", "▁▁▁▁▁▁", "▁▁▁▁▁▁▁", "\n", "\n\n", "<h1>", "<start_of_turn>", "<end_of_turn>"]
        if is_gemma
        else []
    )
    return train_pieces(
        model_type="bpe",
        vocab_size=600,
        hard_vocab_limit=True,
        byte_fallback=True,
        normalization_rule_name="identity",
        remove_extra_whitespaces=False,
        add_dummy_prefix=not is_gemma,
        split_digits=True,
        allow_whitespace_only_pieces=True,
        user_defined_symbols=named if is_gemma else [],
        **({"pad_id": 0, "eos_id": 1, "bos_id": 2, "unk_id": 3} if is_gemma else {}),
    )


def hugging_face_tokenizer(model: bytes, lowercase: bool = True, strip_accents: bool = True) -> Tokenizer:
    """Hugging Face's tokenizer of a model, as the tokenizer.json files of ALBERT on its hub have it."""
    proto = ModelProto.FromString(model)
    is_comma = [it.piece[-1:] == "," and it.piece[-2:-1].isdigit() for it in proto.pieces]
    pieces = [(it.piece, it.score - 100 * comma) for it, comma in zip(proto.pieces, is_comma, strict=True)]
    tokenizer = Tokenizer(models.Unigram(pieces, unk_id=1, byte_fallback=False))
    rules: list[normalizers.Normalizer] = [normalizers.Replace("``", '"'), normalizers.Replace("''", '"')]
    rules += [normalizers.NFKD(), normalizers.StripAccents()] if strip_accents else []
    rules += [normalizers.Lowercase()] if lowercase else []
    rules += [normalizers.Precompiled(proto.normalizer_spec.precompiled_charsmap)]
    tokenizer.normalizer = normalizers.Sequence(rules)
    words, spaces = pre_tokenizers.WhitespaceSplit(), pre_tokenizers.Metaspace("▁", prepend_scheme="always")
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([words, spaces])
    return tokenizer


def tokenizer_json() -> str:
    """The contents of the tokenizer.json of the tiny model."""
    tokenizer = hugging_face_tokenizer(tiny_sentence_pieces())
    tokenizer.add_special_tokens(["<pad>", "<unk>", "[CLS]", "[SEP]", "[MASK]"])
    return tokenizer.to_str()
