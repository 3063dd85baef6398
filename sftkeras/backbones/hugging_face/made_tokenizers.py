"""Parts of a tokenizer.json, for formats that have none: SentencePiece models, GGUF files, KerasHub presets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

SPACE = "▁"  # how SentencePiece writes a space

# The expressions that Hugging Face's own tokenizer.json of each family has.
_GPT4_WORDS = (
    r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}%s| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
)
_LLAMA3_WORDS, _QWEN2_WORDS = _GPT4_WORDS % "{1,3}", _GPT4_WORDS % ""


@dataclass(frozen=True)
class MadeTokenizer:
    """The files of a tokenizer, as the objects that are written as JSON.

    Attributes:
        whole: tokenizer.json.
        settings: tokenizer_config.json.
        generation: generation_config.json: the tokens of beginning, end and padding by number.
    """

    whole: dict[str, Any]
    settings: dict[str, Any]
    generation: dict[str, Any]


@dataclass(frozen=True)
class WordRule:
    """Rule by which texts are split before bytes are merged.

    Attributes:
        splitter: the pre-tokenizer of tokenizer.json.
        normalizer: what is done to texts before, or None.
        ignore_merges: whether a word that is a token is not built by merges.
        adds_begin: whether the token of the beginning is put before texts where the file does not say.
    """

    splitter: Mapping[str, Any]
    normalizer: Mapping[str, Any] | None = None
    ignore_merges: bool = False
    adds_begin: bool = False


def byte_level(*, use_regex: bool) -> dict[str, Any]:
    """Return the step that writes bytes as letters, and splits by GPT-2's pattern if `use_regex`."""
    return {"type": "ByteLevel", "add_prefix_space": False, "trim_offsets": True, "use_regex": use_regex}


def _sequence(*steps: Mapping[str, Any]) -> dict[str, Any]:
    return {"type": "Sequence", "pretokenizers": list(steps)}


def words(expression: str) -> dict[str, Any]:
    """Return the pre-tokenizer whose words are what an expression matches."""
    pattern = {"type": "Split", "pattern": {"Regex": expression}, "behavior": "Isolated", "invert": False}
    return _sequence(pattern, byte_level(use_regex=False))


GPT2 = WordRule(byte_level(use_regex=True))
SMOLLM = WordRule(_sequence({"type": "Digits", "individual_digits": True}, byte_level(use_regex=True)))
LLAMA3 = WordRule(words(_LLAMA3_WORDS), ignore_merges=True, adds_begin=True)
QWEN2 = WordRule(words(_QWEN2_WORDS), normalizer={"type": "NFC"})


def byte_pair_tokenizer(numbers: Mapping[str, int], merges: Sequence[Sequence[str]], rule: WordRule) -> dict[str, Any]:
    """Return the tokenizer.json of byte-level BPE, without added tokens."""
    model = {
        **_bpe(numbers, merges),
        "unk_token": None,
        "fuse_unk": False,
        "byte_fallback": False,
        "ignore_merges": rule.ignore_merges,
    }
    decoder = byte_level(use_regex=True) | {"add_prefix_space": True}
    return _whole(rule.normalizer, rule.splitter, model, decoder)


def piece_tokenizer(
    numbers: Mapping[str, int],
    merges: Sequence[Sequence[str]],
    *,
    unknown: str | None,
    byte_fallback: bool,
    prefix: bool,
    spaces_stay_left: bool,
) -> dict[str, Any]:
    """Return the tokenizer.json of SentencePiece's BPE, without added tokens.

    Args:
        numbers: of each piece.
        merges: left and right part of each merge, the first ones first; see `merges_of_scores`.
        unknown: the piece of what is none.
        byte_fallback: whether characters that are no pieces become tokens of bytes.
        prefix: whether a space is put before texts.
        spaces_stay_left: whether texts are split behind spaces, of which none are left to split at: what the
            tokenizer.json of Gemma has, to no effect.
    """
    model = {
        **_bpe(numbers, merges),
        "unk_token": unknown,
        "fuse_unk": True,
        "byte_fallback": byte_fallback,
        "ignore_merges": False,
    }
    spaces = {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}
    ending: list[dict[str, Any]] = [
        {"type": "Replace", "pattern": {"String": SPACE}, "content": " "},
        {"type": "ByteFallback"},
        {"type": "Fuse"},
    ]
    normalizer: dict[str, Any] = spaces
    if prefix:
        normalizer = {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": SPACE}, spaces]}
        ending.append({"type": "Strip", "content": " ", "start": 1, "stop": 0})
    pattern = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
    splitter = pattern if spaces_stay_left else None
    return _whole(normalizer, splitter, model, {"type": "Sequence", "decoders": ending})


def merges_of_scores(numbers: Mapping[str, int], scores: Mapping[str, float]) -> list[list[str]]:
    """Find the merges of SentencePiece's BPE: each way to join two pieces to a third, that of the best score first.

    So does Hugging Face's converter (`generate_merges` of transformers), whose order among equals is kept.
    """
    found = []
    for piece in numbers:
        ways = [
            (piece[:cut], piece[cut:])
            for cut in range(1, len(piece))
            if piece[:cut] in numbers and piece[cut:] in numbers
        ]
        ways.sort(key=lambda way: (numbers[way[0]], numbers[way[1]]))
        found += [(scores[piece], len(left), len(right), left, right) for left, right in ways]
    found.sort(key=lambda it: it[:3], reverse=True)
    return [[left, right] for *_, left, right in found]


def framed(begin: str, number: int) -> dict[str, Any]:
    """Return the post-processor that puts the token of the beginning before each text."""

    def piece(name: str, segment: int) -> list[dict[str, Any]]:
        return [{"SpecialToken": {"id": begin, "type_id": segment}}, {"Sequence": {"id": name, "type_id": segment}}]

    return {
        "type": "TemplateProcessing",
        "single": piece("A", 0),
        "pair": piece("A", 0) + piece("B", 1),
        "special_tokens": {begin: {"id": begin, "ids": [number], "tokens": [begin]}},
    }


def added_token(number: int, content: str, *, special: bool, takes_space_behind: bool = False) -> dict[str, Any]:
    """Return a token that is found in a text before it is split."""
    return {
        "id": number,
        "content": content,
        "single_word": False,
        "lstrip": False,
        "rstrip": takes_space_behind,
        "normalized": False,
        "special": special,
    }


def _bpe(numbers: Mapping[str, int], merges: Sequence[Sequence[str]]) -> dict[str, Any]:
    return {
        "type": "BPE",
        "dropout": None,
        "continuing_subword_prefix": None,
        "end_of_word_suffix": None,
        "vocab": dict(numbers),
        "merges": [list(merge) for merge in merges],
    }


def _whole(normalizer: Any, splitter: Any, model: Any, decoder: Any) -> dict[str, Any]:
    return {
        "version": "1.0",
        "truncation": None,
        "padding": None,
        "added_tokens": [],
        "normalizer": normalizer,
        "pre_tokenizer": splitter,
        "post_processor": None,
        "decoder": decoder,
        "model": model,
    }
