"""NumPy arrays ↔ `TensorProto`. Strings are object arrays of bytes."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sftkeras.serving.client.errors import ClientError
from sftkeras.serving.client.messages import DATA_TYPES, TensorProto

STRING = "string"
BFLOAT16 = "bfloat16"  # which NumPy has not: read as float32, whose upper half it is

_LARGEST_FILLED = 2**24  # values; a few bytes may claim to be a tensor of any size

# TensorFlow's name of a type → NumPy's, and the field of TensorProto that holds its values one by one.
_FIELDS = {
    "DT_BFLOAT16": (BFLOAT16, "half_val"),
    "DT_BOOL": ("bool", "bool_val"),
    "DT_DOUBLE": ("float64", "double_val"),
    "DT_FLOAT": ("float32", "float_val"),
    "DT_HALF": ("float16", "half_val"),
    "DT_INT16": ("int16", "int_val"),
    "DT_INT32": ("int32", "int_val"),
    "DT_INT64": ("int64", "int64_val"),
    "DT_INT8": ("int8", "int_val"),
    "DT_STRING": (STRING, "string_val"),
    "DT_UINT16": ("uint16", "int_val"),
    "DT_UINT32": ("uint32", "uint32_val"),
    "DT_UINT64": ("uint64", "uint64_val"),
    "DT_UINT8": ("uint8", "int_val"),
}
_VALUES = dict(_FIELDS.values())
_NUMBERS = {name: DATA_TYPES[tensorflow_name] for tensorflow_name, (name, _) in _FIELDS.items()}
_TENSORFLOW_NAMES = {number: tensorflow_name for tensorflow_name, number in DATA_TYPES.items()}


def dtype_name(number: int) -> str:
    """Gives NumPy's name of a `DataType`, or `string`; TensorFlow's own name for a type NumPy has not."""
    tensorflow_name = _TENSORFLOW_NAMES.get(number, str(number))
    return _FIELDS.get(tensorflow_name, (tensorflow_name, ""))[0]


def to_proto(array: np.ndarray) -> Any:
    """Serializes an array of one of the types above."""
    strings = array.dtype == object
    proto = TensorProto(dtype=_NUMBERS[STRING if strings else array.dtype.name])
    for size in array.shape:
        proto.tensor_shape.dim.add(size=size)
    if strings:
        proto.string_val.extend(array.ravel().tolist())
    else:
        proto.tensor_content = array.astype(array.dtype.newbyteorder("<")).tobytes()
    return proto


def from_proto(proto: Any) -> np.ndarray:
    """Gives the array of a `TensorProto`, whose values are in `tensor_content` or in the field of their type.

    Raises:
        ClientError: INTERNAL if its type is not known here, or its values do not fill its shape.
    """
    name = dtype_name(proto.dtype)
    if name not in _NUMBERS:
        raise ClientError("INTERNAL", f"the server answered with a tensor of type {name}")
    shape = tuple(dim.size for dim in proto.tensor_shape.dim)
    try:
        values = _values(proto, name, math.prod(shape) if min(shape, default=0) >= 0 else -1)
    except (OverflowError, ValueError) as error:
        raise ClientError("INTERNAL", f"the server answered values that are no {name} ({error})") from error
    if values.size != math.prod(shape) or min(shape, default=0) < 0:
        raise ClientError("INTERNAL", f"the server answered {values.size} values for a tensor of shape {shape}")
    return values.reshape(shape)


def _values(proto: Any, name: str, size: int) -> np.ndarray:
    if name != STRING and proto.tensor_content:
        values = np.frombuffer(proto.tensor_content, np.dtype(_stored(name)).newbyteorder("<")).astype(_stored(name))
    else:
        values = _filled(_listed(getattr(proto, _VALUES[name]), name), size)
    return (values.astype(np.uint32) << 16).view(np.float32) if name == BFLOAT16 else values


def _stored(name: str) -> str:
    return "uint16" if name == BFLOAT16 else name


def _listed(values: Any, name: str) -> np.ndarray:
    if name == STRING:
        return object_array(list(values))
    if name == "float16":  # the bits of each, in an integer
        return np.array(values, np.uint16).view(np.float16)
    return np.array(values, _stored(name))


def _filled(values: np.ndarray, size: int) -> np.ndarray:
    """TensorFlow may leave out repetitions of the last value, and zeros where there is no other value."""
    if values.size >= size or size > _LARGEST_FILLED:
        return values
    last = values[-1:] if values.size else object_array([b""]) if values.dtype == object else np.zeros(1, values.dtype)
    return np.concatenate([values, np.repeat(last, size - values.size)])


def object_array(values: list[Any]) -> np.ndarray:
    """Gives a list of strings as an array of objects, one dimension."""
    array = np.empty(len(values), object)
    array[:] = values
    return array
