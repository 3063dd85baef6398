"""Words by the patterns of GPT-4o and Tekken: those that `tokenizers` finds by its regular expressions."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest
import tensorflow as tf
from hostile_texts import hostile_texts
from tiny_decoder_tokenizers import tiny_tokenizer
from tokenizers import Regex, pre_tokenizers

from sftkeras.backbones.hugging_face import read_decoder_tokenizer
from sftkeras.backbones.hugging_face.decoder_json import ByteRules
from sftkeras.text.tokenizers.byte_words import ByteSplitting, split_words

_WORDS = (
    r"[^\r\n\p{{L}}\p{{N}}]?[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}]*[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}]+{end}"
    r"|[^\r\n\p{{L}}\p{{N}}]?[\p{{Lu}}\p{{Lt}}\p{{Lm}}\p{{Lo}}\p{{M}}]+[\p{{Ll}}\p{{Lm}}\p{{Lo}}\p{{M}}]*{end}"
    r"|\p{{N}}{digits}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
# As tokenizer.json of Phi-4-mini and Mistral NeMo have them.
PATTERNS: dict[ByteSplitting, str] = {
    "o200k": _WORDS.format(end="(?i:'s|'t|'re|'ve|'m|'ll|'d)?", digits="{1,3}"),
    "tekken": _WORDS.format(end="", digits=""),
}
# What the patterns treat apart, close together: capitals, letters without case, marks, quotes, slashes behind signs.
CLOSE = "aAbB日ʰ\u0301\u0301''''sStlLrReEvVmdD!!//\n\n\r  \t1ǅſ¹"
TEXTS = [
    "a's's's'S's",
    "日AB AB日 日Ab",
    "!!\u0301\n//!\u0301\n/a",
    " !\u0301a \u0301AB",
    "HELLO'Llx'reD",
    "x\u0301's \n/a",
    "",
]


def close_texts(count: int) -> list[str]:
    draw = random.Random(5)
    return ["".join(draw.choices(CLOSE, k=draw.randrange(25))) for _ in range(count)]


@pytest.mark.parametrize("splitting", PATTERNS)
def test_words_are_those_of_the_regular_expression(splitting: ByteSplitting) -> None:
    reference = pre_tokenizers.Split(Regex(PATTERNS[splitting]), "isolated")
    texts = [*TEXTS, "", *close_texts(3_000), *hostile_texts(2_000)]
    found = [[word.decode() for word in words] for words in split_words(tf.constant(texts), splitting).to_list()]
    pairs = zip(texts, found, strict=True)
    wrong = [text for text, words in pairs if words != [word for word, _ in reference.pre_tokenize_str(text)]]
    assert sorted(wrong, key=len)[:3] == []


@pytest.mark.parametrize("splitting", PATTERNS)
def test_the_pattern_of_a_tokenizer_json_is_followed(splitting: ByteSplitting, tmp_path: Path) -> None:
    whole = json.loads(tiny_tokenizer("gpt2").to_str())
    split = {"type": "Split", "pattern": {"Regex": PATTERNS[splitting]}, "behavior": "Removed", "invert": True}
    bytes_alone = {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": False}
    whole["pre_tokenizer"] = {"type": "Sequence", "pretokenizers": [split, bytes_alone]}
    (tmp_path / "tokenizer.json").write_text(json.dumps(whole), encoding="utf-8")
    (tmp_path / "tokenizer_config.json").write_text(json.dumps({"eos_token": "<|im_end|>"}), encoding="utf-8")
    rules = read_decoder_tokenizer(tmp_path).rules
    assert isinstance(rules, ByteRules)
    assert (rules.splitting, rules.normal_form, rules.whole_words) == (splitting, "", False)
