"""Values of tensors in JSON documents: checked and turned into arrays, and numbers of arrays written.

Values are held against types as in TensorFlow Serving's C++ server, whose messages stand in
tensorflow_serving/util/json_tensor.cc.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from grpc import StatusCode

from sftkeras.serving.errors import ServingError, invalid
from sftkeras.serving.rest_json import as_number, check_decimal, decimals, decode_base64, shown, type_name

# Numbers of tensorflow.DataType (tensorflow/core/framework/types.proto): by number, so that this needs no TensorFlow.
_STRING, _BOOL = 7, 10
_FLOATS: dict[int, type[np.floating]] = {1: np.float32, 2: np.float64}
_INTEGERS: dict[int, type[np.integer]] = {
    3: np.int32,
    4: np.uint8,
    5: np.int16,
    6: np.int8,
    9: np.int64,
    17: np.uint16,
    22: np.uint32,
    23: np.uint64,
}
_ARRAY_DTYPES: dict[int, Any] = {**_FLOATS, **_INTEGERS, _BOOL: np.bool_, _STRING: object}
# What messages call a type: NumPy's name, but for these.
_NAMES = {1: "float", 2: "double", _STRING: "string", _BOOL: "bool", 8: "complex64", 14: "bfloat16", 19: "half"}
_NAMES |= {number: dtype.__name__ for number, dtype in _INTEGERS.items()}

MOST_DIMENSIONS = 64  # NumPy's limit


def checked_values(values: list[Any], dtype: int) -> list[Any]:
    """Return values of a document as Python objects that NumPy converts without loss.

    Args:
        values: of one tensor; strings, or {"b64": "…"} for bytes.
        dtype: number of its tensorflow.DataType.

    Raises:
        ServingError: INVALID_ARGUMENT for a value of another type, UNIMPLEMENTED for a type that JSON lacks.
    """
    if dtype == _STRING:
        return [value.encode() if isinstance(value, str) else _bytes(value) for value in values]
    if dtype in _FLOATS:
        _check_types(values, {int, float}, dtype)
        return [_float(value, _FLOATS[dtype]) for value in values]
    if dtype in _INTEGERS:
        _check_types(values, {int}, dtype)
        _check_range(values, dtype)
    elif dtype == _BOOL:
        _check_types(values, {bool}, dtype)
    elif values:
        raise ServingError(
            StatusCode.UNIMPLEMENTED, f"Conversion of JSON Value: {shown(values[0])} to type: {_name(dtype)}"
        )
    return values


def array_of(values: list[Any], shape: tuple[int, ...], dtype: int) -> np.ndarray:
    """Return checked values as an array; strings as an object array of bytes.

    Args:
        values: as `checked_values` gives them, in C order.
        shape: which they fill.
        dtype: number of the tensorflow.DataType.

    Raises:
        ServingError: INVALID_ARGUMENT for more dimensions than NumPy has.
    """
    if len(shape) > MOST_DIMENSIONS:
        raise invalid(f"Encountered {len(shape)} nested lists, expected at most {MOST_DIMENSIONS}")
    array = np.empty(len(values), _ARRAY_DTYPES.get(dtype, object))
    array[:] = values
    return array.reshape(shape)


def written_numbers(array: np.ndarray) -> list[str]:
    """Return numbers and booleans as JSON has them, in C order.

    Raises:
        ServingError: INVALID_ARGUMENT for a type that JSON lacks.
    """
    if array.dtype == np.float16:
        array = array.astype(np.float32)
    if array.dtype in (np.float32, np.float64):
        return decimals(array)
    if array.dtype == np.bool_:
        return ["true" if value else "false" for value in array.ravel().tolist()]
    if array.dtype.kind in "iu":
        return list(map(str, array.ravel().tolist()))
    raise invalid(f"Failed to write JSON value for tensor type: {array.dtype}")


def _bytes(value: Any) -> bytes:
    if isinstance(value, dict):
        return decode_base64(value)
    raise _wrong_type(value, _STRING)


def _float(value: int | float, dtype: type[np.floating]) -> float:
    check_decimal(value, dtype)
    return float(as_number(value))


def _check_types(values: list[Any], allowed: set[type], dtype: int) -> None:
    if not set(map(type, values)) <= allowed:
        raise _wrong_type(next(value for value in values if type(value) not in allowed), dtype)


def _check_range(values: list[int], dtype: int) -> None:
    # The C++ server takes any int32 for the smaller types and lets it wrap around.
    limits = np.iinfo(_INTEGERS[dtype])
    if values and not limits.min <= min(values) <= max(values) <= limits.max:
        raise _wrong_type(next(value for value in values if not limits.min <= value <= limits.max), dtype)


def _wrong_type(value: Any, dtype: int) -> ServingError:
    return invalid(f"JSON Value: {shown(value)} Type: {type_name(value)} is not of expected type: {_name(dtype)}")


def _name(dtype: int) -> str:
    return _NAMES.get(dtype, f"DataType {dtype}")
