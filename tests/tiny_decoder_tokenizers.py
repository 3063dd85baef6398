"""Tiny tokenizers of every family of decoders, trained on made-up sentences, and the folders that hold them."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import Any

from tiny_sentence_pieces import SENTENCES
from tokenizers import AddedToken, Regex, Tokenizer, models, normalizers, pre_tokenizers, trainers

_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
LLAMA = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}{_REST}"
QWEN = rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{_REST}"
SPECIALS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
END, START_TURN, END_TURN = SPECIALS
IN_TEXTS = ["<think>", "\n\n\n"]  # tokens that are not special, and so found in any text
_OF_BYTES = ("gpt2", "smollm2", "llama3", "qwen")
FAMILIES = _OF_BYTES
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
    tokenizer = Tokenizer(models.BPE())
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
    tokenizer.train_from_iterator(
        _TEXTS, trainers.BpeTrainer(vocab_size=420, special_tokens=SPECIALS, initial_alphabet=alphabet)
    )
    tokenizer.add_tokens([AddedToken(it, normalized=False) for it in IN_TEXTS])
    if family == "llama3":
        whole = json.loads(tokenizer.to_str())
        # A token that its own merges do not make, and one that two merges make.
        model = whole["model"] | {"ignore_merges": True}
        model["vocab"]["Ġunreachable"] = max(it["id"] for it in whole["added_tokens"]) + 1
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
