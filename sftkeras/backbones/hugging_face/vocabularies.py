"""The vocabulary of a folder, in any of the formats that Hugging Face writes. Imports no TensorFlow."""

from __future__ import annotations

import base64
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import sentencepiece
from google.protobuf.message import DecodeError
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]

from sftkeras.backbones.hugging_face.config import read_json
from sftkeras.backbones.hugging_face.tokenizer_json import WHOLE, check_model
from sftkeras.errors import SFTError

if TYPE_CHECKING:
    from sftkeras.text.tokenizers.unigram import UnigramRules

WORD_PIECES, SENTENCE_PIECES = "vocab.txt", "spiece.model"
UNIGRAMS: dict[UnigramRules, str] = {"xlm_roberta": "sentencepiece.bpe.model", "deberta": "spm.model"}
BYTE_PAIRS, MERGES = "vocab.json", "merges.txt"

_FAIRSEQ_FIRST, _FAIRSEQ_MASK = ["<s>", "<pad>", "</s>", "<unk>"], "<mask>"
_MERGES_VERSION = "#version"  # what the first line of merges.txt begins with
_COMMA_PENALTY = 100.0  # what transformers takes off the score of ALBERT's pieces such as "9," when it writes one file


@dataclass(frozen=True)
class AlbertModel:
    """A SentencePiece model of ALBERT.

    Attributes:
        content: the model.
        commas_apart: whether pieces such as "9," are still to be made less likely, as in the files of ALBERT itself.
    """

    content: bytes
    commas_apart: bool = True


@dataclass(frozen=True)
class UnigramModel:
    """A SentencePiece model of XLM-RoBERTa or DeBERTa-v3.

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
    """

    numbers: dict[str, int]
    merges: list[tuple[str, str]]


# Word pieces, or one of the other kinds.
Vocabulary = list[str] | AlbertModel | UnigramModel | BytePairs


def read_vocabulary(folder: Path, whole: dict[str, Any]) -> Vocabulary:
    """Reads the vocabulary: that of tokenizer.json, if there is one, as Hugging Face does.

    Args:
        folder: where the files are.
        whole: what tokenizer.json says; empty if there is none.

    Raises:
        SFTError: SFT354 if a file is damaged, SFT355 if tokenizer.json has another kind of model, SFT356 if there is no
            vocabulary.
    """
    if not whole:
        return _vocabulary_of_files(folder)
    check_model(whole, folder)
    found = _vocabulary_of_json(whole, folder / WHOLE)
    if isinstance(found, AlbertModel | UnigramModel):
        # The very file from which tokenizer.json was made has the same pieces, and is known to caches and runs.
        name = UNIGRAMS[found.rules] if isinstance(found, UnigramModel) else SENTENCE_PIECES
        if (folder / name).exists() and _made_of(found, content := (folder / name).read_bytes()):
            return UnigramModel(content, found.rules) if isinstance(found, UnigramModel) else AlbertModel(content)
    return found


def _vocabulary_of_files(folder: Path) -> Vocabulary:
    for rules, name in UNIGRAMS.items():
        if (path := folder / name).exists():
            return UnigramModel(path.read_bytes(), rules)
    if (path := folder / SENTENCE_PIECES).exists():
        return AlbertModel(path.read_bytes())
    if (folder / BYTE_PAIRS).exists() and (folder / MERGES).exists():
        return read_byte_pairs(folder)
    if (path := folder / WORD_PIECES).exists():
        return read_word_pieces(path)
    raise SFTError("SFT356", folder=folder)


def _made_of(model: AlbertModel | UnigramModel, content: bytes) -> bool:
    """Whether `model`, of a tokenizer.json, was made of the SentencePiece model `content`."""
    try:
        mine, other = ModelProto.FromString(model.content), ModelProto.FromString(content)
    except DecodeError:
        return False
    penalty = _COMMA_PENALTY if isinstance(model, AlbertModel) else 0.0
    control = mine.SentencePiece.CONTROL

    def scores(proto: Any, penalty: float) -> list[tuple[str, float]]:
        pieces = [it for it in proto.pieces if it.type not in (control, mine.SentencePiece.UNKNOWN)]
        return [(it.piece, round(it.score - penalty * _is_number_comma(it.piece), 3)) for it in pieces]

    same_rules = mine.normalizer_spec.precompiled_charsmap == other.normalizer_spec.precompiled_charsmap
    return same_rules and len(mine.pieces) == len(other.pieces) and scores(mine, 0) == scores(other, penalty)


