"""A SentencePiece model of a decoder, `tokenizer.model`, as the tokenizer.json that says the same.

Llama 1 and 2, Mistral, Gemma and Phi-3 have one. Every setting of the model that changes tokens is followed, or refused
by its name. Imports no TensorFlow.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from google.protobuf.message import DecodeError
from sentencepiece.sentencepiece_model_pb2 import ModelProto  # type: ignore[attr-defined]

from sftkeras.backbones.hugging_face.made_tokenizers import (
    SPACE,
    added_token,
    framed,
    merges_of_scores,
    piece_tokenizer,
)
from sftkeras.errors import SFTError

MODEL = "tokenizer.model"
_NO_MODEL = "it is no SentencePiece model"
_PIECE = ModelProto.SentencePiece


@dataclass(frozen=True)
class PieceModel:
    """A model that is of the kind decoders have.

    Attributes:
        path: of the file.
        proto: its content.
    """

    path: Path
    proto: ModelProto

    @classmethod
    def read(cls, path: Path) -> PieceModel:
        """Read the file.

        Raises:
            SFTError: SFT354 if it is no SentencePiece model, SFT355 if it is of another kind than those of decoders.
        """
        try:
            proto = ModelProto.FromString(path.read_bytes())
        except (OSError, DecodeError) as error:
            raise SFTError("SFT354", path=path, problem=_NO_MODEL) from error
        if not proto.pieces:
            raise SFTError("SFT354", path=path, problem=_NO_MODEL)
        _check(proto, path)
        return cls(path, proto)

    def names(self) -> dict[str, str]:
        """Return the tokens of the beginning, the end and padding, by their keys in tokenizer_config.json."""
        trainer = self.proto.trainer_spec
        numbers = {"bos_token": trainer.bos_id, "eos_token": trainer.eos_id, "pad_token": trainer.pad_id}
        pieces = self.proto.pieces
        return {
            key: pieces[number].piece
            for key, number in numbers.items()
            if 0 <= number < len(pieces) and pieces[number].type == _PIECE.CONTROL
        }

    def tokenizer(self, *, begin: str | None, first_alone: bool = False) -> dict[str, Any]:
        """Return the tokenizer.json that says the same.

        Args:
            begin: the token that is put before texts; None for none.
            first_alone: whether a space is put before a text only where no special token stands before it, and none if
                it begins with one: what transformers does where tokenizer_config.json has `legacy` false.
        """
        used = [(number, it) for number, it in enumerate(self.proto.pieces) if it.type != _PIECE.UNUSED]
        numbers = {it.piece: number for number, it in used}
        prefix = self.proto.normalizer_spec.add_dummy_prefix
        whole = piece_tokenizer(
            numbers,
            self._merges(numbers),
            unknown=next((it.piece for _, it in used if it.type == _PIECE.UNKNOWN), None),
            byte_fallback=True,
            prefix=prefix,
            spaces_stay_left=False,
        )
        if prefix and first_alone:
            spaces = {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": "first", "split": False}
            whole |= {"normalizer": None, "pre_tokenizer": spaces}
        whole["added_tokens"] = [
            added_token(number, it.piece, special=it.type != _PIECE.USER_DEFINED)
            for number, it in used
            if it.type in (_PIECE.UNKNOWN, _PIECE.CONTROL, _PIECE.USER_DEFINED) and set(it.piece) != {SPACE}
        ]
        if begin is not None and begin in numbers:
            whole["post_processor"] = framed(begin, numbers[begin])
        return whole

    def _merges(self, numbers: Mapping[str, int]) -> list[list[str]]:
        """The merges, of which those to runs of spaces that were named before the training come first.

        A run is divided into the longest of them from its left: each is made of the one that is shorter by one space.
        """
        named = {it.piece for it in self.proto.pieces if it.type == _PIECE.USER_DEFINED}
        scores = {it.piece: math.inf if it.piece in named else it.score for it in self.proto.pieces}
        return [
            [left, right]
            for left, right in merges_of_scores(numbers, scores)
            if right == SPACE or left + right not in named or set(left) != {SPACE} or left + right[1:] not in numbers
        ]


def _check(proto: ModelProto, path: Path) -> None:
    """Refuses what no decoder's model has.

    Raises:
        SFTError: SFT355 with the setting, its value and what is known.
    """
    trainer, normalizer = proto.trainer_spec, proto.normalizer_spec
    kind = type(trainer).ModelType.Name(trainer.model_type)
    has_bytes = any(piece.type == _PIECE.BYTE for piece in proto.pieces)
    found = {
        "model_type": (kind, "BPE"),
        "byte_fallback": (has_bytes, True),
        "normalization rule": (normalizer.name if normalizer.precompiled_charsmap else "identity", "identity"),
        "denormalization rule": (bool(proto.denormalizer_spec.precompiled_charsmap), False),
        "remove_extra_whitespaces": (normalizer.remove_extra_whitespaces, False),
        "escape_whitespaces": (normalizer.escape_whitespaces, True),
        "treat_whitespace_as_suffix": (trainer.treat_whitespace_as_suffix, False),
    }
    for key, (value, known) in found.items():
        if value != known:
            raise SFTError("SFT355", folder=path, key=key, value=value, known=known)
