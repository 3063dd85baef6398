"""Tensors of the Open Inference Protocol: data types, values in JSON, and values as bytes behind the JSON."""

from __future__ import annotations

import math
import struct
from collections.abc import Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.types_pb2 import DataType

from sftkeras.serving.errors import invalid
from sftkeras.serving.json_values import array_of, checked_values, written_numbers
from sftkeras.serving.rest_json import quoted

DATATYPES = {
    "BOOL": tf.bool,
    "UINT8": tf.uint8,
    "UINT16": tf.uint16,
    "UINT32": tf.uint32,
    "UINT64": tf.uint64,
    "INT8": tf.int8,
    "INT16": tf.int16,
    "INT32": tf.int32,
    "INT64": tf.int64,
    "FP16": tf.float16,
    "BF16": tf.bfloat16,
    "FP32": tf.float32,
    "FP64": tf.float64,
    "BYTES": tf.string,
}
_NAMES = {dtype.as_datatype_enum: name for name, dtype in DATATYPES.items()}
_NO_JSON = ("FP16", "BF16")

_LENGTH = struct.Struct("<I")  # of an element of BYTES, before it


def datatype_of(dtype: int) -> str:
    """Return the protocol's name of a tensorflow.DataType, TensorFlow's own where it has none."""
    return _NAMES.get(dtype) or DataType.Name(dtype).removeprefix("DT_")


def read_values(name: str, data: list[Any], shape: tuple[int, ...], datatype: str) -> np.ndarray:
    """Return the tensor that a document gives, nested as its shape is or in one list.

    Raises:
        ServingError: INVALID_ARGUMENT, with the name of the input.
    """
    if datatype in _NO_JSON:
        raise invalid(f"input '{name}': values of {datatype} cannot be sent in JSON; send them as binary data")
    values = _flat(data)
    if len(values) != math.prod(shape):
        raise invalid(f"input '{name}': {len(values)} values do not fill the shape {list(shape)}")
    dtype = DATATYPES[datatype].as_datatype_enum
    return array_of(checked_values(values, dtype), shape, dtype)


def read_bytes(name: str, data: bytes, shape: tuple[int, ...], datatype: str) -> np.ndarray:
    """Return the tensor that bytes hold: little-endian, in C order; each element of BYTES behind its length.

    Raises:
        ServingError: INVALID_ARGUMENT, with the name of the input.
    """
    count = math.prod(shape)
    if datatype == "BYTES":
        return array_of(_elements(name, data, count), shape, tf.string.as_datatype_enum)
    dtype = np.dtype(DATATYPES[datatype].as_numpy_dtype)
    if len(data) != count * dtype.itemsize:
        raise invalid(f"input '{name}': {len(data)} bytes of {datatype} do not fill the shape {list(shape)}")
    if datatype == "BOOL" and data.strip(b"\0\1"):
        raise invalid(f"input '{name}': a byte of BOOL is 0 or 1")
    return np.frombuffer(data, dtype).reshape(shape)


def written_values(name: str, array: np.ndarray) -> str:
    """Return the values of an output as a list in JSON, in C order.

    Raises:
        ServingError: INVALID_ARGUMENT if JSON has no such values.
    """
    if array.dtype != object:
        if (datatype := output_datatype(array)) in _NO_JSON:
            raise invalid(f"output '{name}': JSON has no values of {datatype}; ask for binary data")
        return f"[{','.join(written_numbers(array))}]"
    try:
        return f"[{','.join(quoted(value.decode()) for value in array.ravel())}]"
    except UnicodeDecodeError:
        raise invalid(f"output '{name}' holds bytes that are not UTF-8; ask for binary data") from None


def written_bytes(array: np.ndarray) -> bytes:
    """Return the values of an output as `read_bytes` takes them."""
    if array.dtype == object:
        return b"".join(_LENGTH.pack(len(value)) + value for value in array.ravel())
    return array.tobytes()


def output_datatype(array: np.ndarray) -> str:
    """Return the protocol's name of an array's type."""
    return datatype_of((tf.string if array.dtype == object else tf.dtypes.as_dtype(array.dtype)).as_datatype_enum)


def _flat(data: Sequence[Any]) -> list[Any]:
    values = list(data)
    while values and all(isinstance(value, list) for value in values):
        values = [inner for value in values for inner in value]
    return values


def _elements(name: str, data: bytes, count: int) -> list[bytes]:
    values: list[bytes] = []
    place = 0
    while place < len(data):
        start = place + _LENGTH.size
        place = start + _LENGTH.unpack_from(data, place)[0] if start <= len(data) else start
        if place > len(data):
            raise invalid(f"input '{name}': its binary data ends within an element")
        values.append(data[start:place])
    if len(values) != count:
        raise invalid(f"input '{name}': {len(values)} elements of BYTES do not make {count}")
    return values
