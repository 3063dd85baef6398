"""The GGUF format: metadata and tensors of a file that is not trusted, read from a memory map.

Layout (https://github.com/ggml-org/ggml/blob/master/docs/gguf.md): magic, version, number of tensors and of metadata,
the metadata, the tensors' names, shapes, types and places, then their aligned values. The reader of the `gguf` package
makes arrays of every string, which takes seconds for a vocabulary and follows lengths that lead out of the file, so the
header is read here; the values of quantised tensors are the package's.
"""

from __future__ import annotations

import math
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import ml_dtypes
import numpy as np
from gguf.constants import GGML_QUANT_SIZES, GGMLQuantizationType, GGUFValueType
from gguf.quants import dequantize

from sftkeras.errors import SFTError
from sftkeras.handles.folders import GGUF_MAGIC

T = TypeVar("T")

_VERSIONS = (2, 3)  # 3 differs in that it may be big-endian, which is refused
_ALIGNMENT = 32  # where the metadata do not say
_MOST_DIMENSIONS = 4

_SCALARS: dict[GGUFValueType, np.dtype[Any]] = {
    GGUFValueType.UINT8: np.dtype("<u1"),
    GGUFValueType.INT8: np.dtype("<i1"),
    GGUFValueType.UINT16: np.dtype("<u2"),
    GGUFValueType.INT16: np.dtype("<i2"),
    GGUFValueType.UINT32: np.dtype("<u4"),
    GGUFValueType.INT32: np.dtype("<i4"),
    GGUFValueType.FLOAT32: np.dtype("<f4"),
    GGUFValueType.UINT64: np.dtype("<u8"),
    GGUFValueType.INT64: np.dtype("<i8"),
    GGUFValueType.FLOAT64: np.dtype("<f8"),
    GGUFValueType.BOOL: np.dtype("?"),
}
# Types whose values are taken as they are; all others are dequantised to float32.
_PLAIN: dict[GGMLQuantizationType, np.dtype[Any]] = {
    GGMLQuantizationType.F32: np.dtype("<f4"),
    GGMLQuantizationType.F16: np.dtype("<f2"),
    GGMLQuantizationType.BF16: np.dtype(ml_dtypes.bfloat16),
}


@dataclass(frozen=True)
class StoredTensor:
    """A tensor of a file.

    Attributes:
        shape: as NumPy counts, rows first; the file names the innermost dimension first.
        type: of its values.
        start: the place of its first byte in the file.
        size: bytes of its values.
    """

    shape: tuple[int, ...]
    type: GGMLQuantizationType
    start: int
    size: int


