"""The tokenizer's files of a decoder's folder, to a tokenizer. Imports no TensorFlow.

Each part of tokenizer.json that changes tokens is followed, or refused by its name.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.backbones.hugging_face.added_tokens import (
    NORMALIZED,
    OTHER_RULES,
    SETTINGS,
    ListedToken,
    listed_tokens,
    token_name,
)
from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.backbones.hugging_face.decoder_json import ByteRules, PieceRules, read_rules
from sftkeras.backbones.hugging_face.piece_models import MODEL, PieceModel
from sftkeras.backbones.hugging_face.tokenizer_json import WHOLE, flat, refuse
from sftkeras.backbones.hugging_face.tokenizer_rules import read_settings
from sftkeras.backbones.hugging_face.vocabularies import (
    BYTE_PAIRS,
    MERGES,
    BytePairs,
    byte_pairs_of_json,
    read_byte_pairs,
)
from sftkeras.errors import SFTError
from sftkeras.text.tokenizers.decoder_tokens import DecoderTokens

if TYPE_CHECKING:
    from sftkeras.text import Tokenizer

CONFIGS = ("generation_config.json", "config.json")
_OF_FILES = ("GPT2Tokenizer", "GPT2TokenizerFast")  # the only class of which vocab.json and merges.txt say all
_OF_PIECES = tuple(f"{name}Tokenizer{kind}" for name in ("Llama", "Mistral", "Gemma") for kind in ("", "Fast"))
_END, _BEGIN, _PAD = "eos_token", "bos_token", "pad_token"


@dataclass(frozen=True)
class DecoderTokenizerFiles:
    """Contents of the files of a decoder's tokenizer; `build` makes the tokenizer of them.

    Attributes:
        folder: of the files.
        vocabulary: tokens and merges.
        rules: what is done to texts before.
        tokens: special tokens, and what some of them are for.
    """

    folder: Path
    vocabulary: BytePairs
    rules: ByteRules | PieceRules
    tokens: DecoderTokens

    @property
    def size(self) -> int:
        """Number of rows of an embedding that they need."""
        return 1 + max(self.vocabulary.numbers.values(), default=-1)

    def build(self) -> Tokenizer:
        """Makes the tokenizer.

        Raises:
            SFTError: SFT352 or SFT355 if the vocabulary is without a byte that it needs, SFT380 if the merges do not
                belong to it.
        """
        from sftkeras.text import BytePair, CharacterPair

        numbers, merges, rules = self.vocabulary.numbers, self.vocabulary.merges, self.rules
        if isinstance(rules, PieceRules):
            return CharacterPair(
                numbers,
                merges,
                prefix=rules.prefix,
                spaces_apart=rules.spaces_apart,
                strips_first_space=rules.strips_first_space,
                decoder=self.tokens,
            )
        tokenizer = BytePair(
            numbers,
            merges,
            splitting=rules.splitting,
            normal_form=rules.normal_form,
            whole_words=rules.whole_words,
            decoder=self.tokens,
        )
        if rules.unknown is not None and tokenizer.lacks_bytes:
            refuse(self.folder, "model.unk_token", rules.unknown, ["null, where bytes are no tokens"])
        return tokenizer


def load_decoder_tokenizer(folder: Path) -> Tokenizer:
    """Makes the tokenizer of a decoder's folder; raises as `read_decoder_tokenizer` and its `build`."""
    return read_decoder_tokenizer(folder).build()


