"""Tiny tokenizers of every family of decoders, trained on made-up sentences, and the folders that hold them."""

from __future__ import annotations

import json
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

from tiny_sentence_pieces import SENTENCES
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers, trainers

from sftkeras.backbones.hugging_face import load_decoder_tokenizer
from sftkeras.text import MarkedTokenizer
from sftkeras.text import Tokenizer as OurTokenizer

_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}{_REST}"
QWEN = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{_REST}"
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END, START_TURN, END_TURN = SPECIALS
IN_TEXTS = ["<think>", "\n\n\n"]  # tokens that are not special, and so found in any text
_OF_BYTES = ("gpt2", "smollm2", "llama3", "qwen")
_REPLACE = normalizers.Replace(" ", "▁")
# The steps of tokenizers whose characters are merged: what rewrites texts, and what splits them.
_OF_PIECES: dict[str, tuple[Any, Any]] = {
    "llama2": (normalizers.Sequence([normalizers.Prepend("▁"), _REPLACE]), None),
    "phi3": (normalizers.Sequence([normalizers.Prepend("▁"), _REPLACE]), None),
    "mistral": (None, pre_tokenizers.Metaspace(prepend_scheme="first", split=False)),
    "metaspace": (None, pre_tokenizers.Metaspace(prepend_scheme="always", split=True)),
    "gemma": (_REPLACE, pre_tokenizers.Split(" ", "merged_with_previous")),
}
FAMILIES = (*_OF_BYTES, *_OF_PIECES)
_TEXTS = [
    *SENTENCES * 5,
    *[
        "aaaa aaaa aaa",
        "      x",
        "I'll they're he's",
        "12 345 6789",
        "HELLO'S WE'VE",
        "a\n\nb\n",
        "...!?\n",
        "日本語 日本",
    ]
    * 5,
]


def _by_pattern(pattern: str) -> pre_tokenizers.PreTokenizer:
    return pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(pattern), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )


@cache
def tiny_tokenizer(family: str) -> Tokenizer:
    """Hugging Face's tokenizer of a family, trained on a few sentences."""
    tokenizer = _of_bytes(family) if family in _OF_BYTES else _of_pieces(family)
    tokenizer.add_tokens([AddedToken(it, normalized=False) for it in IN_TEXTS])
    return tokenizer


def _of_pieces(family: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE(unk_token="<unk>", fuse_unk=True, byte_fallback=True))
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    # Its own characters alone: "<" and "0" are no pieces, or one could be merged to a token of a byte.
    own = ["<unk>", *(f"<0x{byte:02X}>" for byte in range(256))]
    trainer = trainers.BpeTrainer(vocab_size=620, special_tokens=own, limit_alphabet=90, show_progress=False)
    tokenizer.train_from_iterator([text for text in _TEXTS if "\n" not in text] + ["a  b   c    d"] * 5, trainer)
    whole = json.loads(tokenizer.to_str()) | {"added_tokens": []}
    tokenizer = Tokenizer.from_str(json.dumps(whole))
    tokenizer.normalizer, tokenizer.pre_tokenizer = _OF_PIECES[family]
    strip = [decoders.Strip(" ", 1, 0)] if family != "gemma" else []
    tokenizer.decoder = decoders.Sequence(
        [decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse(), *strip]
    )
    takes_space = family == "phi3"
    tokenizer.add_special_tokens(
        [AddedToken(it, rstrip=takes_space, lstrip=takes_space and it == END_TURN, normalized=False) for it in SPECIALS]
    )
    return tokenizer


def _of_bytes(family: str) -> Tokenizer:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.pre_tokenizer = {
        "gpt2": lambda: pre_tokenizers.ByteLevel(add_prefix_space=False),
        "smollm2": lambda: pre_tokenizers.Sequence(
            [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
        ),
        "llama3": lambda: _by_pattern(LLAMA),
        "qwen": lambda: _by_pattern(QWEN),
    }[family]()
    if family == "qwen":
        tokenizer.normalizer = normalizers.NFC()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    if family == "smollm2":  # whose vocabulary is without some bytes, which it drops
        alphabet = [letter for letter in alphabet if letter not in "ĀāďÀÁõö÷øùú"]
    trainer = trainers.BpeTrainer(
        vocab_size=420, special_tokens=SPECIALS, initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator(_TEXTS, trainer)
    if family == "llama3":
        whole = json.loads(tokenizer.to_str())
        model = whole["model"] | {"ignore_merges": True}
        model["vocab"]["Ġunreachable"] = len(model["vocab"])  # which no merges make
        tokenizer = Tokenizer.from_str(json.dumps(whole | {"model": model}))
    return tokenizer


def settings_of(family: str) -> dict[str, Any]:
    """What tokenizer_config.json says."""
    return {"eos_token": END_TURN, "pad_token": END}


def write_tokenizer(folder: Path, family: str, **changed: Any) -> Path:
    """Writes the files of a family's tokenizer, some parts of tokenizer.json changed; returns the folder."""
    folder.mkdir(exist_ok=True, parents=True)
    whole = json.loads(tiny_tokenizer(family).to_str())
    (folder / "tokenizer.json").write_text(json.dumps(whole | changed))
    (folder / "tokenizer_config.json").write_text(json.dumps(settings_of(family)))
    return folder


@cache
def loaded(family: str) -> OurTokenizer:
    """Our tokenizer of a family, made of its files."""
    with tempfile.TemporaryDirectory() as folder:
        return load_decoder_tokenizer(write_tokenizer(Path(folder), family))


@cache
def marked(family: str) -> MarkedTokenizer:
    """What splits marked texts with the tokenizer of a family."""
    return MarkedTokenizer(loaded(family))
