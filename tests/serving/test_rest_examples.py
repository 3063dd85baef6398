"""classify and regress: tf.Examples from JSON and results to JSON, as json_tensor_test.cc has them."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import text_format
from grpc import StatusCode
from hypothesis import given
from hypothesis import strategies as st
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from sftkeras.serving.errors import ServingError
from sftkeras.serving.rest_examples import parse_examples, render_classification, render_regression


def feature(name: str, kind: str, *values: Any) -> str:
    listed = " ".join(f"value: {value}" for value in values)
    return f'feature {{ key: "{name}" value {{ {kind}_list {{ {listed} }} }} }}'


def test_examples_with_context_and_signature() -> None:
    body = b"""{
      "signature_name": "custom",
      "context": {"query": "pizza", "location": ["sfo"]},
      "examples": [
        {"names": ["foo", "bar"], "ratings": [8.0, 9.0, NaN, Infinity], "age": 20},
        {"names": ["baz", {"b64": "aGVsbG8="}], "ratings": 6.0, "mix": [1, true, false], "none": []}
      ]
    }"""
    context = feature("query", "bytes", '"pizza"') + feature("location", "bytes", '"sfo"')
    first = feature("names", "bytes", '"foo"', '"bar"') + feature("ratings", "float", 8, 9, "nan", "inf")
    second = feature("names", "bytes", '"baz"', '"hello"') + feature("ratings", "float", 6)
    second += feature("mix", "int64", 1, 1, 0) + 'feature { key: "none" value { } }'
    expected = text_format.Parse(
        f"""example_list_with_context {{
          context {{ features {{ {context} }} }}
          examples {{ features {{ {first} {feature("age", "int64", 20)} }} }}
          examples {{ features {{ {second} }} }}
        }}""",
        Input(),
    )
    signature, examples = parse_examples(body)
    assert signature == "custom"
    # As text, where NaN equals itself.
    assert text_format.MessageToString(examples) == text_format.MessageToString(expected)


def test_examples_alone() -> None:
    signature, examples = parse_examples(b'{"examples": [{"x": 1.0}, {"x": 2.0}]}')
    assert signature == ""
    assert [it.features.feature["x"].float_list.value for it in examples.example_list.examples] == [[1.0], [2.0]]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ({"signature_name": ["a"], "examples": [{}]}, "'signature_name' key must be a string value."),
        ({"context": [1]}, "Example must be JSON object but got JSON Array"),
        ({}, "When method is classify, key 'examples' is expected and was not found"),
        ({"examples": {"a": 1}}, "Expecting 'examples' value to be an list/array"),
        ({"examples": []}, "'examples' value is an empty array"),
        ({"examples": [[{}]]}, "Example must be JSON object but got JSON Array"),
        ({"examples": [{"n": [10, None]}]}, "Feature: n has element with unexpected JSON type: Null"),
        ({"examples": [{"n": [10, {"a": 1}]}]}, "Feature: n has element with unexpected JSON type: Object"),
        ({"examples": [{"n": [[10], 20]}]}, "Feature: n has element with unexpected JSON type: Array"),
        ({"examples": [{"n": [10, 10.0]}]}, "Unexpected element type in feature: n expecting type: int64"),
        ({"examples": [{"n": ["a", True]}]}, "Unexpected element type in feature: n expecting type: bytes"),
        ({"examples": [{"n": [20, 2**64 - 1]}]}, "Feature: n has uint64 element. Only int64 is supported."),
        ({"examples": [{"n": 1.7e308}]}, "Cannot convert JSON value: 1.7e+308 to float without loss of precision."),
        ({"examples": [{"n": 10**50}]}, "to float without loss of precision."),
        ({"examples": [{"n": {"b64": "?"}}]}, "Unable to base64 decode"),
    ],
)
def test_what_does_not_fit_is_said_as_in_cpp(document: Any, message: str) -> None:
    with pytest.raises(ServingError) as caught:
        parse_examples(json.dumps(document).encode())
    assert caught.value.code is StatusCode.INVALID_ARGUMENT
    assert message in caught.value.message


LEAVES = st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=3) | st.just({"b64": "AA=="})
FEATURES = st.dictionaries(st.text(max_size=2), LEAVES | st.lists(LEAVES, max_size=3), max_size=3)


@given(st.dictionaries(st.sampled_from(["context", "examples", "x"]), FEATURES | st.lists(FEATURES, max_size=3)))
def test_any_document_is_read_or_refused(document: dict[str, Any]) -> None:
    try:
        _, examples = parse_examples(json.dumps(document).encode())
    except ServingError as error:
        if error.code is not StatusCode.INVALID_ARGUMENT:
            raise
    else:
        examples.SerializeToString()


def test_classes_are_written_as_pairs() -> None:
    result = ClassificationResult()
    for scores in ((0.2, 0.7), (1, 0)):
        classes = result.classifications.add().classes
        for label, score in zip(("car", 'a "bike"'), scores, strict=True):
            classes.add(label=label, score=score)
    expected = (
        '{\n    "results": [[["car", 0.2], ["a \\"bike\\"", 0.7]], [["car", 1.0], ["a \\"bike\\"", 0.0]]\n    ]\n}'
    )
    assert render_classification(result).decode() == expected


def test_regressions_are_written_as_numbers() -> None:
    result = RegressionResult()
    for value in (0.2, float("inf"), 1, float("-inf"), float("nan")):
        result.regressions.add(value=value)
    expected = b'{\n    "results": [0.2, Infinity, 1.0, -Infinity, NaN]\n}'
    assert render_regression(result) == expected


def test_an_empty_result_is_an_error() -> None:
    with pytest.raises(ServingError, match="Cannot convert empty ClassificationResults to JSON"):
        render_classification(ClassificationResult())
    with pytest.raises(ServingError, match="Cannot convert empty RegressionResults to JSON"):
        render_regression(RegressionResult())
