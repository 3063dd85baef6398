"""The tokenizer's files of a folder, in any of the formats that Hugging Face writes, to a tokenizer and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.backbones.hugging_face.added_tokens import read_added, written_added
from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.backbones.hugging_face.vocabularies import (
    BYTE_PAIRS,
    MERGES,
    SENTENCE_PIECES,
    UNIGRAMS,
    WHOLE,
    WORD_PIECES,
    BytePairs,
    UnigramModel,
    Vocabulary,
    count_tokens,
    read_vocabulary,
    write_byte_pairs,
)
from sftkeras.errors import SFTError

if TYPE_CHECKING:
    from sftkeras.text import Tokenizer

SETTINGS = "tokenizer_config.json"
_RULES = "sftkeras_rules"  # our own key of tokenizer_config.json, which other readers leave alone
_KNOWN_RULES = ("hugging_face", "tensorflow_text")
_UNIGRAM_CLASSES = {"xlm_roberta": "XLMRobertaTokenizer", "deberta": "DebertaV2Tokenizer"}
FILES = (SETTINGS, WHOLE, WORD_PIECES, SENTENCE_PIECES, *UNIGRAMS.values(), BYTE_PAIRS, MERGES)


@dataclass(frozen=True)
class TokenizerFiles:
    """What the files say; `build` makes the tokenizer of it.

    Attributes:
        size: how many rows of an embedding they need.
        vocabulary: the pieces, in one of the forms they come in. It decides which tokenizer they are of.
        settings: what tokenizer_config.json says.
        normalizer: what tokenizer.json says of the text's letters.
        added: the number of each string that is a token wherever a text has it.
    """

    size: int
    vocabulary: Vocabulary
    settings: dict[str, Any]
    normalizer: dict[str, Any]
    added: dict[str, int]

    @classmethod
    def of(
        cls, vocabulary: Vocabulary, settings: dict[str, Any], normalizer: dict[str, Any], folder: Path
    ) -> TokenizerFiles:
        """What was read of a folder; raises SFT354 or SFT388 if the tokens that were added are none to use."""
        size = count_tokens(vocabulary, folder)
        added = read_added(settings, size, folder / SETTINGS)
        return cls(max([size, *(number + 1 for number in added.values())]), vocabulary, settings, normalizer, added)

    def build(self) -> Tokenizer:
        """Makes the tokenizer.

        Raises:
            SFTError: SFT352 if a special token is not in the vocabulary, SFT380 if merges do not belong to it.
        """
        from sftkeras.text import with_special_strings

        return with_special_strings(self._of_vocabulary(), self.added)

    def _of_vocabulary(self) -> Tokenizer:
        from sftkeras.text import BytePair, SentencePiece, Unigram, WordPiece

        if isinstance(self.vocabulary, UnigramModel):
            return Unigram(self.vocabulary.content, rules=self.vocabulary.rules)
        if isinstance(self.vocabulary, BytePairs):
            numbers, merges, prefix = self.vocabulary.numbers, self.vocabulary.merges, self.vocabulary.add_prefix_space
            return BytePair(numbers, merges, add_prefix_space=self.settings.get("add_prefix_space", prefix))
        if isinstance(self.vocabulary, bytes):
            return SentencePiece(
                self.vocabulary,
                lowercase=self.settings.get("do_lower_case", True),
                strip_accents=not self.settings.get("keep_accents", False),
                rules=self.settings.get(_RULES, _KNOWN_RULES[0]),
            )
        return WordPiece(
            self.vocabulary,
            lowercase=self.settings.get("do_lower_case", self.normalizer.get("lowercase", True)),
            strip_accents=self.settings.get("strip_accents", self.normalizer.get("strip_accents")),
            split_cjk=self.settings.get("tokenize_chinese_chars", self.normalizer.get("handle_chinese_chars", True)),
            rules=self.settings.get(_RULES, _KNOWN_RULES[0]),
        )


def load_tokenizer(folder: Path) -> Tokenizer:
    """Makes the tokenizer of a folder.

    Raises:
        SFTError: SFT352 if a special token is not in its vocabulary, SFT354 if a file is damaged, SFT355 if it asks for
            unknown rules, SFT356 if there is no vocabulary.
    """
    return read_tokenizer_files(folder).build()


def read_tokenizer_files(folder: Path) -> TokenizerFiles:
    """Reads the vocabulary and the rules; raises as `load_tokenizer`, but for SFT352."""
    settings = read_json(folder / SETTINGS) if (folder / SETTINGS).exists() else {}
    whole = read_json(folder / WHOLE) if (folder / WHOLE).exists() else {}
    if (rules := settings.get(_RULES, _KNOWN_RULES[0])) not in _KNOWN_RULES:
        raise SFTError("SFT355", folder=folder, key=_RULES, value=rules, known=", ".join(_KNOWN_RULES))
    vocabulary = read_vocabulary(folder, whole)
    if isinstance(vocabulary, UnigramModel):
        _check_unigram_settings(folder, settings)
    return TokenizerFiles.of(vocabulary, settings, whole.get("normalizer") or {}, folder)


def _check_unigram_settings(folder: Path, settings: dict[str, Any]) -> None:
    """DeBERTa can be asked to rewrite texts before they are split, which no public checkpoint of version 3 does."""
    for key in ("do_lower_case", "split_by_punct"):
        if settings.get(key):
            raise SFTError("SFT355", folder=folder, key=key, value=settings[key], known="false")


def write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes the vocabulary, by the file names of its kind, and tokenizer_config.json.

    Args:
        tokenizer: a `WordPiece`, `SentencePiece`, `Unigram` or `BytePair`, to which tokens may have been added.
        folder: must exist.

    Raises:
        TypeError: it is another tokenizer.
    """
    from sftkeras.text import BytePair, SentencePiece, SpecialStrings, Unigram, WordPiece

    settings: dict[str, Any]
    match tokenizer:
        case WordPiece():
            (folder / WORD_PIECES).write_text("".join(f"{piece}\n" for piece in tokenizer.vocabulary), encoding="utf-8")
            settings = {"strip_accents": tokenizer.strip_accents, "tokenize_chinese_chars": tokenizer.split_cjk}
            settings |= {"do_lower_case": tokenizer.lowercase, "tokenizer_class": "BertTokenizer"}
            settings |= {_RULES: tokenizer.rules}
        case SentencePiece():
            (folder / SENTENCE_PIECES).write_bytes(tokenizer.model)
            settings = {"keep_accents": not tokenizer.strip_accents, "do_lower_case": tokenizer.lowercase}
            settings |= {"tokenizer_class": "AlbertTokenizer", _RULES: tokenizer.rules}
        case Unigram():
            (folder / UNIGRAMS[tokenizer.rules]).write_bytes(tokenizer.model)
            settings = {"tokenizer_class": _UNIGRAM_CLASSES[tokenizer.rules]}
        case BytePair():
            write_byte_pairs(tokenizer.numbers, tokenizer.merges, folder)
            settings = {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": tokenizer.add_prefix_space}
        case SpecialStrings():
            write_tokenizer(tokenizer.tokenizer, folder)
            settings = read_json(folder / SETTINGS) | written_added(tokenizer.numbers)
        case _:
            raise TypeError(f"{type(tokenizer).__name__} has no files")
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")
