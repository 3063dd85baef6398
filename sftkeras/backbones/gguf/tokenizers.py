"""The vocabulary of a GGUF file as the files of Hugging Face: tokenizer.json, and tokenizer_config.json beside it.

A GGUF file names the kind of the tokenizer ("gpt2" for byte-level BPE, "llama" for SentencePiece's BPE) and, for the
first, the rule by which texts are split into words, where tokenizer.json has the rule itself.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sftkeras.backbones.gguf.file import GGUFFile, damaged, unsupported
from sftkeras.backbones.hugging_face.made_tokenizers import (
    GPT2,
    LLAMA3,
    QWEN2,
    SMOLLM,
    SPACE,
    MadeTokenizer,
    WordRule,
    added_token,
    byte_pair_tokenizer,
    framed,
    merges_of_scores,
    piece_tokenizer,
)

# Kinds of tokens.
NORMAL, UNKNOWN, CONTROL, USER_DEFINED, UNUSED, BYTE = range(1, 7)


SETTING = "tokenizer.ggml."
_TEMPLATE = "tokenizer.chat_template"
NAMED_TOKENS = {"bos_token": "bos", "eos_token": "eos", "unk_token": "unknown", "pad_token": "padding"}
# What may end a turn, beside the end of the text.
ENDS = ("eos", "eot", "eom")


WORD_RULES: Mapping[str, WordRule] = {
    "gpt-2": GPT2,
    "smollm": SMOLLM,
    "llama-bpe": LLAMA3,
    "llama3": LLAMA3,
    "llama-v3": LLAMA3,
    "qwen2": QWEN2,
    "deepseek-r1-qwen": QWEN2,
}


def is_gemma(architecture: str) -> bool:
    """Whether an architecture is a version of Gemma, of whose tokenizers llama.cpp knows more than files say."""
    return architecture.startswith("gemma")


def read_tokenizer(file: GGUFFile, architecture: str) -> MadeTokenizer:
    """Make the files of a tokenizer.

    Raises:
        SFTError: SFT398 if the vocabulary is not whole, SFT399 if its kind or its rule of splitting is not known.
    """
    vocabulary = _Vocabulary.of(file, architecture)
    match file.metadata.get(f"{SETTING}model"):
        case "gpt2":
            whole, adds_begin = _byte_pairs(file, architecture, vocabulary)
        case "llama":
            whole, adds_begin = _sentence_pieces(file, architecture, vocabulary), True
        case other:
            raise unsupported(file.path, f"{SETTING}model", other, ("gpt2", "llama"))
    numbers = _special_numbers(file, len(vocabulary.tokens))
    adds_begin = bool(file.get(f"{SETTING}add_bos_token", bool, adds_begin)) and "bos" in numbers
    if adds_begin:
        begin = vocabulary.tokens[numbers["bos"]]
        whole["post_processor"] = framed(begin, numbers["bos"])
    whole["added_tokens"] = vocabulary.added(architecture)
    return MadeTokenizer(
        whole, _settings(file, vocabulary, numbers, adds_begin, whole["added_tokens"]), _generation(numbers)
    )


@dataclass(frozen=True)
class _Vocabulary:
    """Tokens and their kinds, in the order of their numbers."""

    tokens: Sequence[str]
    kinds: Sequence[int]

    @classmethod
    def of(cls, file: GGUFFile, architecture: str) -> _Vocabulary:
        tokens = file.get_list(f"{SETTING}tokens", str)
        if not tokens:
            raise damaged(file.path, f"it has no {SETTING}tokens")
        kinds = file.get_list(f"{SETTING}token_type", int) or [NORMAL] * len(tokens)
        if len(kinds) != len(tokens):
            raise damaged(file.path, f"it has {len(tokens):,} tokens and {len(kinds):,} kinds of tokens")
        if is_gemma(architecture):  # llama.cpp writes the spaces of added tokens as spaces
            tokens = [SPACE * len(token) if set(token) == {" "} else token for token in tokens]
        return cls(tokens, kinds)

    def numbers(self) -> dict[str, int]:
        """Return the number of each token; rows of the embedding that no token uses are left out."""
        return {
            token: number
            for number, (token, kind) in enumerate(zip(self.tokens, self.kinds, strict=True))
            if kind != UNUSED
        }

    def added(self, architecture: str) -> list[dict[str, Any]]:
        """Return the tokens that are found in a text before it is split."""
        return [
            added_token(
                number,
                token,
                special=kind != USER_DEFINED,
                takes_space_behind=architecture == "phi3" and kind == CONTROL and token not in _PHI3_KEEPS_SPACE,
            )
            for number, (token, kind) in enumerate(zip(self.tokens, self.kinds, strict=True))
            if kind in (UNKNOWN, CONTROL, USER_DEFINED)
        ]


# Phi-3's special tokens take the space behind them, but for these, as in llama.cpp (src/llama-vocab.cpp).
_PHI3_KEEPS_SPACE = ("<unk>", "<s>", "<|endoftext|>")


def _byte_pairs(file: GGUFFile, architecture: str, vocabulary: _Vocabulary) -> tuple[dict[str, Any], bool]:
    """Return tokenizer.json of byte-level BPE, and whether texts begin with a token of their own by default."""
    key = f"{SETTING}pre"
    name = file.get(key, str, "gpt-2" if architecture == "gpt2" else None)
    rule = WORD_RULES.get(str(name))
    if rule is None:
        raise unsupported(file.path, key, name, WORD_RULES)
    merges = file.get_list(f"{SETTING}merges", str)
    if merges is None:
        raise damaged(file.path, f"it has no {SETTING}merges")
    pairs = [merge.split(" ") for merge in merges]
    return byte_pair_tokenizer(vocabulary.numbers(), pairs, rule), rule.adds_begin


def _sentence_pieces(file: GGUFFile, architecture: str, vocabulary: _Vocabulary) -> dict[str, Any]:
    """Return tokenizer.json of SentencePiece's BPE, whose merges are found from the pieces and their scores."""
    of_gemma = is_gemma(architecture)
    scores = file.get_list(f"{SETTING}scores", float)
    if scores is None or len(scores) != len(vocabulary.tokens):
        raise damaged(file.path, f"it has no {SETTING}scores for its tokens")
    if of_gemma:
        # llama.cpp gives added tokens, runs of spaces among them, a score of its own; in Gemma's file they come first.
        scores = [
            math.inf if kind == USER_DEFINED else score for kind, score in zip(vocabulary.kinds, scores, strict=True)
        ]
    unknown = next((it for it, kind in zip(vocabulary.tokens, vocabulary.kinds, strict=True) if kind == UNKNOWN), None)
    prefix = bool(file.get(f"{SETTING}add_space_prefix", bool, not of_gemma))
    return piece_tokenizer(
        vocabulary.numbers(),
        merges_of_scores(vocabulary.numbers(), dict(zip(vocabulary.tokens, scores, strict=True))),
        unknown=unknown,
        byte_fallback=BYTE in vocabulary.kinds,
        prefix=prefix,
        spaces_stay_left=of_gemma and not prefix,
    )


