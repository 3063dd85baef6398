"""The tokens that were added to a vocabulary, from all files that list them. Imports no TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.backbones.hugging_face.tokenizer_json import WHOLE
from sftkeras.errors import SFTError

ADDED, SETTINGS = "added_tokens.json", "tokenizer_config.json"

_DECODER = "added_tokens_decoder"
_IN_TEXTS = "sftkeras_tokens_in_texts"  # our own key, which other readers leave alone
# By which Hugging Face finds a token elsewhere than where it stands letter by letter.
OTHER_RULES = ("lstrip", "rstrip", "single_word")
NORMALIZED = "normalized"  # it is found in the rewritten text, itself rewritten
# What becomes of such tokens: they are found so; the text is not rewritten, so they are as others; or neither can be.
Normalizing = Literal["followed", "the same", "refused"]
_NAMES = ("cls_token", "sep_token", "pad_token", "unk_token", "mask_token", "bos_token", "eos_token")
_LISTS = ("additional_special_tokens", "extra_special_tokens")
# The vocabularies' own special tokens stand around texts, and never come from one.
_AROUND = {f"[{name}]" for name in ("PAD", "UNK", "CLS", "SEP", "MASK")} | {
    f"<{name}>" for name in ("s", "pad", "/s", "unk", "mask")
}


@dataclass(frozen=True)
class AddedTokens:
    """The number of each string that is a token wherever a text has it.

    Attributes:
        in_raw: found in raw texts.
        in_rewritten: found in texts as the tokenizer rewrites them, and rewritten themselves.
    """

    in_raw: dict[str, int] = field(default_factory=dict)
    in_rewritten: dict[str, int] = field(default_factory=dict)

    @property
    def needed(self) -> int:
        """Number of rows of an embedding that they need."""
        return max((number + 1 for number in (self.in_raw | self.in_rewritten).values()), default=0)


@dataclass(frozen=True)
class ListedToken:
    """An added token as a file lists it, with the rules by which it is found."""

    content: str
    number: int
    rules: Mapping[str, Any]
    path: Path


def token_name(token: Any) -> Any:
    """The string of a special token, which settings give as it is or with its rules."""
    return token.get("content") if isinstance(token, Mapping) else token


def read_added(
    folder: Path,
    settings: Mapping[str, Any],
    whole: Mapping[str, Any],
    numbers: Mapping[str, int],
    normalizing: Normalizing,
) -> AddedTokens:
    """Reads which tokens were added.

    Args:
        folder: of the tokenizer's files.
        settings: what tokenizer_config.json says.
        whole: what tokenizer.json says; empty if there is none.
        numbers: of the vocabulary's tokens.
        normalizing: what becomes of tokens that are to be found in rewritten texts.

    Raises:
        SFTError: SFT354 if they are not written as they should be, SFT388 if one is found by rules that are not known.
    """
    listed = {it.content: it for it in listed_tokens(folder, settings, whole, numbers)}
    if (found := settings.get(_IN_TEXTS)) is not None:
        listed = {content: it for content, it in listed.items() if content in found}
    else:
        around = _AROUND | {token_name(settings.get(name)) for name in _NAMES}
        listed = {content: it for content, it in listed.items() if content not in around}
    added = AddedTokens()
    for token in listed.values():
        if not token.content.isprintable() or token.content != token.content.strip() or not token.content:
            raise SFTError("SFT354", path=token.path, problem=f"it adds {token.content!r}, which is no token")
        rules = (*OTHER_RULES, *([NORMALIZED] if normalizing == "refused" else []))
        if rule := next((rule for rule in rules if token.rules.get(rule)), None):
            raise SFTError("SFT388", folder=folder, token=token.content, rule=rule, file=token.path.name)
        is_rewritten = normalizing == "followed" and token.rules.get(NORMALIZED)
        (added.in_rewritten if is_rewritten else added.in_raw)[token.content] = token.number
    return added


def written_added(added: AddedTokens) -> dict[str, Any]:
    """The settings that say so."""
    plain = {"special": True, **dict.fromkeys((*OTHER_RULES, NORMALIZED), False)}
    tokens = [(number, string, plain) for string, number in added.in_raw.items()]
    rewritten = {**plain, "special": False, NORMALIZED: True}
    tokens += [(number, string, rewritten) for string, number in added.in_rewritten.items()]
    tokens.sort(key=lambda token: token[0])
    return {
        _DECODER: {str(number): {"content": string, **rules} for number, string, rules in tokens},
        _IN_TEXTS: [string for _, string, _ in tokens],
    }


def add_to_files(folder: Path, numbers: Mapping[str, int]) -> None:
    """Lists strings as special tokens in a tokenizer's files, but for those that these list already.

    Args:
        folder: of the files, which are changed where transformers reads added tokens from.
        numbers: the number of each string.
    """
    settings = read_json(folder / SETTINGS) if (folder / SETTINGS).exists() else {}
    whole = read_json(folder / WHOLE) if (folder / WHOLE).exists() else {}
    known = {it.content for it in listed_tokens(folder, settings, whole, numbers)}
    if not (new := {string: number for string, number in numbers.items() if string not in known}):
        return
    rules = {"special": True, **dict.fromkeys((*OTHER_RULES, NORMALIZED), False)}
    if whole:
        tokens = [{"id": number, "content": string, **rules} for string, number in new.items()]
        whole["added_tokens"] = sorted([*(whole.get("added_tokens") or ()), *tokens], key=lambda token: token["id"])
        _write_json(folder / WHOLE, whole)
    if _DECODER not in settings and (folder / ADDED).exists():
        _write_json(folder / ADDED, {**read_json(folder / ADDED), **new})
        settings[_LISTS[0]] = [*_values(settings.get(_LISTS[0])), *new]
    elif _DECODER in settings or not whole:
        tokens_by_number = {str(number): {"content": string, **rules} for string, number in new.items()}
        settings[_DECODER] = {**(settings.get(_DECODER) or {}), **tokens_by_number}
    _write_json(folder / SETTINGS, settings)


def _write_json(path: Path, content: Mapping[str, Any]) -> None:
    path.write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def listed_tokens(
    folder: Path, settings: Mapping[str, Any], whole: Mapping[str, Any], numbers: Mapping[str, int]
) -> Iterator[ListedToken]:
    """Every token that a file lists as added, the file that counts most last."""
    named = {token_name(token) for key in _LISTS for token in _values(settings.get(key))}
    if _DECODER not in settings and (folder / ADDED).exists():
        for content, number in read_json(folder / ADDED).items():
            # As transformers reads this file: what is no special token is found in the rewritten text.
            yield _token(content, number, {NORMALIZED: content not in named}, folder / ADDED)
    for token in _entries(whole.get("added_tokens"), folder / WHOLE):
        yield _token(token.get("content"), token.get("id"), token, folder / WHOLE)
    decoder = settings.get(_DECODER) or {}
    if not isinstance(decoder, Mapping):
        raise SFTError("SFT354", path=folder / SETTINGS, problem=f"its {_DECODER} is not as it should be")
    for number, token in decoder.items():
        if not isinstance(token, Mapping):
            raise SFTError("SFT354", path=folder / SETTINGS, problem=f"its {_DECODER} is not as it should be")
        yield _token(token.get("content"), number, token, folder / SETTINGS)
    known = {token.get("content") for token in (*_entries(whole.get("added_tokens"), folder), *decoder.values())}
    for content in sorted(map(str, named - known)):
        if content in numbers:
            yield _token(content, numbers[content], {}, folder / SETTINGS)
        elif not (folder / ADDED).exists() or content not in read_json(folder / ADDED):
            problem = f"it lists the special token {content!r}, which has a number in none of the files"
            raise SFTError("SFT354", path=folder / SETTINGS, problem=problem)


def _values(tokens: Any) -> list[Any]:
    """The tokens of a list, or of a mapping of names to tokens."""
    return [*tokens.values()] if isinstance(tokens, Mapping) else [*(tokens or ())]


def _entries(tokens: Any, path: Path) -> list[Mapping[str, Any]]:
    if not isinstance(tokens or [], list) or not all(isinstance(it, Mapping) for it in tokens or ()):
        raise SFTError("SFT354", path=path, problem="its added tokens are not as they should be")
    return tokens or []


def _token(content: Any, number: Any, rules: Mapping[str, Any], path: Path) -> ListedToken:
    try:
        if not isinstance(content, str):
            raise ValueError
        return ListedToken(content, int(number), rules, path)
    except (TypeError, ValueError) as error:
        raise SFTError("SFT354", path=path, problem=f"its added token {content!r} is not as it should be") from error
