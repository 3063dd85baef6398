from __future__ import annotations

import contextlib
import subprocess
import sys

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.predict_pb2 import PredictRequest

from sftkeras.serving.client import ClientError, InputError, TensorSpec, messages
from sftkeras.serving.client.tensors import from_proto, to_proto
from sftkeras.serving.client.write_messages import installed_messages

NUMBERS = ["bool", "float16", "float32", "float64", "int8", "int16", "int32", "int64"]
NUMBERS += ["uint8", "uint16", "uint32", "uint64"]


def test_messages_are_those_of_the_installed_package() -> None:
    assert messages.FILE.read_bytes() == installed_messages(), "run python -m sftkeras.serving.client.write_messages"


def test_client_needs_no_tensorflow_and_is_quick_to_import() -> None:
    code = """
import time
import numpy
began = time.process_time()
import sftkeras.serving.client, sftkeras.serving.client.grpc_calls, sftkeras.serving.client.rest_calls
seconds = time.process_time() - began
import sys
unneeded = ("tensorflow", "keras", "tensorflow_serving", "pyarrow", "sklearn", "rich", "jsonargparse")
found = [name for name in unneeded if name in sys.modules]
print(found, seconds < 0.5, seconds)
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.stdout.startswith("[] True"), done.stdout + done.stderr


def test_messages_are_read_by_tensorflow_in_the_same_process() -> None:
    request = messages.PredictRequest()
    request.model_spec.name = "tiny"
    request.model_spec.version.value = 3
    request.inputs["text"].CopyFrom(to_proto(np.array([b"a", b"b"], object)))
    read = PredictRequest.FromString(request.SerializeToString())
    assert (read.model_spec.name, read.model_spec.version.value) == ("tiny", 3)
    assert tf.make_ndarray(read.inputs["text"]).tolist() == [b"a", b"b"]


def through_tensorflow(array: np.ndarray) -> np.ndarray:
    proto = TensorProto.FromString(to_proto(array).SerializeToString())
    return tf.make_ndarray(proto)


@given(st.sampled_from(NUMBERS).flatmap(lambda name: arrays.arrays(name, arrays.array_shapes(min_dims=0, min_side=0))))
def test_numbers_survive_the_way_to_tensorflow_and_back(array: np.ndarray) -> None:
    np.testing.assert_array_equal(through_tensorflow(array), array)
    as_content = messages.TensorProto.FromString(tf.make_tensor_proto(array).SerializeToString())
    found = from_proto(as_content)
    assert (found.dtype, found.shape) == (array.dtype, array.shape)
    np.testing.assert_array_equal(found, array)


@given(arrays.arrays(object, arrays.array_shapes(min_dims=0, min_side=0), elements=st.binary()))
def test_strings_survive_the_way_to_tensorflow_and_back(array: np.ndarray) -> None:
    proto = messages.TensorProto.FromString(tf.make_tensor_proto(array, tf.string).SerializeToString())
    found = from_proto(proto)
    assert found.shape == array.shape
    assert found.ravel().tolist() == array.ravel().tolist()
    assert through_tensorflow(array).ravel().tolist() == array.ravel().tolist()


FIELDS = {"float_val": "DT_FLOAT", "double_val": "DT_DOUBLE", "int_val": "DT_INT32", "int64_val": "DT_INT64"}
FIELDS |= {"bool_val": "DT_BOOL", "half_val": "DT_HALF", "uint32_val": "DT_UINT32"}


@given(st.sampled_from(sorted(FIELDS)), st.integers(1, 5), st.data())
def test_values_one_by_one_are_read_as_tensorflow_does(field: str, size: int, data: st.DataObject) -> None:
    proto = messages.TensorProto(dtype=messages.DATA_TYPES[FIELDS[field]])
    proto.tensor_shape.dim.add(size=size)
    getattr(proto, field).extend(data.draw(st.lists(st.integers(0, 1), max_size=size)))
    expected = tf.make_ndarray(TensorProto.FromString(proto.SerializeToString()))
    np.testing.assert_array_equal(from_proto(proto), expected)


def test_tensors_that_make_no_sense_are_refused() -> None:
    proto = to_proto(np.zeros([2, 2], np.float32))
    proto.tensor_shape.dim[0].size = 3
    with pytest.raises(ClientError, match=r"4 values for a tensor of shape \(3, 2\)"):
        from_proto(proto)
    with pytest.raises(ClientError, match="DT_VARIANT"):
        from_proto(messages.TensorProto(dtype=messages.DATA_TYPES["DT_VARIANT"]))
    with pytest.raises(ClientError, match="type 4711"):
        from_proto(messages.TensorProto(dtype=4711))


@given(st.data())
def test_tensors_of_any_bytes_are_read_or_refused(data: st.DataObject) -> None:
    proto = messages.TensorProto(dtype=data.draw(st.sampled_from(sorted(messages.DATA_TYPES.values()))))
    for size in data.draw(st.lists(st.sampled_from([-(2**40), -1, 0, 1, 2, 3, 2**20, 2**62]), max_size=4)):
        proto.tensor_shape.dim.add(size=size)
    proto.tensor_content = data.draw(st.binary(max_size=20))
    proto.half_val.extend(data.draw(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3)))
    proto.int_val.extend(data.draw(st.lists(st.integers(-(2**31), 2**31 - 1), max_size=3)))
    proto.string_val.extend(data.draw(st.lists(st.binary(max_size=3), max_size=3)))
    with contextlib.suppress(ClientError):
        assert from_proto(proto).shape == tuple(dim.size for dim in proto.tensor_shape.dim)


@pytest.mark.parametrize(
    ("spec", "value", "problem"),
    [
        (TensorSpec("string", (None,)), [1], "takes strings, not int"),
        (TensorSpec("string", (None,)), "one text", r"shape \(\), but the model takes \(any\)"),
        (TensorSpec("int32", (None,)), [1.5], "takes int32, not float64"),
        (TensorSpec("int32", (None,)), [2**40], "takes int32, which 1099511627776 exceeds"),
        (TensorSpec("uint8", (None,)), [-1], "takes uint8, which -1 exceeds"),
        (TensorSpec("float32", (None, None)), [[1.0], [1.0, 2.0]], "rows differ"),
        (TensorSpec("float32", (None,)), ["1"], "takes float32, not"),
        (TensorSpec("DT_VARIANT", None), [1], "cannot send"),
        (TensorSpec("bool", (None,)), [1], "takes bool, not int64"),
    ],
)
def test_inputs_that_do_not_fit_are_explained(spec: TensorSpec, value: object, problem: str) -> None:
    with pytest.raises(InputError, match=f"input x.*{problem}"):
        spec.array(value, "x")


@pytest.mark.parametrize(
    ("spec", "value", "expected"),
    [
        (TensorSpec("string", (None, None)), [["é", b"\xff"]], [["é".encode(), b"\xff"]]),
        (TensorSpec("string", (None,)), ["\ud800"], [b"?"]),
        (TensorSpec("int32", (None, 2)), np.array([[1, 2]], np.int64), [[1, 2]]),
        (TensorSpec("float32", (None,)), [1, 2], [1.0, 2.0]),
        (TensorSpec("float32", (None,)), [], []),
        (TensorSpec("float32", None), [[1.5]], [[1.5]]),
    ],
)
def test_inputs_become_arrays_of_the_models_type(spec: TensorSpec, value: object, expected: list) -> None:
    array = spec.array(value, "x")
    assert array.tolist() == expected
    assert array.dtype == (object if spec.dtype == "string" else np.dtype(spec.dtype))