def _special_numbers(file: GGUFFile, size: int) -> dict[str, int]:
    """Return the numbers of the tokens with a role, as far as the file names them, by the role's name there."""
    found = {}
    for role in {*NAMED_TOKENS.values(), *ENDS}:
        key = f"{SETTING}{role}_token_id"
        number = file.get(key, int)
        if number is not None and not 0 <= number < size:
            raise damaged(file.path, f"{key} is {number}, of {size:,} tokens")
        if number is not None:
            found[role] = number
    return found


def _settings(
    file: GGUFFile,
    vocabulary: _Vocabulary,
    numbers: Mapping[str, int],
    adds_begin: bool,
    added: Sequence[Mapping[str, Any]],
) -> dict[str, Any]:
    named = {name: vocabulary.tokens[numbers[role]] for name, role in NAMED_TOKENS.items() if role in numbers}
    settings = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "add_bos_token": adds_begin,
        "add_eos_token": bool(file.get(f"{SETTING}add_eos_token", bool)),
        "clean_up_tokenization_spaces": False,
        **named,
        "added_tokens_decoder": {
            str(token["id"]): {key: value for key, value in token.items() if key != "id"} for token in added
        },
    }
    return settings | _templates(file)


def _templates(file: GGUFFile) -> dict[str, Any]:
    """Return the chat templates: one, or several with names of which one is the default."""
    default = file.get(_TEMPLATE, str)
    named = {
        key.removeprefix(f"{_TEMPLATE}."): file.get(key, str)
        for key in file.metadata
        if key.startswith(f"{_TEMPLATE}.")
    }
    if default is None:
        return {}
    if not named:
        return {"chat_template": default}
    templates = {"default": default, **named}
    return {"chat_template": [{"name": name, "template": template} for name, template in templates.items()]}


def _generation(numbers: Mapping[str, int]) -> dict[str, Any]:
    ends = list(dict.fromkeys(numbers[role] for role in ENDS if role in numbers))
    found = {"bos_token_id": numbers.get("bos"), "eos_token_id": ends[0] if len(ends) == 1 else ends or None}
    found["pad_token_id"] = numbers.get("padding")
    return {key: value for key, value in found.items() if value is not None}