class GGUFFile:
    """Metadata and tensors of a GGUF file.

    Args:
        path: the file.

    Attributes:
        path: the file.
        metadata: values by key: numbers, truth values, strings, and lists of these.
        tensors: by name.

    Raises:
        SFTError: SFT398 if the file is damaged or no GGUF file, SFT399 if a tensor is of an unknown type.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        try:
            self._content = np.memmap(path, np.uint8, "r")
            cursor = _Cursor(self._content)
            tensors, entries = _read_start(cursor)
            self.metadata: dict[str, Any] = dict(_unique(_read_metadata(cursor, entries)))
            places = dict(_unique(_read_places(cursor, tensors)))
            alignment = self.metadata.get("general.alignment", _ALIGNMENT)
            if not (isinstance(alignment, int) and alignment > 0 and alignment % 8 == 0):
                raise _DamagedError(f"general.alignment is {alignment}")
            first = math.ceil(cursor.position / alignment) * alignment
            self.tensors = {name: self._located(place, first) for name, place in places.items()}
        except (OSError, ValueError) as error:  # _DamagedError is a ValueError, and so is an empty memory map
            raise damaged(path, error) from error

    def get(self, key: str, kind: type[T], default: T | None = None) -> T | None:
        """Return a value of the metadata, or `default` if it is not there.

        Raises:
            SFTError: SFT398 if it is not of `kind`. A whole number is also a float.
        """
        value = self.metadata.get(key, default)
        if kind is float and isinstance(value, int):
            value = float(value)
        if value is None or (isinstance(value, kind) and not (kind is int and isinstance(value, bool))):
            return value
        raise damaged(self.path, f"{key} is {value!r}"[:100])

    def get_list(self, key: str, kind: type[T]) -> list[T] | None:
        """Return a list of the metadata, or None if it is not there; raises as `get`."""
        values = self.get(key, list)
        if values is not None and not all(isinstance(value, kind) for value in values):
            raise damaged(self.path, f"{key} holds other values than {kind.__name__}")
        return values

    def read(self, name: str) -> np.ndarray:
        """Read the values of a tensor: float32, or float16 or bfloat16 if the file has these.

        Raises:
            SFTError: SFT399 if the `gguf` package cannot dequantise its type.
        """
        tensor = self.tensors[name]
        values = self._content[tensor.start : tensor.start + tensor.size]
        if plain := _PLAIN.get(tensor.type):
            return np.array(values.view(plain)).reshape(tensor.shape)
        rows = math.prod(tensor.shape[:-1])
        try:
            return dequantize(np.array(values).reshape(rows, -1), tensor.type).reshape(tensor.shape)
        except NotImplementedError as error:
            raise unsupported(self.path, f"tensor {name} of type", tensor.type.name, QUANTIZED) from error

    def same_values(self, name: str, other: str) -> bool:
        """Whether two tensors are stored as the same bytes."""
        one, two = self.tensors[name], self.tensors[other]
        if (one.shape, one.type) != (two.shape, two.type):
            return False
        return one.start == two.start or np.array_equal(
            self._content[one.start : one.start + one.size], self._content[two.start : two.start + two.size]
        )

    def _located(self, place: _Place, first: int) -> StoredTensor:
        """Check that the values of a tensor lie within the file; `first` is the place of the first one's values."""
        try:
            kind = GGMLQuantizationType(place.type)
        except ValueError:
            raise unsupported(self.path, f"tensor {place.name} of type", place.type, QUANTIZED) from None
        block, block_size = GGML_QUANT_SIZES[kind]
        if not place.shape or place.shape[-1] % block:
            raise _DamagedError(f"tensor {place.name} has the shape {place.shape}, in blocks of {block}")
        tensor = StoredTensor(place.shape, kind, first + place.offset, math.prod(place.shape) // block * block_size)
        if tensor.start + tensor.size > len(self._content):
            raise _DamagedError(f"it ends before the values of tensor {place.name}")
        return tensor


QUANTIZED = ("F32", "F16", "BF16", "Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q2_K to Q6_K", "IQ1_S to IQ4_XS")


def damaged(path: Path, problem: object) -> SFTError:
    """Return the error of a file that cannot be read."""
    return SFTError("SFT398", path=path, problem=problem)


def unsupported(path: Path, what: str, value: object, known: object) -> SFTError:
    """Return the error of a file that asks for what is not known; `known` is a string or strings."""
    shown = known if isinstance(known, str) else ", ".join(map(str, known))  # type: ignore[call-overload]
    return SFTError("SFT399", path=path, what=what, value=value, known=shown)


class _DamagedError(ValueError):
    """The file is not as the format demands; says how, as the part of a sentence."""


@dataclass(frozen=True)
class _Place:
    """A tensor's entry in the header; `offset` counts from the first tensor's values."""

    name: str
    shape: tuple[int, ...]
    type: int
    offset: int


class _Cursor:
    """Reads a file's bytes one after another, and never beyond its end."""

    def __init__(self, content: np.ndarray) -> None:
        self._content = content
        self.position = 0

    def take(self, size: int) -> bytes:
        """Return the next `size` bytes."""
        end = self.position + size
        if end > len(self._content):
            raise _DamagedError(f"it ends at byte {len(self._content):,}, within its header")
        taken = self._content[self.position : end].tobytes()
        self.position = end
        return taken

    def number(self, form: str) -> int:
        """Return the next number of a form of `struct`."""
        return struct.unpack(f"<{form}", self.take(struct.calcsize(form)))[0]

    def string(self) -> str:
        """Return the next string."""
        return self.take(self.number("Q")).decode("utf-8")

    def value(self) -> Any:
        """Return the next value of metadata, with its type before it."""
        kind = self._kind()
        if kind != GGUFValueType.ARRAY:
            return self._values(kind, 1)[0]
        kind, count = self._kind(), self.number("Q")
        if kind == GGUFValueType.ARRAY:
            raise _DamagedError("it holds lists of lists")
        return self._values(kind, count)

    def _kind(self) -> GGUFValueType:
        return GGUFValueType(self.number("I"))  # a ValueError that says which number is unknown

    def _values(self, kind: GGUFValueType, count: int) -> list[Any]:
        if kind == GGUFValueType.STRING:
            return [self.string() for _ in range(count)]  # ends with the file, whatever the count
        form = _SCALARS[kind]
        found = np.frombuffer(self.take(count * form.itemsize), form)
        # The shortest number that is the same float32: 1e-05, not 9.999999747378752e-06.
        return [float(str(number)) for number in found] if form == np.dtype("<f4") else found.tolist()


def _read_start(cursor: _Cursor) -> tuple[int, int]:
    """Read up to the metadata; returns the numbers of tensors and of metadata."""
    if cursor.take(len(GGUF_MAGIC)) != GGUF_MAGIC:
        raise _DamagedError("it is no GGUF file")
    version = cursor.number("I")
    if version not in _VERSIONS:
        is_big_endian = version & 0xFFFF == 0
        raise _DamagedError("it is big-endian" if is_big_endian else f"version {version} of the format is not known")
    return cursor.number("Q"), cursor.number("Q")


def _read_metadata(cursor: _Cursor, count: int) -> Iterator[tuple[str, Any]]:
    for _ in range(count):
        yield cursor.string(), cursor.value()


def _read_places(cursor: _Cursor, count: int) -> Iterator[tuple[str, _Place]]:
    for _ in range(count):
        name, dimensions = cursor.string(), cursor.number("I")
        if dimensions > _MOST_DIMENSIONS:
            raise _DamagedError(f"tensor {name} has {dimensions} dimensions")
        shape = tuple(cursor.number("Q") for _ in range(dimensions))[::-1]
        yield name, _Place(name, shape, cursor.number("I"), cursor.number("Q"))


def _unique(pairs: Iterator[tuple[str, Any]]) -> Iterator[tuple[str, Any]]:
    seen = set()
    for name, value in pairs:
        if name in seen:
            raise _DamagedError(f"{name} is there twice")
        seen.add(name)
        yield name, value
