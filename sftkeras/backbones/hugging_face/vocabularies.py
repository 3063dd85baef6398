"""The vocabulary of a folder, in any of the formats that Hugging Face writes. Imports no TensorFlow."""

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
    from sftkeras.text.unigram import UnigramRules

WHOLE, WORD_PIECES, SENTENCE_PIECES = "tokenizer.json", "vocab.txt", "spiece.model"
UNIGRAMS: dict[UnigramRules, str] = {"xlm_roberta": "sentencepiece.bpe.model", "deberta": "spm.model"}
BYTE_PAIRS, MERGES = "vocab.json", "merges.txt"

_FAIRSEQ_FIRST, _FAIRSEQ_MASK = ["<s>", "<pad>", "</s>", "<unk>"], "<mask>"
_MERGES_VERSION = "#version"  # what the first line of merges.txt begins with


@dataclass(frozen=True)
class UnigramModel:
    """A SentencePiece model of XLM-RoBERTa or DeBERTa-v3; ALBERT's is plain bytes.

    Attributes:
        content: the model.
        rules: whose it is.
    """

    content: bytes
    rules: UnigramRules


@dataclass(frozen=True)
class BytePairs:
    """The tokens and merges of a byte-level tokenizer.

    Attributes:
        numbers: the number of each token.
        merges: left and right part of each merge, most important first.
        add_prefix_space: whether a space is put before a text, as far as tokenizer.json says.
    """

    numbers: dict[str, int]
    merges: list[tuple[str, str]]
    add_prefix_space: bool = False


# Word pieces, or a SentencePiece model of ALBERT's, or one of the other kinds.
Vocabulary = list[str] | bytes | UnigramModel | BytePairs


def read_vocabulary(folder: Path, whole: dict[str, Any]) -> Vocabulary:
    """Reads the vocabulary; `whole` is what tokenizer.json says, which is asked if there is no other file.

    Raises:
        SFTError: SFT354 if a file is damaged, SFT356 if there is no vocabulary.
    """
    for rules, name in UNIGRAMS.items():
        if (path := folder / name).exists():
            return UnigramModel(path.read_bytes(), rules)
    if (path := folder / SENTENCE_PIECES).exists():
        return path.read_bytes()
    if (folder / BYTE_PAIRS).exists() and (folder / MERGES).exists():
        return _read_byte_pairs(folder)
    if (path := folder / WORD_PIECES).exists():
        return read_word_pieces(path)
    if (path := folder / WHOLE).exists():
        return _vocabulary_of_json(whole, path)
    raise SFTError("SFT356", folder=folder)


def count_tokens(vocabulary: Vocabulary, folder: Path) -> int:
    """How many rows of the embedding the vocabulary needs.

    Raises:
        SFTError: SFT354 if it is no SentencePiece model.
    """
    match vocabulary:
        case bytes():
            return _count_pieces(vocabulary, folder / SENTENCE_PIECES)
        case UnigramModel():
            # Fairseq has "<pad>" and "<mask>" besides what is in the model, DeBERTa "[MASK]" if it is not there.
            more = 2 if vocabulary.rules == "xlm_roberta" else b"[MASK]" not in vocabulary.content
            return _count_pieces(vocabulary.content, folder / UNIGRAMS[vocabulary.rules]) + more
        case BytePairs():
            return 1 + max(vocabulary.numbers.values(), default=-1)
    return len(vocabulary)


def read_word_pieces(path: Path) -> list[str]:
    """Reads `vocab.txt`: one word piece a line, its number the line's.

    Raises:
        SFTError: SFT354 if it cannot be read.
    """
    return _read_lines(path)


def write_byte_pairs(numbers: dict[str, int], merges: list[tuple[str, str]], folder: Path) -> None:
    """Writes vocab.json and merges.txt."""
    (folder / BYTE_PAIRS).write_text(json.dumps(numbers, ensure_ascii=False) + "\n", encoding="utf-8")
    lines = [f"{_MERGES_VERSION}: 0.2", *(f"{left} {right}" for left, right in merges)]
    (folder / MERGES).write_text("\n".join(lines) + "\n", encoding="utf-8")


