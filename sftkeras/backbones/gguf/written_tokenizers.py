"""The tokenizer's files of a Hugging Face folder as a GGUF file says them: the inverse of `tokenizers`."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from sftkeras.backbones.gguf.tokenizers import (
    BYTE,
    CONTROL,
    ENDS,
    NAMED_TOKENS,
    NORMAL,
    SETTING,
    UNKNOWN,
    UNUSED,
    USER_DEFINED,
    WORD_RULES,
    is_gemma,
)
from sftkeras.backbones.gguf.written_settings import refused
from sftkeras.backbones.hugging_face import read_decoder_tokenizer
from sftkeras.backbones.hugging_face.added_tokens import token_name
from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.backbones.hugging_face.decoder_json import ByteRules, PieceRules, read_rules
from sftkeras.backbones.hugging_face.decoder_tokenizers import DecoderTokenizerFiles
from sftkeras.backbones.hugging_face.made_tokenizers import (
    SPACE,
    byte_pair_tokenizer,
    merges_of_scores,
)
from sftkeras.backbones.hugging_face.tokenizer_rules import read_settings

_OF_ADDED = -1000.0  # the score that llama.cpp gives tokens that no merge makes


@dataclass(frozen=True)
class WrittenTokenizer:
    """Settings of a file's tokenizer.

    Attributes:
        model: "gpt2" of byte-level BPE, "llama" of SentencePiece's.
        tokens: in the order of their numbers, with names for rows of the embedding that no token uses.
        kinds: of each.
        more: other settings by their keys: strings, numbers, truth values and lists.
        template: chat templates; one, several with names, or None.
        ends: the strings that end an answer.
        begin: the string that is put before texts; None if there is none.
    """

    model: str
    tokens: Sequence[str]
    kinds: Sequence[int]
    more: Mapping[str, Any]
    template: str | list[dict[str, str]] | None
    ends: tuple[str, ...]
    begin: str | None


def written_tokenizer(folder: Path, rows: int, architecture: str) -> WrittenTokenizer:
    """Read the tokenizer of a decoder's folder for a file.

    Args:
        folder: has a tokenizer.json.
        rows: of the embedding.
        architecture: its name in the file.

    Raises:
        SFTError: SFT334 if GGUF files have no form for its rules.
    """
    files = read_decoder_tokenizer(folder)
    model, more = _rules(files, folder, architecture)
    tokens = {number: token for token, number in files.vocabulary.numbers.items()}
    names = [tokens.get(number, f"[PAD{number}]") for number in range(rows)]
    kinds = _kinds(files, folder, rows, pieces=model == "llama")
    if model == "llama":
        more = {**more, f"{SETTING}scores": _scores(files, names, kinds, architecture)}
    if is_gemma(architecture):  # as llama.cpp writes them, and the reader undoes
        names = [
            name.replace(SPACE, " ") if kind == USER_DEFINED else name for name, kind in zip(names, kinds, strict=True)
        ]
    ends = tuple(tokens[number] for number in files.tokens.end_ids)
    more = {**more, **_roles(files, read_settings(folder))}
    begin = None if files.tokens.begin_id is None else tokens[files.tokens.begin_id]
    return WrittenTokenizer(model, names, kinds, more, _templates(folder), ends, begin)


def _rules(files: DecoderTokenizerFiles, folder: Path, architecture: str) -> tuple[str, dict[str, Any]]:
    rules = files.rules
    if isinstance(rules, PieceRules):
        if rules.spaces_apart:
            raise refused("a tokenizer that keeps spaces apart from words has no form there")
        return "llama", {f"{SETTING}pre": "default", f"{SETTING}add_space_prefix": rules.prefix != "never"}
    merges = [" ".join(merge) for merge in files.vocabulary.merges]
    return "gpt2", {f"{SETTING}pre": _word_rule(rules, folder), f"{SETTING}merges": merges}


def _word_rule(rules: ByteRules, folder: Path) -> str:
    """Return the name of the rule by which texts are split into words."""
    wanted = replace(rules, unknown=None)
    for name, rule in WORD_RULES.items():
        if read_rules(byte_pair_tokenizer({}, [], rule), folder) == wanted:
            return name
    raise refused(f"the rule by which the tokenizer splits words ({rules.splitting}) is not written there")


def _kinds(files: DecoderTokenizerFiles, folder: Path, rows: int, *, pieces: bool) -> list[int]:
    kinds = [UNUSED] * rows
    for token, number in files.vocabulary.numbers.items():
        is_byte = pieces and len(token) == 6 and token.startswith("<0x") and token.endswith(">")
        kinds[number] = BYTE if is_byte else NORMAL
    for number in files.tokens.special.values():
        kinds[number] = CONTROL if number in files.tokens.skipped else USER_DEFINED
    unknown = read_json(folder / "tokenizer.json")["model"].get("unk_token")
    if pieces and unknown in files.vocabulary.numbers:
        kinds[files.vocabulary.numbers[unknown]] = UNKNOWN
    return kinds


def _scores(files: DecoderTokenizerFiles, names: Sequence[str], kinds: Sequence[int], architecture: str) -> list[float]:
    """Give each piece a score, so that the best piece is what the first possible merge makes.

    Raises:
        SFTError: SFT334 if no scores tell the merges.
    """
    places: dict[str, int] = {}
    for place, (left, right) in enumerate(files.vocabulary.merges):
        places.setdefault(left + right, place)
    scores = [
        -float(places.get(name, len(places))) if kind == NORMAL else _OF_ADDED if kind != BYTE else 0.0
        for name, kind in zip(names, kinds, strict=True)
    ]
    first = is_gemma(architecture)
    read = [math.inf if first and kind == USER_DEFINED else score for score, kind in zip(scores, kinds, strict=True)]
    numbers = {name: number for number, (name, kind) in enumerate(zip(names, kinds, strict=True)) if kind != UNUSED}
    found = merges_of_scores(numbers, dict(zip(names, read, strict=True)))
    if [tuple(merge) for merge in found] != [tuple(merge) for merge in files.vocabulary.merges]:
        raise refused("the merges of its tokenizer do not follow from scores of its pieces")
    return scores


def _roles(files: DecoderTokenizerFiles, settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the numbers of tokens with a role, and whether the first is put before texts."""
    numbers: dict[str, int] = {}
    for key, role in NAMED_TOKENS.items():
        if (number := files.vocabulary.numbers.get(token_name(settings.get(key)))) is not None:
            numbers[role] = number
    tokens = files.tokens
    if tokens.begin_id is not None:
        numbers["bos"] = tokens.begin_id
    numbers["padding"] = tokens.pad_id
    numbers |= dict(zip(ENDS, tokens.end_ids, strict=False))
    roles = {f"{SETTING}{role}_token_id": number for role, number in numbers.items()}
    adds_end = bool(settings.get("add_eos_token"))
    return {**roles, f"{SETTING}add_bos_token": tokens.begin_id is not None, f"{SETTING}add_eos_token": adds_end}


def _templates(folder: Path) -> str | list[dict[str, str]] | None:
    """Return the chat template of a folder, or all that its settings name."""
    alone = folder / "chat_template.jinja"
    return alone.read_text(encoding="utf-8") if alone.exists() else read_settings(folder).get("chat_template")
