"""What a REST server may answer, and what the client makes of it."""

from __future__ import annotations

import base64
import contextlib
import json
from typing import Any

import httpx2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftkeras.serving.client import ClientError, Signature, TensorSpec
from sftkeras.serving.client.contract import contract_from_json
from sftkeras.serving.client.rest_calls import _answer, _body, _outputs

STRINGS = TensorSpec("string", (None,))
NUMBERS = TensorSpec("float32", (None, None))
ONE = Signature("tensorflow/serving/predict", {}, {"label": STRINGS})
TWO = Signature("tensorflow/serving/predict", {}, {"label": STRINGS, "scores": NUMBERS})

any_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda children: st.lists(children, max_size=3) | st.dictionaries(st.text(max_size=8), children, max_size=3),
    max_leaves=8,
)
KEYS = ["model_spec", "metadata", "signature_def", "name", "inputs", "outputs", "label", "scores", "b64"]
words = st.sampled_from(KEYS)
near_json = st.recursive(
    any_json,
    lambda children: st.dictionaries(words, children, max_size=4) | st.lists(children, max_size=2),
    max_leaves=12,
)


@pytest.mark.parametrize(
    ("outputs", "signature"),
    [(["a", "b"], ONE), ({"label": ["a", "b"]}, ONE), ({"label": ["a", "b"], "scores": [[1], [0.5]]}, TWO)],
)
def test_a_single_output_may_come_without_its_name(outputs: Any, signature: Signature) -> None:
    found = _outputs({"outputs": outputs}, signature)
    assert found["label"].tolist() == [b"a", b"b"]
    if signature is TWO:
        assert found["scores"].dtype == np.float32
        assert found["scores"].tolist() == [[1.0], [0.5]]


def test_empty_lists_have_the_rank_that_the_contract_says() -> None:
    outputs = {"token": TensorSpec("string", (None, None, 5)), "probability": TensorSpec("float32", (None, None, 5))}
    signature = Signature("tensorflow/serving/predict", {}, outputs)
    found = _outputs({"outputs": {"token": [[], []], "probability": [[], []]}}, signature)
    assert found["token"].shape == found["probability"].shape == (2, 0, 5)
    assert _outputs({"outputs": {"token": [], "probability": []}}, signature)["token"].shape == (0, 0, 5)


def test_bytes_travel_as_base64() -> None:
    value = b"\xff\x00"
    encoded = {"b64": base64.b64encode(value).decode()}
    assert _outputs({"outputs": {"label": [encoded, "é"]}}, ONE)["label"].tolist() == [value, "é".encode()]
    sent = json.loads(_body({"x": np.array([value, "é".encode()], object)}, "serving_default"))
    assert sent == {"signature_name": "serving_default", "inputs": {"x": [encoded, "é"]}}


def test_numbers_that_are_not_finite_are_read() -> None:
    answer = json.loads('{"outputs": {"label": ["a"], "scores": [[NaN, Infinity, -Infinity]]}}')
    np.testing.assert_array_equal(_outputs(answer, TWO)["scores"], [[np.nan, np.inf, -np.inf]])


@pytest.mark.parametrize(
    ("status", "body", "found"),
    [
        (400, b'{"error": "wrong shape"}', "INVALID_ARGUMENT: wrong shape"),
        (401, b"<html>401</html>", "UNAUTHENTICATED: HTTP status 401"),
        (404, b'{"error": "no model"}', "NOT_FOUND: no model"),
        (429, b"", "RESOURCE_EXHAUSTED: HTTP status 429"),
        (503, b'{"error": ""}', "UNAVAILABLE: HTTP status 503"),
        (418, b"[]", "UNKNOWN: HTTP status 418"),
        (200, b"not json", "INTERNAL: the answer is no JSON object"),
    ],
)
def test_errors_have_grpcs_status_and_the_servers_words(status: int, body: bytes, found: str) -> None:
    with pytest.raises(ClientError) as failed:
        _answer(httpx2.Response(status, content=body))
    assert str(failed.value) == found


@given(st.dictionaries(words, near_json, max_size=4))
def test_metadata_of_any_form_is_read_or_refused(answer: dict[str, Any]) -> None:
    with contextlib.suppress(ClientError):
        contract_from_json(answer)


@given(near_json, st.sampled_from([ONE, TWO]))
def test_answers_of_any_form_are_read_or_refused(outputs: Any, signature: Signature) -> None:
    with contextlib.suppress(ClientError):
        assert set(_outputs({"outputs": outputs}, signature)) == set(signature.outputs)