def _read_byte_pairs(folder: Path) -> BytePairs:
    numbers = read_json(folder / BYTE_PAIRS)
    if not all(isinstance(number, int) and number >= 0 for number in numbers.values()):
        raise SFTError("SFT354", path=folder / BYTE_PAIRS, problem="expected a number for each token")
    lines = _read_lines(folder / MERGES)
    try:
        return BytePairs(numbers, _pairs(line for line in lines if line and not line.startswith(_MERGES_VERSION)))
    except ValueError as error:
        raise SFTError("SFT354", path=folder / MERGES, problem="expected two parts in each line") from error


def _pairs(merges: Any) -> list[tuple[str, str]]:
    """Merges written as "left right" or as [left, right]."""
    parts = [merge.split(" ") if isinstance(merge, str) else merge for merge in merges]
    return [(left, right) for left, right in parts]


def _read_lines(path: Path) -> list[str]:
    try:
        lines = path.read_text(encoding="utf-8").split("\n")
    except (OSError, ValueError) as error:
        raise SFTError("SFT354", path=path, problem=error) from error
    return [line.rstrip("\r") for line in (lines[:-1] if lines[-1] == "" else lines)]


def _count_pieces(model: bytes, path: Path) -> int:
    processor = sentencepiece.SentencePieceProcessor()
    try:
        processor.LoadFromSerializedProto(model)
    except RuntimeError as error:
        raise SFTError("SFT354", path=path, problem="it is no SentencePiece model") from error
    return processor.vocab_size()


def _vocabulary_of_json(whole: dict[str, Any], path: Path) -> Vocabulary:
    """The vocabulary that tokenizer.json, at `path`, holds."""
    try:
        match whole["model"]["type"]:
            case "WordPiece":
                return _word_pieces(whole["model"]["vocab"])
            case "Unigram":
                return _unigram_model(whole)
            case "BPE" if (level := _byte_level(whole)) is not None:
                numbers = whole["model"]["vocab"] | {it["content"]: it["id"] for it in whole.get("added_tokens", ())}
                return BytePairs(numbers, _pairs(whole["model"]["merges"]), level.get("add_prefix_space", False))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SFTError("SFT354", path=path, problem=f"its vocabulary: {error}") from error
    raise SFTError("SFT356", folder=path.parent)


def _byte_level(whole: dict[str, Any]) -> dict[str, Any] | None:
    """The settings of the byte-level tokenizer in tokenizer.json; None if words are split in another way."""
    splitting = whole.get("pre_tokenizer") or {}
    is_ours = splitting.get("type") == "ByteLevel" and splitting.get("use_regex", True) and not whole.get("normalizer")
    return splitting if is_ours else None


def _word_pieces(numbers: dict[str, int]) -> list[str]:
    pieces = sorted(numbers, key=numbers.__getitem__)
    if [numbers[piece] for piece in pieces] != list(range(len(pieces))):
        raise ValueError("it leaves out numbers")
    return pieces


def _unigram_model(whole: dict[str, Any]) -> bytes | UnigramModel:
    """The SentencePiece model from which tokenizer.json was made."""
    vocabulary = [(piece, score) for piece, score in whole["model"]["vocab"]]
    pieces = [piece for piece, _ in vocabulary]
    kinds = {token["content"]: "CONTROL" for token in whole.get("added_tokens", ()) if token["special"]}
    kinds[pieces[whole["model"]["unk_id"]]] = "UNKNOWN"
    if pieces[: len(_FAIRSEQ_FIRST)] == _FAIRSEQ_FIRST:
        kinds |= {"<s>": "CONTROL", "</s>": "CONTROL"}
        first = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0)]
        rest = vocabulary[len(_FAIRSEQ_FIRST) : -1 if pieces[-1] == _FAIRSEQ_MASK else None]
        return UnigramModel(_model([*first, *rest], kinds, whole), "xlm_roberta")
    model = _model(vocabulary, kinds, whole)
    return UnigramModel(model, "deberta") if "[PAD]" in pieces else model


def _model(vocabulary: list[tuple[str, float]], kinds: dict[str, str], whole: dict[str, Any]) -> bytes:
    model = ModelProto()
    model.trainer_spec.model_type = model.trainer_spec.UNIGRAM
    for piece, score in vocabulary:
        model.pieces.add(piece=piece, score=score, type=getattr(model.SentencePiece, kinds.get(piece, "NORMAL")))
    normalizer = whole.get("normalizer") or {}
    for part in normalizer.get("normalizers", [normalizer]):
        if part.get("type") == "Precompiled":
            model.normalizer_spec.precompiled_charsmap = base64.b64decode(part["precompiled_charsmap"])
    return model.SerializeToString(deterministic=True)
