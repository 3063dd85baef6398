"""One run of the engine that a request needs, and what tensors must be to join it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import tensorflow as tf
from tensorflow.core.framework.tensor_shape_pb2 import TensorShapeProto
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

from sftkeras.serving.engine import Call
from sftkeras.serving.errors import invalid

Signatures = Mapping[str, SignatureDef]

DEFAULT_SIGNATURE = tf.saved_model.DEFAULT_SERVING_SIGNATURE_DEF_KEY

# How C++ names the types that NumPy names differently (DataTypeString).
_CPP_NAMES = {"float32": "float", "float64": "double", "float16": "half"}


@dataclass(frozen=True)
class EngineRun:
    """One run of the engine.

    Attributes:
        call: what it feeds and fetches.
        arrays: one for each of `call.feeds`.
        rows: how many rows all inputs and outputs have; None if the run cannot share a batch with others.
        divisible: whether answers to parts of the rows can be put together. Otherwise all rows must run at once.
    """

    call: Call
    arrays: tuple[np.ndarray, ...]
    rows: int | None
    divisible: bool = True

    def part(self, start: int, end: int) -> EngineRun:
        """Some of its rows."""
        return replace(self, arrays=tuple(array[start:end] for array in self.arrays), rows=end - start)


def check_tensor(number: int, name: str, info: TensorInfo, array: np.ndarray) -> None:
    """Holds an input against its signature. For a wrong type the message is TensorFlow's, of function.cc, SetArgs."""
    dtype = dtype_of(array)
    if dtype != info.dtype:
        raise invalid(f"Expects arg[{number}] to be {_cpp_name(info.dtype)} but {_cpp_name(dtype)} is provided")
    # C++ leaves the shape to the operations of the graph, whose messages name nothing that a caller knows.
    shape = info.tensor_shape
    if not shape.unknown_rank and not _fits(array.shape, shape):
        raise invalid(f'input "{name}" has shape {shown(array.shape)}, but the signature takes {_taken(shape)}')


def make_run(
    inputs: Sequence[TensorInfo], arrays: Sequence[np.ndarray], outputs: Sequence[TensorInfo], *, lists: bool = False
) -> EngineRun:
    """Puts a run together; each output is fetched once, whatever it is called by.

    Args:
        inputs: of the signature.
        arrays: one for each of them.
        outputs: what is wanted.
        lists: whether rows of the outputs are lists, of which it is known how they are filled up to one width.
    """
    call = Call(tuple(info.name for info in inputs), tuple(sorted({info.name for info in outputs})))
    sizes = {array.shape[0] if array.ndim else 0 for array in arrays}
    shares = len(sizes) == 1 and all(_has_rows(info.tensor_shape) for info in (*inputs, *outputs))
    # How another model fills up what varies in width is its own business: only the model itself can do it.
    divisible = lists or all(_has_one_width(info.tensor_shape) for info in outputs)
    return EngineRun(call, tuple(arrays), (sizes.pop() or None) if shares else None, divisible)


def dtype_of(array: np.ndarray) -> int:
    """TensorFlow's number of an array's type."""
    return (tf.string if array.dtype == object else tf.dtypes.as_dtype(array.dtype)).as_datatype_enum


def enum_name(dtype: int) -> str:
    """As C++ names the values of its enumeration of types, such as DT_FLOAT."""
    return f"DT_{_cpp_name(dtype).upper()}"


def braced(names: Iterable[str]) -> str:
    """A set of names as the C++ server shows it."""
    return "{" + ",".join(sorted(names)) + "}"


def shown(shape: Iterable[int]) -> str:
    """A shape as C++ shows it."""
    return "[" + ",".join(map(str, shape)) + "]"


def _taken(shape: TensorShapeProto) -> str:
    return "[" + ",".join("?" if size.size < 0 else str(size.size) for size in shape.dim) + "]"


def _has_rows(shape: TensorShapeProto) -> bool:
    return not shape.unknown_rank and len(shape.dim) > 0 and shape.dim[0].size == -1


def _has_one_width(shape: TensorShapeProto) -> bool:
    return not shape.unknown_rank and all(dimension.size >= 0 for dimension in shape.dim[1:])


def _fits(shape: tuple[int, ...], taken: TensorShapeProto) -> bool:
    sizes = [dimension.size for dimension in taken.dim]
    return len(shape) == len(sizes) and all(known in (-1, size) for size, known in zip(shape, sizes, strict=True))


def _cpp_name(dtype: int) -> str:
    name = tf.dtypes.as_dtype(dtype).name
    return _CPP_NAMES.get(name, name)
