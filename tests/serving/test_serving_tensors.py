"""Tensors on the wire: what TensorFlow writes is read, what is written TensorFlow reads, and nothing grows."""

from __future__ import annotations

import contextlib

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tiny_served import tf

from sftkeras.serving.errors import ServingError
from sftkeras.serving.tensors import TensorProto, to_array, to_proto

NUMBERS = st.sampled_from(["f4", "f8", "f2", "i8", "i4", "i2", "i1", "u1", "u2", "u4", "u8", "?"])
SHAPES = arrays.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)


@given(arrays.arrays(NUMBERS, SHAPES), st.booleans())
def test_numbers_survive_both_ways(array: np.ndarray, as_content: bool) -> None:
    for proto in (to_proto(array, as_content=as_content), tf.make_tensor_proto(array)):
        np.testing.assert_array_equal(to_array("x", proto), array)
    np.testing.assert_array_equal(tf.make_ndarray(to_proto(array, as_content=as_content)), array)


@given(arrays.arrays(object, SHAPES, elements=st.binary(max_size=5)))
def test_strings_survive_both_ways(array: np.ndarray) -> None:
    proto = to_proto(array)
    assert (to_array("x", proto) == array).all()
    assert (tf.make_ndarray(proto) == array).all()


def test_values_that_are_left_out_repeat_the_last_as_in_tensorflow() -> None:
    for dtype, field, last in ((tf.float32, "float_val", 7.0), (tf.string, "string_val", b"seven")):
        proto = TensorProto(dtype=dtype.as_datatype_enum)
        proto.tensor_shape.dim.add().size = 3
        assert (to_array("x", proto) == tf.make_ndarray(proto).astype(dtype.as_numpy_dtype)).all() or dtype == tf.string
        getattr(proto, field).append(last)
        assert to_array("x", proto).tolist() == [last] * 3


@given(st.binary(max_size=60))
def test_bytes_of_no_sense_are_a_tensor_or_a_refusal(content: bytes) -> None:
    try:
        proto = TensorProto.FromString(content)
    except Exception:
        return
    with contextlib.suppress(ServingError):
        assert to_array("x", proto).nbytes <= 16 * 2**20


@pytest.mark.parametrize(
    "change",
    [
        lambda proto: proto.tensor_shape.dim.add(size=2**40),
        lambda proto: proto.tensor_shape.dim.add(size=-1),
        lambda proto: setattr(proto.tensor_shape, "unknown_rank", True),
        lambda proto: setattr(proto, "dtype", tf.resource.as_datatype_enum),
        lambda proto: setattr(proto, "dtype", 0),
        lambda proto: setattr(proto, "tensor_content", b"123"),
        lambda proto: proto.float_val.extend([1, 2, 3]),
        lambda proto: proto.tensor_shape.MergeFrom(tf.TensorShape([1] * 300).as_proto()),
    ],
)
def test_what_is_no_tensor_is_refused(change: object) -> None:
    proto = to_proto(np.ones(2, np.float32))
    change(proto)  # type: ignore[operator]
    with pytest.raises(ServingError, match="tensor parsing error: x"):
        to_array("x", proto)
