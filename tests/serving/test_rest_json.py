"""JSON is read and written as the C++ server does, and nothing a caller sends does more than get an error."""

from __future__ import annotations

import json
import math
import struct
import time
from typing import Any

import numpy as np
import pytest
from grpc import StatusCode
from hypothesis import example, given
from hypothesis import strategies as st

from sftkeras.serving.errors import ServingError
from sftkeras.serving.rest_json import decimals, decode_base64, encoded, error_body, parse_object, quoted, shown

TEXTS = st.text(st.characters(codec="utf-8"))
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**63), 2**64 - 1) | st.floats() | TEXTS,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(TEXTS, inner, max_size=4),
    max_leaves=12,
)


def refusal(body: bytes) -> str:
    with pytest.raises(ServingError) as caught:
        parse_object(body)
    assert caught.value.code is StatusCode.INVALID_ARGUMENT
    return caught.value.message


def same(one: Any, other: Any) -> bool:
    """Equal, with NaN equal to itself."""
    return json.dumps(one) == json.dumps(other)


@given(st.dictionaries(TEXTS, VALUES, max_size=4), st.booleans())
def test_what_json_writes_is_read(document: dict[str, Any], ascii_only: bool) -> None:
    assert same(parse_object(json.dumps(document, ensure_ascii=ascii_only).encode()), document)


@given(st.binary(max_size=60) | TEXTS.map(str.encode) | VALUES.map(lambda it: json.dumps(it).encode()))
@example(b"\xef\xbb\xbf{}")
def test_any_bytes_are_read_or_refused(body: bytes) -> None:
    try:
        assert isinstance(parse_object(body), dict)
    except ServingError as error:
        error_body(error.message).decode("ascii")


@given(st.data())
def test_a_cut_document_is_refused(data: st.DataObject) -> None:
    body = json.dumps({"instances": data.draw(VALUES)}).encode()
    assert "JSON Parse error: " in refusal(body[: data.draw(st.integers(0, len(body) - 1))])


@pytest.mark.parametrize(
    ("body", "message"),
    [
        (b"", "The document is empty"),
        (b" \n", "The document is empty. at offset: 2"),
        (b"instances = [1, 2]", "Invalid value. at offset: 0"),
        (b'{"a": [1, ]}', "Invalid value. at offset: 10"),
        (b'{"a" 1}', "Missing a colon after a name of object member. at offset: 5"),
        (b'{"a": 1 "b"}', "Missing a comma or } after an object member. at offset: 8"),
        (b'{"a]": [1 2]}', "Missing a comma or ] after an array element. at offset: 10"),
        (b"{1}", "Missing a name for object member. at offset: 1"),
        (b"{} {}", "The document root must not be followed by other values. at offset: 3"),
        ('{"ü'.encode(), "Missing a closing quotation mark in string. at offset: 1"),
        (b'{"a": "\\x"}', "Invalid escape character in string. at offset: 7"),
        (b'{"a": "\\u12g4"}', "Incorrect hex digit after \\u escape in string. at offset: 8"),
        (b'{"a": "\x01"}', "Invalid encoding in string. at offset: 7"),
        (b'{"a": "\xff"}', "Invalid encoding in string. at offset: 7"),
        (b'{"a": "\\ud800"}', "The surrogate pair in string is invalid."),
        (b'{"a": 1e400}', "Number too big to be stored in double."),
        (b'{"a": ' + b"9" * 5000 + b"}", "Number too big to be stored in double."),
        (b'{"a": 1, "b": 2, "a": 3}', 'An object has the key "a" twice.'),
        (b'{"a":' + b"[" * 100_000, "Arrays and objects are nested too deeply."),
    ],
)
def test_what_is_wrong_is_said_in_rapidjsons_words(body: bytes, message: str) -> None:
    assert refusal(body) == f"JSON Parse error: {message}"


def test_nan_and_infinity_are_read() -> None:
    nan, *rest = parse_object(b'{"a": [NaN, Infinity, -Infinity]}')["a"]
    assert math.isnan(nan)
    assert rest == [math.inf, -math.inf]


def test_a_body_of_brackets_is_refused_at_once() -> None:
    start = time.perf_counter()
    for body in (b"[" * 2_000_000, b'{"a":' * 400_000, b'{"instances":' + b"[[]," * 500_000):
        refusal(body)
    assert time.perf_counter() - start < 60  # hours, were it quadratic


@given(st.floats(width=32))
@example(9e6)
@example(-0.0)
@example(0.123456789)
@example(3.4028235e38)
@example(1e-45)
def test_a_float32_comes_back_and_looks_like_a_decimal(value: float) -> None:
    [text] = decimals(np.array([value], np.float32))
    assert struct.pack("f", float(text.replace("Infinity", "inf"))) == struct.pack("f", value) or math.isnan(value)
    assert any(mark in text for mark in (".", "e", "NaN", "Infinity"))


@given(st.floats(allow_nan=False))
@example(0.1)
@example(1e22)
def test_a_float64_comes_back(value: float) -> None:
    [text] = decimals(np.array([value]))
    assert float(text.replace("Infinity", "inf")) == value


def test_decimals_look_as_in_cpp() -> None:
    """The examples of json_tensor_test.cc, and digits beyond the sixth."""
    values = [9000000, 999999, 0.5, 0.0003, 0.00003, 555557.5, 1234567, 0.123456789, 3, math.nan, -math.inf]
    assert decimals(np.array(values, np.float32)) == [
        *("9e+06", "999999.0", "0.5", "0.0003", "3e-05", "555557.5", "1234567.0", "0.123456791", "3.0", "NaN"),
        "-Infinity",
    ]
    assert decimals(np.array([0.1, 1 / 3])) == ["0.1", "0.33333333333333331"]


@given(st.binary())
def test_strings_pass_through_unchanged_even_if_they_are_no_utf8(value: bytes) -> None:
    body = encoded(quoted(value))
    assert json.loads(body.decode("utf-8", "surrogateescape"), strict=True).encode("utf-8", "surrogateescape") == value


@given(st.binary(), st.booleans())
def test_base64_with_and_without_padding(value: bytes, padded: bool) -> None:
    from base64 import b64encode

    text = b64encode(value).decode()
    assert decode_base64({"b64": text if padded else text.rstrip("=")}) == value


@pytest.mark.parametrize("text", ["a", "é", "ab=c", "a-_b", "a\x00bc"])
def test_what_is_no_base64_is_refused(text: str) -> None:
    with pytest.raises(ServingError, match="Unable to base64 decode"):
        decode_base64({"b64": text})


def test_a_message_does_not_repeat_megabytes() -> None:
    assert len(shown("x" * 10**6)) < 1100
    assert len(shown([[1] * 1000] * 1000)) < 1100
