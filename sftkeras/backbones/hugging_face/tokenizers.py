"""The tokenizer's files of a folder, in any of the formats that Hugging Face writes, to a tokenizer and back."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sentencepiece
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]

from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.errors import SFTError

if TYPE_CHECKING:
    from sftkeras.text import Tokenizer

SETTINGS, WHOLE, WORD_PIECES, SENTENCE_PIECES = "tokenizer_config.json", "tokenizer.json", "vocab.txt", "spiece.model"
_RULES = "sftkeras_rules"  # our own key of tokenizer_config.json, which other readers leave alone
_KNOWN_RULES = ("hugging_face", "tensorflow_text")
FILES = (SETTINGS, WHOLE, WORD_PIECES, SENTENCE_PIECES)


@dataclass(frozen=True)
class TokenizerFiles:
    """What the files say; `build` makes the tokenizer of it.

    Attributes:
        size: how many pieces there are.
        vocabulary: the word pieces, or the SentencePiece model.
        settings: what tokenizer_config.json says.
        normalizer: what tokenizer.json says of the text's letters.
    """

    size: int
    vocabulary: list[str] | bytes
    settings: dict[str, Any]
    normalizer: dict[str, Any]

    def build(self) -> Tokenizer:
        """Makes the tokenizer.

        Raises:
            SFTError: SFT352 if a special token is not in the vocabulary.
        """
        from sftkeras.text import SentencePiece, WordPiece

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
    vocabulary: list[str] | bytes
    if (path := folder / SENTENCE_PIECES).exists():
        vocabulary = path.read_bytes()
    elif (path := folder / WORD_PIECES).exists():
        vocabulary = read_word_pieces(path)
    elif (path := folder / WHOLE).exists():
        vocabulary = _vocabulary_of_json(whole, path)
    else:
        raise SFTError("SFT356", folder=folder)
    size = _count_pieces(vocabulary, path) if isinstance(vocabulary, bytes) else len(vocabulary)
    return TokenizerFiles(size, vocabulary, settings, whole.get("normalizer") or {})


def read_word_pieces(path: Path) -> list[str]:
    """Reads `vocab.txt`: one word piece a line, its number the line's.

    Raises:
        SFTError: SFT354 if it cannot be read.
    """
    try:
        pieces = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise SFTError("SFT354", path=path, problem=error) from error
    return [piece.rstrip("\r") for piece in (pieces[:-1] if pieces[-1] == "" else pieces)]


def write_tokenizer(tokenizer: Tokenizer, folder: Path) -> None:
    """Writes the vocabulary, as vocab.txt or spiece.model, and tokenizer_config.json.

    Args:
        tokenizer: a `WordPiece` or a `SentencePiece`.
        folder: must exist.

    Raises:
        TypeError: it is another tokenizer.
    """
    from sftkeras.text import SentencePiece, WordPiece

    settings: dict[str, Any]
    if isinstance(tokenizer, WordPiece):
        (folder / WORD_PIECES).write_text("".join(f"{piece}\n" for piece in tokenizer.vocabulary), encoding="utf-8")
        settings = {"strip_accents": tokenizer.strip_accents, "tokenize_chinese_chars": tokenizer.split_cjk}
    elif isinstance(tokenizer, SentencePiece):
        (folder / SENTENCE_PIECES).write_bytes(tokenizer.model)
        settings = {"keep_accents": not tokenizer.strip_accents}
    else:
        raise TypeError(f"{type(tokenizer).__name__} has no files")
    settings |= {
        "do_lower_case": tokenizer.lowercase,
        "tokenizer_class": "BertTokenizer" if isinstance(tokenizer, WordPiece) else "AlbertTokenizer",
        _RULES: tokenizer.rules,
    }
    (folder / SETTINGS).write_text(json.dumps(settings, indent=2) + "\n", encoding="utf-8")


def _count_pieces(model: bytes, path: Path) -> int:
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(model)
    except RuntimeError as error:
        raise SFTError("SFT354", path=path, problem="it is no SentencePiece model") from error
    return processor.vocab_size()


def _vocabulary_of_json(whole: dict[str, Any], path: Path) -> list[str] | bytes:
    """The vocabulary that tokenizer.json, at `path`, holds."""
    try:
        match whole["model"]["type"]:
            case "WordPiece":
                return _word_pieces(whole["model"]["vocab"])
            case "Unigram":
                return _sentence_piece_model(whole)
    except (KeyError, TypeError, ValueError) as error:
        raise SFTError("SFT354", path=path, problem=f"its vocabulary: {error}") from error
    raise SFTError("SFT356", folder=path.parent)


def _word_pieces(numbers: dict[str, int]) -> list[str]:
    pieces = sorted(numbers, key=numbers.__getitem__)
    if [numbers[piece] for piece in pieces] != list(range(len(pieces))):
        raise ValueError("it leaves out numbers")
    return pieces


def _sentence_piece_model(whole: dict[str, Any]) -> bytes:
    """The SentencePiece model from which tokenizer.json was made."""
    model = ModelProto()
    model.trainer_spec.model_type = model.trainer_spec.UNIGRAM
    kinds = {token["id"]: model.SentencePiece.CONTROL for token in whole.get("added_tokens", ()) if token["special"]}
    kinds[whole["model"]["unk_id"]] = model.SentencePiece.UNKNOWN
    for number, (piece, score) in enumerate(whole["model"]["vocab"]):
        model.pieces.add(piece=piece, score=score, type=kinds.get(number, model.SentencePiece.NORMAL))
    for normalizer in (whole.get("normalizer") or {}).get("normalizers", ()):
        if normalizer["type"] == "Precompiled":
            model.normalizer_spec.precompiled_charsmap = base64.b64decode(normalizer["precompiled_charsmap"])
    return model.SerializeToString(deterministic=True)
