"""predict: row and column format as TensorFlow Serving documents them, and its messages for what does not fit."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
import pytest
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from sftkeras.serving.errors import ServingError
from sftkeras.serving.rest_predict import InputTypes, parse_predict, render_predict

FLOAT, DOUBLE, INT32, UINT8, STRING, INT64, BOOL, HALF, UINT64 = 1, 2, 3, 4, 7, 9, 10, 19, 23
DTYPES = {FLOAT: np.float32, DOUBLE: np.float64, INT32: np.int32, UINT8: np.uint8, INT64: np.int64, BOOL: np.bool_}

NAN = float("nan")


def parse(document: Any, types: Mapping[str, int]) -> dict[str, np.ndarray]:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return parse_predict(body, lambda signature: InputTypes(types)).inputs


def refusal(document: Any, types: Mapping[str, int], code: StatusCode = StatusCode.INVALID_ARGUMENT) -> str:
    with pytest.raises(ServingError) as caught:
        parse(document, types)
    assert caught.value.code is code
    return caught.value.message


def strings(values: Any) -> np.ndarray:
    return np.array(values, object)


def assert_same(found: Mapping[str, np.ndarray], expected: Mapping[str, np.ndarray]) -> None:
    assert found.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(found[name], array)
        assert found[name].dtype == array.dtype


# Reading: the examples of tensorflow_serving/g3doc/api_rest.md and json_tensor_test.cc.

TAGGED = {"tag": STRING, "signal": INT64, "sensor": INT32}
TAGGED_ARRAYS = {
    "tag": strings([b"foo", b"bar"]),
    "signal": np.array([[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]], np.int64),
    "sensor": np.array([[[1, 2], [3, 4]], [[4, 5], [6, 8]]], np.int32),
}


def test_row_format_of_bare_values() -> None:
    assert_same(parse({"instances": ["foo", "bar", "baz"]}, {"x": STRING}), {"x": strings([b"foo", b"bar", b"baz"])})
    assert_same(
        parse({"instances": [[[1, 2]], [[3, 4]]]}, {"x": INT32}), {"x": np.array([[[1, 2]], [[3, 4]]], np.int32)}
    )


def test_row_format_of_named_values() -> None:
    instances = [
        {"tag": "foo", "signal": [1, 2, 3, 4, 5], "sensor": [[1, 2], [3, 4]]},
        {"sensor": [[4, 5], [6, 8]], "tag": "bar", "signal": [3, 4, 1, 2, 5]},
    ]
    assert_same(parse({"instances": instances}, TAGGED), TAGGED_ARRAYS)


def test_column_format() -> None:
    inputs = {
        "tag": ["foo", "bar"],
        "signal": [[1, 2, 3, 4, 5], [3, 4, 1, 2, 5]],
        "sensor": [[[1, 2], [3, 4]], [[4, 5], [6, 8]]],
    }
    assert_same(parse({"inputs": inputs}, TAGGED), TAGGED_ARRAYS)
    assert_same(parse({"inputs": [[1, 2], [3, 4]]}, {"x": INT32}), {"x": np.array([[1, 2], [3, 4]], np.int32)})
    assert_same(parse({"inputs": 2.5}, {"x": FLOAT}), {"x": np.array(2.5, np.float32)})


def test_inputs_with_defaults_may_be_left_out() -> None:
    types = InputTypes({"most": INT32, "stop": STRING, "text": STRING}, frozenset({"most", "stop"}))

    def parsed(document: Any) -> dict[str, np.ndarray]:
        return parse_predict(json.dumps(document).encode(), lambda signature: types).inputs

    only = {"text": strings([b"a", b"b"])}
    for document in ({"inputs": {"text": ["a", "b"]}}, {"inputs": ["a", "b"]}):
        assert_same(parsed(document), only)
    for document in ({"instances": [{"text": "a"}, {"text": "b"}]}, {"instances": ["a", "b"]}):
        assert_same(parsed(document), only)
    both = only | {"most": np.array([3, 4], np.int32)}
    assert_same(parsed({"inputs": {"text": ["a", "b"], "most": [3, 4]}}), both)
    assert_same(parsed({"instances": [{"text": "a", "most": 3}, {"text": "b", "most": 4}]}), both)
    for document, message in (
        ({"instances": [{"text": "a", "most": 3}, {"text": "b"}]}, "keys must be equal to: most,text"),
        ({"instances": [{"most": 3}]}, "keys must be equal to: most,text"),
        ({"inputs": {"most": [3]}}, "Missing named input: text"),
    ):
        with pytest.raises(ServingError, match=message):
            parsed(document)


def test_bytes_are_base64() -> None:
    world = [{"b64": "aGVsbG8="}, {"b64": "d29ybGQ="}]
    assert_same(parse({"instances": world}, {"x": STRING}), {"x": strings([b"hello", b"world"])})
    assert_same(
        parse({"instances": [{"x": [[it] for it in world]}]}, {"x": STRING}), {"x": strings([[[b"hello"], [b"world"]]])}
    )
    assert_same(parse({"inputs": {"b64": "aGVsbG8="}}, {"x": STRING}), {"x": strings(b"hello")})


def test_floats_may_be_whole_nan_or_infinite() -> None:
    body = b'{"instances": [1, 2.0, NaN, -Infinity, 5.003]}'
    assert_same(parse(body, {"x": FLOAT}), {"x": np.array([1, 2, NAN, -np.inf, 5.003], np.float32)})


def test_the_signature_is_asked_for_by_its_name() -> None:
    asked = []

    def types(signature: str) -> InputTypes:
        asked.append(signature)
        return InputTypes({"x": FLOAT})

    assert parse_predict(b'{"signature_name": "other", "inputs": 1}', types).signature == "other"
    assert parse_predict(b'{"instances": [1]}', types).rows
    assert asked == ["other", ""]


@pytest.mark.parametrize("dtype", [FLOAT, DOUBLE])
def test_the_largest_numbers_survive(dtype: int) -> None:
    largest = np.finfo(DTYPES[dtype]).max
    tensors = {"x": np.array([largest, -largest], DTYPES[dtype])}
    written = json.loads(render_predict(tensors, rows=False))["outputs"]
    assert_same(parse({"inputs": written}, {"x": dtype}), tensors)


@given(st.data())
def test_arrays_survive_both_formats(data: st.DataObject) -> None:
    names = data.draw(st.lists(st.text("abc_", min_size=1), min_size=1, max_size=3, unique=True))
    rows = data.draw(st.integers(1, 4))
    types = {name: data.draw(st.sampled_from(sorted(DTYPES))) for name in names}
    tensors = {
        name: data.draw(arrays.arrays(DTYPES[dtype], (rows, *data.draw(arrays.array_shapes(min_dims=0, max_side=3)))))
        for name, dtype in types.items()
    }
    # Integers that a float cannot hold are refused when they come as integers: they are written as decimals.
    read_rows = json.loads(render_predict(tensors, rows=True))["predictions"]
    assert_same(parse({"instances": read_rows}, types), tensors)
    read_columns = json.loads(render_predict(tensors, rows=False))["outputs"]
    assert_same(parse({"inputs": read_columns}, types), tensors)


@given(arrays.arrays(object, arrays.array_shapes(max_dims=3, max_side=3), elements=st.binary()))
def test_bytes_survive_both_formats(array: np.ndarray) -> None:
    for rows, key in ((True, "instances"), (False, "inputs")):
        [written] = json.loads(render_predict({"x_bytes": array}, rows=rows)).values()
        assert_same(parse({key: written}, {"x_bytes": STRING}), {"x_bytes": array})


ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=4) | st.just({"b64": "AA=="}),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(["x", "y", "b64"]), inner, max_size=3),
    max_leaves=10,
)


@given(
    st.dictionaries(st.sampled_from(["instances", "inputs", "signature_name", "z"]), ANYTHING),
    st.dictionaries(st.sampled_from(["x", "y"]), st.sampled_from([*DTYPES, STRING, HALF]), min_size=1),
)
def test_any_document_is_read_or_refused(document: dict[str, Any], types: dict[str, int]) -> None:
    try:
        found = parse(document, types)
    except ServingError as error:
        if error.code not in (StatusCode.INVALID_ARGUMENT, StatusCode.UNIMPLEMENTED):
            raise
    else:
        assert found.keys() <= types.keys()


def test_bytes_alone_are_the_first_input() -> None:
    assert parse({"instances": [{"b64": "AA=="}]}, {"x": STRING, "y": STRING}).keys() == {"x"}


# What does not fit: the messages of json_tensor.cc.


@pytest.mark.parametrize(
    ("document", "types", "message"),
    [
        ({}, {"x": FLOAT}, "Missing 'inputs' or 'instances' key"),
        ({"inputs": 1, "instances": [1]}, {"x": FLOAT}, "expecting only one of 'inputs' or 'instances' keys to exist"),
        ({"instances": 1}, {"x": FLOAT}, "Excepting 'instances' to be an list/array"),
        ({"instances": []}, {"x": FLOAT}, "No values in 'instances' array"),
        ({"signature_name": 5, "instances": [1]}, {"x": FLOAT}, "'signature_name' key must be a string value."),
        ({"instances": [1]}, {}, "Failed to get input map for signature: DEFAULT"),
        (
            {"instances": [[1, 2], [3]]},
            {"x": FLOAT},
            "element: 1 of 'instances' list. Error: INVALID_ARGUMENT: Expecting tensor size: 2 but",
        ),
        ({"instances": [[1, 2], [[3, 4]]]}, {"x": FLOAT}, "Expecting shape [2] but got: [1,2]"),
        ({"instances": [1, [1]]}, {"x": FLOAT}, "Expecting shape [] but got: [1]"),
        (
            {"instances": [[[1], [2, 3]]]},
            {"x": FLOAT},
            "Encountered list at unexpected size: 2 at level: 1 expected size: 1",
        ),
        (
            {"instances": [[[1], 2]]},
            {"x": FLOAT},
            "JSON Value: 2 found at incorrect level: 2 in the JSON DOM. Expected at level: 2",
        ),
        ({"instances": [[1, [2]]]}, {"x": FLOAT}, "Encountered list at unexpected level: 1 expected < 1"),
        ({"instances": ["a"]}, {"x": FLOAT}, 'JSON Value: "a" Type: String is not of expected type: float'),
        ({"instances": [True]}, {"x": INT32}, "JSON Value: true Type: True is not of expected type: int32"),
        ({"instances": [1.0]}, {"x": INT32}, "JSON Value: 1.0 Type: Number is not of expected type: int32"),
        ({"instances": [256]}, {"x": UINT8}, "JSON Value: 256 Type: Number is not of expected type: uint8"),
        ({"instances": [2**31]}, {"x": INT32}, "is not of expected type: int32"),
        ({"instances": [-1]}, {"x": UINT64}, "is not of expected type: uint64"),
        ({"instances": [None]}, {"x": STRING}, "JSON Value: null Type: Null is not of expected type: string"),
        ({"instances": [1]}, {"x": BOOL}, "is not of expected type: bool"),
        (
            {"instances": [16777217]},
            {"x": FLOAT},
            "Cannot convert JSON value: 16777217 to float without loss of precision.",
        ),
        ({"instances": [1e39]}, {"x": FLOAT}, "Cannot convert JSON value: 1e+39 to float without loss of precision."),
        ({"instances": [2**53 + 1]}, {"x": DOUBLE}, "to double without loss of precision."),
        (
            {"instances": [{"x": 1}]},
            {"x": FLOAT, "y": FLOAT},
            'JSON object: {\n    "x": 1\n} keys must be equal to: x,y',
        ),
        (
            {"instances": [{"z": 1}]},
            {"x": FLOAT},
            "element: 0 key: z of 'instances' list. Error: INVALID_ARGUMENT: JSON object: does not have",
        ),
        ({"instances": [1]}, {"x": FLOAT, "y": FLOAT}, "expecting list of objects as multiple input tensors required"),
        ({"instances": [{"x": 1}, [1]]}, {"x": FLOAT}, "Expecting object but got list at item 1 of input list"),
        ({"instances": [1, {"x": 1}]}, {"x": FLOAT}, "Expecting value/list but got object at item 1 of input list"),
        ({"instances": [{"b64": "?"}]}, {"x": STRING}, "Unable to base64 decode"),
        ({"instances": [[{"b64": "AA==", "c": 1}]]}, {"x": STRING}, "not formatted correctly for base64 data"),
        ({"inputs": [1]}, {"x": FLOAT, "y": FLOAT}, "expecting an object as multiple input tensors required"),
        ({"inputs": {"x": 1}}, {"x": FLOAT, "y": FLOAT}, "Missing named input: y in 'inputs' object."),
    ],
    ids=lambda it: it[:40] if isinstance(it, str) else "",
)
def test_what_does_not_fit_is_said_as_in_cpp(document: Any, types: dict[str, int], message: str) -> None:
    assert message in refusal(document, types)


def test_a_type_that_json_lacks_is_unimplemented() -> None:
    message = refusal({"inputs": [1]}, {"x": HALF}, StatusCode.UNIMPLEMENTED)
    assert message == "Conversion of JSON Value: 1 to type: half"


def test_nesting_beyond_any_tensor_is_refused() -> None:
    for depth in (100, 900):
        refusal({"inputs": json.loads("[" * depth + "]" * depth)}, {"x": FLOAT})


# Writing: layout as PrettyWriter of json_tensor.cc gives it.


def test_one_output_is_written_bare() -> None:
    outputs = {"y": np.array([3.5, 4, 5.5], np.float32)}
    assert render_predict(outputs, rows=True) == b'{\n    "predictions": [3.5, 4.0, 5.5\n    ]\n}'
    assert (
        render_predict(outputs, rows=False) == b'{\n    "outputs": [\n        3.5,\n        4.0,\n        5.5\n    ]\n}'
    )


def test_several_outputs_are_written_by_name() -> None:
    outputs = {
        "text": strings([[b"foo"], ["ü".encode()]]),
        "text_bytes": strings([b"hello", b"\xff"]),
        "number": np.array([7, -8], np.int64),
        "flag": np.array([[True, False], [False, False]]),
        "none": np.zeros([2, 0, 3], np.float64),
    }
    rows = [
        {"text": ["foo"], "text_bytes": {"b64": "aGVsbG8="}, "number": 7, "flag": [True, False], "none": []},
        {"text": ["ü"], "text_bytes": {"b64": "/w=="}, "number": -8, "flag": [False, False], "none": []},
    ]
    assert json.loads(render_predict(outputs, rows=True)) == {"predictions": rows}
    columns = {name: [row[name] for row in rows] for name in outputs}
    assert json.loads(render_predict(outputs, rows=False)) == {"outputs": columns}


def test_no_rows_are_an_empty_list() -> None:
    assert json.loads(render_predict({"y": np.zeros([0, 2], np.float32)}, rows=True)) == {"predictions": []}


@pytest.mark.parametrize(
    ("outputs", "message"),
    [
        ({}, "Cannot convert empty tensor map to JSON"),
        ({"y": np.float32(1)}, "Tensor name: y has no shape information "),
        ({"a": np.zeros(2), "b": np.zeros(3)}, "Tensor name: b has inconsistent batch size: 3 expecting: 2"),
        ({"y": np.zeros(2, np.complex64)}, "Failed to write JSON value for tensor type: complex64"),
    ],
)
def test_what_row_format_cannot_hold_is_refused(outputs: dict[str, np.ndarray], message: str) -> None:
    with pytest.raises(ServingError) as caught:
        render_predict(outputs, rows=True)
    assert (caught.value.code, caught.value.message) == (StatusCode.INVALID_ARGUMENT, message)
