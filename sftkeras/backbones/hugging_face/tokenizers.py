"""The tokenizer's files of a folder, in any of the formats that Hugging Face writes, to a tokenizer and back."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.backbones.hugging_face.added_tokens import ADDED, SETTINGS, AddedTokens, read_added, written_added
from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.backbones.hugging_face.tokenizer_json import WHOLE, json_of_steps, word_pieces_json
from sftkeras.backbones.hugging_face.tokenizer_rules import (
    COMMAS,
    RULES,
    SPECIALS,
    TokenizerRules,
    read_rules,
    read_settings,
)
from sftkeras.backbones.hugging_face.vocabularies import (
    BYTE_PAIRS,
    MERGES,
    SENTENCE_PIECES,
    UNIGRAMS,
    WORD_PIECES,
    AlbertModel,
    BytePairs,
    UnigramModel,
    Vocabulary,
    count_tokens,
    numbers_of,
    read_vocabulary,
    write_byte_pairs,
)

if TYPE_CHECKING:
    from sftkeras.text import Tokenizer, WordPiece

_UNIGRAM_CLASSES = {"xlm_roberta": "XLMRobertaTokenizer", "deberta": "DebertaV2Tokenizer"}
_SPECIALS_OF_BERT = {f"{name}_token": f"[{name.upper()}]" for name in ("pad", "unk", "cls", "sep", "mask")}
FILES = (SETTINGS, SPECIALS, ADDED, WHOLE, WORD_PIECES, SENTENCE_PIECES, *UNIGRAMS.values(), BYTE_PAIRS, MERGES)


@dataclass(frozen=True)
class TokenizerFiles:
    """Contents of a tokenizer's files; `build` makes the tokenizer of them.

    Attributes:
        size: how many rows of an embedding they need.
        vocabulary: the pieces, in one of the forms they come in. It decides which tokenizer they are of.
        rules: what is done to texts before pieces are looked for.
        added: the strings that are tokens wherever a text has them.
    """

    size: int
    vocabulary: Vocabulary
    rules: TokenizerRules
    added: AddedTokens

    @classmethod
    def of(
        cls, vocabulary: Vocabulary, settings: dict[str, Any], folder: Path, whole: dict[str, Any] | None = None
    ) -> TokenizerFiles:
        """Return what was read of a folder: its vocabulary, tokenizer_config.json, and tokenizer.json if there is one.

        Raises:
            SFTError: SFT354 if a file is damaged, SFT355 if it asks for something unknown, SFT360 if two disagree,
                SFT388 if the tokens that were added are none to use.
        """
        whole = whole or {}
        size = count_tokens(vocabulary, folder)
        rules = read_rules(vocabulary, settings, whole, folder)
        added = read_added(folder, settings, whole, numbers_of(vocabulary), rules.normalizing)
        return cls(max(size, added.needed), vocabulary, rules, added)

    def build(self) -> Tokenizer:
        """Makes the tokenizer.

        Raises:
            SFTError: SFT352 if a special token is not in the vocabulary, SFT380 if merges do not belong to it.
        """
        from sftkeras.text import with_special_strings

        return with_special_strings(self._of_vocabulary(), self.added.in_raw)

    def _of_vocabulary(self) -> Tokenizer:
        from sftkeras.text import BytePair, SentencePiece, Unigram, WordPiece, WordRules

        rules = self.rules
        match self.vocabulary:
            case UnigramModel(content, kind):
                return Unigram(content, rules=kind)
            case BytePairs(numbers, merges):
                return BytePair(numbers, merges, add_prefix_space=rules.add_prefix_space)
            case AlbertModel(content):
                return SentencePiece(
                    content,
                    lowercase=rules.lowercase,
                    strip_accents=bool(rules.strip_accents),
                    rules=rules.whose,
                    commas_apart=rules.commas_apart,
                )
        return WordPiece(
            self.vocabulary,
            lowercase=rules.lowercase,
            strip_accents=rules.strip_accents,
            split_cjk=rules.split_cjk,
            rules=WordRules(*rules.steps) if rules.steps else rules.whose,
            added=self.added.in_rewritten,
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
    settings = read_settings(folder)
    whole = read_json(folder / WHOLE) if (folder / WHOLE).exists() else {}
    return TokenizerFiles.of(read_vocabulary(folder, whole), settings, folder, whole)


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
            settings = _write_word_piece(tokenizer, folder)
        case SentencePiece():
            (folder / SENTENCE_PIECES).write_bytes(tokenizer.model)
            settings = {"keep_accents": not tokenizer.strip_accents, "do_lower_case": tokenizer.lowercase}
            settings |= {"tokenizer_class": "AlbertTokenizer", RULES: tokenizer.rules}
            settings |= {} if tokenizer.commas_apart else {COMMAS: False}
        case Unigram():
            (folder / UNIGRAMS[tokenizer.rules]).write_bytes(tokenizer.model)
            settings = {"tokenizer_class": _UNIGRAM_CLASSES[tokenizer.rules]}
        case BytePair():
            write_byte_pairs(tokenizer.numbers, tokenizer.merges, folder)
            settings = {"tokenizer_class": "RobertaTokenizer", "add_prefix_space": tokenizer.add_prefix_space}
        case SpecialStrings():
            write_tokenizer(tokenizer.tokenizer, folder)
            in_rewritten = tokenizer.tokenizer.added if isinstance(tokenizer.tokenizer, WordPiece) else {}
            added = AddedTokens(tokenizer.numbers, in_rewritten)
            settings = read_json(folder / SETTINGS) | written_added(added)
        case _:
            raise TypeError(f"{type(tokenizer).__name__} has no files")
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _write_word_piece(tokenizer: WordPiece, folder: Path) -> dict[str, Any]:
    """Writes the vocabulary of word pieces; returns the settings."""
    from sftkeras.text import WordRules

    (folder / WORD_PIECES).write_text("".join(f"{piece}\n" for piece in tokenizer.vocabulary), encoding="utf-8")
    added = written_added(AddedTokens({}, tokenizer.added)) if tokenizer.added else {}
    if isinstance(tokenizer.rules, WordRules):
        numbers = {piece: number for number, piece in enumerate(tokenizer.vocabulary)}
        steps = json_of_steps(tokenizer.rules.rewriting, tokenizer.rules.splitting)
        whole = word_pieces_json(numbers, steps)
        (folder / WHOLE).write_text(json.dumps(whole, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
        return {"tokenizer_class": "PreTrainedTokenizerFast", **_SPECIALS_OF_BERT, **added}
    settings = {"strip_accents": tokenizer.strip_accents, "tokenize_chinese_chars": tokenizer.split_cjk}
    return settings | {
        "do_lower_case": tokenizer.lowercase,
        "tokenizer_class": "BertTokenizer",
        RULES: tokenizer.rules,
        **added,
    }
