"""TensorProto to NumPy arrays and back, as TensorFlow's C++ code reads and writes them. Strings are object arrays of
bytes."""

from __future__ import annotations

import math

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto

from sftkeras.serving.errors import invalid

# A proto may say "a million times this number" in a few bytes. One that would grow larger than this is refused.
_LARGEST_FILLED = 16 * 2**20  # bytes

_STRING_SIZE = 8  # a reference, in an array of objects

_LONGEST_SHAPE = 254  # dimensions, TensorShape::MaxDimensions()

# Where Tensor::AsProtoField puts the values of a type.
_FIELDS = {
    tf.float32: "float_val",
    tf.float64: "double_val",
    tf.string: "string_val",
    tf.int64: "int64_val",
    tf.bool: "bool_val",
    tf.uint32: "uint32_val",
    tf.uint64: "uint64_val",
    **dict.fromkeys((tf.int32, tf.int16, tf.int8, tf.uint16, tf.uint8), "int_val"),
    **dict.fromkeys((tf.float16, tf.bfloat16), "half_val"),
}
_DTYPES = {dtype.as_datatype_enum: dtype for dtype in _FIELDS}


def to_array(name: str, proto: TensorProto) -> np.ndarray:
    """Reads the tensor that a request gives for the input `name`.

    As in C++, fewer values than the shape asks for are filled up with the last one, and no values with zeros.

    Raises:
        ServingError: INVALID_ARGUMENT if it is no tensor, or of a type that no request can carry.
    """
    # The message is that of tensorflow/cc/saved_model/util.cc, GetInputValues; the reason is added.
    try:
        return _to_array(proto)
    except (ValueError, OverflowError, TypeError) as error:
        raise invalid(f"tensor parsing error: {name}: {error}") from None


def to_proto(array: np.ndarray, *, as_content: bool = False) -> TensorProto:
    """Writes a tensor of a response.

    Args:
        array: any of TensorFlow's plain types.
        as_content: numbers as the bytes of `tensor_content`, which is quicker to read, instead of one typed value each,
            which every client can read.
    """
    dtype = tf.string if array.dtype.kind in "OSU" else tf.dtypes.as_dtype(array.dtype)
    proto = TensorProto(dtype=dtype.as_datatype_enum)
    for size in array.shape:
        proto.tensor_shape.dim.add().size = size
    if as_content and dtype != tf.string:
        proto.tensor_content = array.tobytes()
        return proto
    values = array.view(np.uint16) if _FIELDS[dtype] == "half_val" else array
    getattr(proto, _FIELDS[dtype]).extend(values.ravel().tolist())
    return proto


def _to_array(proto: TensorProto) -> np.ndarray:
    if proto.dtype not in _DTYPES:
        raise ValueError(f"values of type {proto.dtype} cannot be sent")
    dtype = _DTYPES[proto.dtype]
    shape = _shape(proto)
    count = math.prod(shape)
    if proto.tensor_content:
        return _from_content(proto.tensor_content, dtype, shape)
    given = len(getattr(proto, _FIELDS[dtype]))
    if given > count:
        raise ValueError(f"{given} values for a shape of {count}")
    if given < count and count * (dtype.size or _STRING_SIZE) > _LARGEST_FILLED:
        raise ValueError(f"{given} values for a shape of {count}")
    if dtype == tf.string:
        return _strings(list(proto.string_val), count).reshape(shape)
    if dtype in (tf.float16, tf.bfloat16) and any(value >> 16 for value in proto.half_val):
        raise ValueError("a value of more than 16 bits")
    return tf.make_ndarray(proto)


def _shape(proto: TensorProto) -> tuple[int, ...]:
    shape = tuple(dimension.size for dimension in proto.tensor_shape.dim)
    if proto.tensor_shape.unknown_rank or any(size < 0 for size in shape) or len(shape) > _LONGEST_SHAPE:
        raise ValueError("its shape is not known")
    return shape


def _from_content(content: bytes, dtype: tf.DType, shape: tuple[int, ...]) -> np.ndarray:
    if dtype == tf.string:
        raise ValueError("strings belong into string_val")
    if len(content) != math.prod(shape) * dtype.size:
        raise ValueError(f"{len(content)} bytes of tensor_content do not fill its shape")
    return np.frombuffer(content, dtype.as_numpy_dtype).reshape(shape)


def _strings(values: list[bytes], count: int) -> np.ndarray:
    array = np.empty(count, object)
    array[: len(values)] = values
    array[len(values) :] = values[-1] if values else b""
    return array