def write_whole(folder: Path) -> None:
    """Writes the tokenizer.json of a folder that has a tokenizer.model alone, and the settings that go with it."""
    if (folder / MODEL).exists() and not (folder / WHOLE).exists():
        whole, settings = _whole_of_model(folder, read_settings(folder))
        for name, content in ((WHOLE, whole), (SETTINGS, settings)):
            (folder / name).write_text(json.dumps(content, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")


def read_decoder_tokenizer(folder: Path) -> DecoderTokenizerFiles:
    """Reads the vocabulary, the rules and the special tokens.

    Raises:
        SFTError: SFT354 if a file is damaged, SFT355 if it asks for something unknown, SFT356 if there is no
            vocabulary, SFT388 if an added token is found by rules that are not known, SFT350 if no token ends
            a text.
    """
    settings = read_settings(folder)
    if (folder / WHOLE).exists():
        whole = read_json(folder / WHOLE)
    elif (folder / MODEL).exists():
        whole, settings = _whole_of_model(folder, settings)
    else:
        whole = _whole_of_files(folder, settings)
    rules = read_rules(whole, folder)
    vocabulary = byte_pairs_of_json(whole, folder / WHOLE)
    listed = {it.content: it for it in listed_tokens(folder, settings, whole, vocabulary.numbers)}
    numbers = vocabulary.numbers | {content: it.number for content, it in listed.items()}
    tokens = _Tokens(folder, settings, whole, numbers)
    return DecoderTokenizerFiles(
        folder, BytePairs(numbers, vocabulary.merges), rules, tokens.described([*listed.values()])
    )


def _whole_of_model(folder: Path, settings: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """The tokenizer.json that would stand beside a tokenizer.model, and the settings with the tokens that it names."""
    _check_class(folder, settings, _OF_PIECES)
    model = PieceModel.read(folder / MODEL)
    settings = {**model.names(), **settings}
    begin = token_name(settings.get(_BEGIN)) if settings.get("add_bos_token", True) else None
    return model.tokenizer(begin=begin, first_alone=settings.get("legacy") is False), settings


def _check_class(folder: Path, settings: Mapping[str, Any], known: Sequence[str]) -> None:
    """Refuses a class of tokenizer of which the files say only a part.

    Raises:
        SFTError: SFT355.
    """
    if (name := settings.get("tokenizer_class")) not in (None, *known):
        or_any = f"{', '.join(known)}, or any beside a tokenizer.json"
        raise SFTError("SFT355", folder=folder, key="tokenizer_class", value=name, known=or_any)


def _whole_of_files(folder: Path, settings: Mapping[str, Any]) -> dict[str, Any]:
    """The tokenizer.json that would stand in a folder which has the files of GPT-2's own tokenizer."""
    if not (folder / BYTE_PAIRS).exists() or not (folder / MERGES).exists():
        raise SFTError("SFT356", folder=folder)
    _check_class(folder, settings, _OF_FILES)
    vocabulary = read_byte_pairs(folder)
    prefix = settings.get("add_prefix_space", False)
    return {
        "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": prefix, "use_regex": True},
        "model": {"type": "BPE", "vocab": vocabulary.numbers, "merges": vocabulary.merges},
    }


@dataclass(frozen=True)
class _Tokens:
    """Special tokens by the small files.

    Attributes:
        folder: of the files.
        settings: what tokenizer_config.json says.
        whole: what tokenizer.json says.
        numbers: of all tokens.
    """

    folder: Path
    settings: Mapping[str, Any]
    whole: Mapping[str, Any]
    numbers: Mapping[str, int]

    def described(self, listed: Sequence[ListedToken]) -> DecoderTokens:
        """Return what is known of the tokens that are listed as added."""
        ends = self._ends()
        pads = [self._named(_PAD), *self._of_configs("pad_token_id"), ends[0]]
        pad = next(number for number in pads if number is not None)
        begin = self._begin()
        in_texts = {it.content: it.number for it in listed if self._is_in_texts(it)}
        return DecoderTokens(
            {it.content: it.number for it in listed},
            pad,
            ends,
            begin,
            # What ends an answer never comes from a text, whatever it is listed as.
            {content: number for content, number in in_texts.items() if number not in (*ends, pad, begin)},
            frozenset(it.number for it in listed if it.rules.get("special", True)),
            frozenset(it.content for it in listed if it.rules.get("lstrip")),
            frozenset(it.content for it in listed if it.rules.get("rstrip")),
        )

    def _ends(self) -> tuple[int, ...]:
        """The tokens that end an answer, first the one that the tokenizer names: it ends a turn."""
        ends = [self._named(_END), *self._of_configs("eos_token_id")]
        if found := tuple(dict.fromkeys(number for number in ends if number is not None)):
            return found
        raise SFTError("SFT350", folder=self.folder)

    def _begin(self) -> int | None:
        """The token that the checkpoint's own tokenizer puts before a text."""
        for processor in flat(self.whole.get("post_processor"), "processors"):
            if processor.get("type") == "TemplateProcessing":
                first: Mapping[str, Any] = next(iter(processor.get("single") or ({},)))
                return self.numbers.get((first.get("SpecialToken") or {}).get("id", ""))
        return self._named(_BEGIN) if self.settings.get("add_bos_token") else None

    def _named(self, key: str) -> int | None:
        return self.numbers.get(token_name(self.settings.get(key)))

    def _of_configs(self, key: str) -> list[int]:
        """The tokens that generation_config.json and config.json give for a key, as a number or a list."""
        paths = [path for name in CONFIGS if (path := self.folder / name).exists()]
        values = [read_json(path).get(key) for path in paths]
        numbers = [number for value in values for number in (value if isinstance(value, list) else [value])]
        known = {*self.numbers.values()}
        return [number for number in numbers if number in known]

    def _is_in_texts(self, token: ListedToken) -> bool:
        """Whether it is a token wherever a text has it.

        Raises:
            SFTError: SFT388 if it is found there by rules that are not followed.
        """
        if token.rules.get("special", True):
            return False
        rules = [*OTHER_RULES, *([NORMALIZED] if self.whole.get("normalizer") else [])]
        if rule := next((rule for rule in rules if token.rules.get(rule)), None):
            raise SFTError("SFT388", folder=self.folder, token=token.content, rule=rule, file=token.path.name)
        return True
