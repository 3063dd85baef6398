"""The documents of the REST methods classify and regress: JSON → tf.Example, results → JSON.

Pure functions. Formats and messages are those of the C++ server, tensorflow_serving/util/json_tensor.cc.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np
from tensorflow.core.example.example_pb2 import Example
from tensorflow.core.example.feature_pb2 import Feature
from tensorflow_serving.apis.classification_pb2 import ClassificationResult
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.regression_pb2 import RegressionResult

from sftkeras.serving.errors import invalid
from sftkeras.serving.rest_json import (
    as_number,
    check_decimal,
    decimals,
    decode_base64,
    encoded,
    is_base64,
    parse_object,
    quoted,
    signature_name,
    type_name,
    unfit,
)

_INT64_END = 2**63


def parse_examples(body: bytes) -> tuple[str, Input]:
    """Reads {"signature_name": …, "context": {…}, "examples": [{…}, …]}.

    Returns:
        The signature's name ("" for the default) and the examples.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    document = parse_object(body)
    signature = signature_name(document)
    request = Input()
    if "context" in document:
        request.example_list_with_context.context.CopyFrom(_example(document["context"]))
    if "examples" not in document:
        raise unfit(document, "When method is classify, key 'examples' is expected and was not found")
    examples = document["examples"]
    if not isinstance(examples, list):
        raise unfit(document, "Expecting 'examples' value to be an list/array")
    if not examples:
        raise unfit(document, "'examples' value is an empty array")
    into = request.example_list_with_context if "context" in document else request.example_list
    into.examples.extend(map(_example, examples))
    return signature, request


def _example(value: Any) -> Example:
    if not isinstance(value, dict):
        raise invalid(f"Example must be JSON object but got JSON {type_name(value)}")
    example = Example()
    for name, content in value.items():
        feature = example.features.feature[name]
        for item in content if isinstance(content, list) else [content]:
            _add(item, name, feature)
    return example


def _add(value: Any, name: str, feature: Feature) -> None:
    if isinstance(value, str):
        _of_kind(feature, "bytes_list", name).bytes_list.value.append(value.encode())
    elif is_base64(value):
        _of_kind(feature, "bytes_list", name).bytes_list.value.append(decode_base64(value))
    elif value is None or isinstance(value, dict | list):
        raise invalid(f"Feature: {name} has element with unexpected JSON type: {type_name(value)}")
    elif isinstance(value := as_number(value), float):
        _of_kind(feature, "float_list", name)
        check_decimal(value, np.float32)
        feature.float_list.value.append(value)
    else:  # true and false are 1 and 0
        _of_kind(feature, "int64_list", name)
        if value >= _INT64_END:
            raise invalid(f"Feature: {name} has uint64 element. Only int64 is supported.")
        feature.int64_list.value.append(int(value))


def _of_kind(feature: Feature, kind: str, name: str) -> Feature:
    found = feature.WhichOneof("kind")
    if found not in (None, kind):
        raise invalid(f"Unexpected element type in feature: {name} expecting type: {found.removesuffix('_list')}")
    return feature


def render_classification(result: ClassificationResult) -> bytes:
    """Writes {"results": [[[label, score], …], …]}.

    Raises:
        ServingError: INVALID_ARGUMENT if there is nothing to write.
    """
    if not result.classifications:
        raise invalid("Cannot convert empty ClassificationResults to JSON")
    lines = []
    for classifications in result.classifications:
        scores = _decimals(it.score for it in classifications.classes)
        pairs = (f"[{quoted(it.label)}, {score}]" for it, score in zip(classifications.classes, scores, strict=True))
        lines.append(f"[{', '.join(pairs)}]")
    return encoded(f'{{\n    "results": [{", ".join(lines)}\n    ]\n}}')


def render_regression(result: RegressionResult) -> bytes:
    """Writes {"results": [value, …]}.

    Raises:
        ServingError: INVALID_ARGUMENT if there is nothing to write.
    """
    if not result.regressions:
        raise invalid("Cannot convert empty RegressionResults to JSON")
    return encoded(f'{{\n    "results": [{", ".join(_decimals(it.value for it in result.regressions))}]\n}}')


def _decimals(values: Iterable[float]) -> list[str]:
    return decimals(np.fromiter(values, np.float32))