def _is_number_comma(piece: str) -> bool:
    return piece[-1:] == "," and piece[-2:-1].isdigit()


def numbers_of(vocabulary: Vocabulary) -> dict[str, int]:
    """Return the number of each token in the vocabulary."""
    match vocabulary:
        case list():
            return {piece: number for number, piece in enumerate(vocabulary)}
        case BytePairs():
            return vocabulary.numbers
    pieces = [it.piece for it in ModelProto.FromString(vocabulary.content).pieces]
    if isinstance(vocabulary, UnigramModel) and vocabulary.rules == "xlm_roberta":
        pieces = [*_FAIRSEQ_FIRST, *pieces[len(_FAIRSEQ_FIRST) - 1 :], _FAIRSEQ_MASK]
    return {piece: number for number, piece in enumerate(pieces)}


def count_tokens(vocabulary: Vocabulary, folder: Path) -> int:
    """Number of rows of the embedding that the vocabulary needs.

    Raises:
        SFTError: SFT354 if it is no SentencePiece model.
    """
    match vocabulary:
        case AlbertModel():
            return _count_pieces(vocabulary.content, folder / SENTENCE_PIECES)
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


def read_byte_pairs(folder: Path) -> BytePairs:
    """Reads vocab.json and merges.txt.

    Raises:
        SFTError: SFT354 if one cannot be read.
    """
    return BytePairs(read_numbers(folder / BYTE_PAIRS), read_merges(folder / MERGES))


def read_numbers(path: Path) -> dict[str, int]:
    """Reads vocab.json: the number of each token.

    Raises:
        SFTError: SFT354 if it cannot be read.
    """
    numbers = read_json(path)
    if not all(isinstance(number, int) and number >= 0 for number in numbers.values()):
        raise SFTError("SFT354", path=path, problem="expected a number for each token")
    return numbers


def read_merges(path: Path) -> list[tuple[str, str]]:
    """Reads merges.txt: left and right part of a merge in each line.

    Raises:
        SFTError: SFT354 if it cannot be read.
    """
    try:
        return _pairs(line for line in _read_lines(path) if line and not line.startswith(_MERGES_VERSION))
    except ValueError as error:
        raise SFTError("SFT354", path=path, problem="expected two parts in each line") from error


def byte_pairs_of_json(whole: Mapping[str, Any], path: Path) -> BytePairs:
    """Return the vocabulary of a BPE model in a tokenizer.json, added tokens left out.

    Raises:
        SFTError: SFT354 if it is not as it should be.
    """
    try:
        return BytePairs(dict(whole["model"]["vocab"]), _pairs(whole["model"]["merges"]))
    except (KeyError, TypeError, ValueError) as error:
        raise SFTError("SFT354", path=path, problem=f"its vocabulary: {error}") from error


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
            case _:
                numbers = whole["model"]["vocab"] | {it["content"]: it["id"] for it in whole.get("added_tokens", ())}
                return BytePairs(numbers, _pairs(whole["model"]["merges"]))
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise SFTError("SFT354", path=path, problem=f"its vocabulary: {error}") from error


def _word_pieces(numbers: dict[str, int]) -> list[str]:
    pieces = sorted(numbers, key=numbers.__getitem__)
    if [numbers[piece] for piece in pieces] != list(range(len(pieces))):
        raise ValueError("it leaves out numbers")
    return pieces


def _unigram_model(whole: dict[str, Any]) -> AlbertModel | UnigramModel:
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
    return UnigramModel(model, "deberta") if "[PAD]" in pieces else AlbertModel(model, commas_apart=False)


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
