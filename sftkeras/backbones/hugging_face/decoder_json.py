"""The steps of a decoder's tokenizer.json: each is followed, or refused by its name. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.backbones.hugging_face.tokenizer_json import flat, refuse, shown_step

if TYPE_CHECKING:
    from sftkeras.text.tokenizers.byte_words import ByteSplitting
    from sftkeras.text.tokenizers.character_pair import Prefix

# The settings of a model that change tokens, with the values that are followed.
_MODEL: dict[str, tuple[Any, ...]] = {
    "type": ("BPE",),
    "dropout": (None, 0.0),
    "continuing_subword_prefix": (None, ""),
    "end_of_word_suffix": (None, ""),
}
_CONTRACTIONS = "(?i:'s|'t|'re|'ve|'m|'ll|'d)"
_REST = r"| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_SIGNS_AND_SPACES = r"| ?[^\s\p{L}\p{N}]+[\r\n/]*|\s*[\r\n]+|\s+(?!\S)|\s+"
_CAPITALS, _SMALL = r"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", r"[\p{Ll}\p{Lm}\p{Lo}\p{M}]"


def _cased(end: str, digits: str) -> str:
    """A pattern that looks at the case of letters, with what may end a word."""
    before = r"[^\r\n\p{L}\p{N}]?"
    words = rf"{before}{_CAPITALS}*{_SMALL}+{end}|{before}{_CAPITALS}+{_SMALL}*{end}"
    return rf"{words}|\p{{N}}{digits}{_SIGNS_AND_SPACES}"


# The patterns of pre_tokenizer that are known, letter by letter.
_PATTERNS: dict[str, ByteSplitting] = {
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{{1,3}}{_REST}": "llama3",
    rf"{_CONTRACTIONS}|[^\r\n\p{{L}}\p{{N}}]?\p{{L}}+|\p{{N}}{_REST}": "qwen",
    _cased(f"{_CONTRACTIONS}?", "{1,3}"): "o200k",
    _cased("", ""): "tekken",
}
_PREPENDED = {"type": "Prepend", "prepend": "▁"}
_SPACES = {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}
_NO_SPACE_LEFT = {"type": "Split", "pattern": {"String": " "}, "behavior": "MergedWithPrevious", "invert": False}
_STRIPPED = {"type": "Strip", "content": " ", "start": 1, "stop": 0}  # of the decoder
_SCHEMES: dict[str, Prefix] = {"always": "unless space", "first": "first", "never": "never"}
_KNOWN = (
    "ByteLevel with use_regex true",
    "Digits with individual_digits true before it",
    "Split by the pattern of Llama 3, Qwen, GPT-4o or Tekken before ByteLevel with use_regex false",
)


@dataclass(frozen=True)
class ByteRules:
    """Normalisation and splitting of texts before byte pairs are merged; see `sftkeras.text.BytePair`.

    Attributes:
        splitting: which characters are merged to tokens together.
        normal_form: of texts, "" for none.
        whole_words: whether a word that is a token becomes this token, whatever the merges make of it.
        unknown: what stands for a byte that is no token; None if such are dropped.
    """

    splitting: ByteSplitting
    normal_form: str
    whole_words: bool
    unknown: str | None


@dataclass(frozen=True)
class PieceRules:
    """Normalisation of texts before characters are merged; see `sftkeras.text.CharacterPair`."""

    prefix: Prefix
    spaces_apart: bool
    strips_first_space: bool


def read_rules(whole: Mapping[str, Any], folder: Path) -> ByteRules | PieceRules:
    """Return the rules of a byte-level tokenizer, or of one with byte fallback.

    Raises:
        SFTError: SFT355 for a step that is not followed.
    """
    model = whole.get("model") or {}
    for key, known in _MODEL.items():
        if (value := model.get(key, known[0])) not in known:
            refuse(folder, f"model.{key}", value, known)
    return _piece_rules(whole, folder) if model.get("byte_fallback") else _byte_rules(whole, folder)


def _byte_rules(whole: Mapping[str, Any], folder: Path) -> ByteRules:
    model, form = whole["model"], ""
    for normalizer in flat(whole.get("normalizer"), "normalizers"):
        if normalizer != {"type": "NFC"}:
            refuse(folder, "normalizer", shown_step(normalizer), ["null", "NFC"])
        form = "NFC"
    return ByteRules(_splitting(whole, folder), form, bool(model.get("ignore_merges")), model.get("unk_token"))


def _splitting(whole: Mapping[str, Any], folder: Path) -> ByteSplitting:
    splitters = flat(whole.get("pre_tokenizer"), "pretokenizers")
    *before, last = splitters or [{}]
    if last.get("type") == "ByteLevel" and not last.get("add_prefix_space"):
        by_regex = last.get("use_regex", True)
        match before:
            case [] if by_regex:
                return "gpt2"
            case [{"type": "Digits", "individual_digits": True}] if by_regex:
                return "gpt2 digits"
            case [{"type": "Split", "pattern": {"Regex": pattern}} as split] if not by_regex and _is_all(split):
                if pattern in _PATTERNS:
                    return _PATTERNS[pattern]
    refuse(folder, "pre_tokenizer", " ".join(map(shown_step, splitters)) or None, _KNOWN)


def _is_all(split: Mapping[str, Any]) -> bool:
    """Whether each match of the pattern becomes a word: nothing is between matches."""
    return (split.get("behavior"), bool(split.get("invert"))) in (("Isolated", False), ("Removed", True))


def _piece_rules(whole: Mapping[str, Any], folder: Path) -> PieceRules:
    if whole["model"].get("ignore_merges"):
        refuse(folder, "model.ignore_merges", True, ["false, with byte_fallback"])
    normalizers = flat(whole.get("normalizer"), "normalizers")
    splitters = flat(whole.get("pre_tokenizer"), "pretokenizers")
    strips = _STRIPPED in flat(whole.get("decoder"), "decoders")
    if splitters in ([], [_NO_SPACE_LEFT]):
        if normalizers == [_PREPENDED, _SPACES]:
            return PieceRules("always", spaces_apart=False, strips_first_space=strips)
        if normalizers == [_SPACES]:
            return PieceRules("never", spaces_apart=False, strips_first_space=strips)
        refuse(
            folder,
            "normalizer",
            " ".join(map(shown_step, normalizers)) or None,
            ['Replace " " by "▁"', 'Prepend "▁" before it'],
        )
    match splitters:
        case [{"type": "Metaspace", "replacement": "▁"} as spaces]:
            scheme = spaces.get("prepend_scheme", "always" if spaces.get("add_prefix_space", True) else "never")
            if normalizers:
                refuse(folder, "normalizer", " ".join(map(shown_step, normalizers)), ["null, before Metaspace"])
            if scheme in _SCHEMES:
                return PieceRules(_SCHEMES[scheme], bool(spaces.get("split", True)), strips)
    refuse(folder, "pre_tokenizer", " ".join(map(shown_step, splitters)), ["null", 'Metaspace "▁"'])
