"""JSON as TensorFlow Serving's REST interface reads and writes it. What the documents mean is the business of
`rest_predict` and `rest_examples`.

The C++ server reads with RapidJSON, which takes NaN and Infinity, and words its errors in
tensorflow_serving/util/json_tensor.cc; so does this module. Stricter than the C++ server: a body that is not UTF-8, an
object that has a key twice, and nesting without end are refused.

Python's own parser and printer take 30 and 140 microseconds for 32 texts and their answers, where the model takes tens
of milliseconds: a faster library, none of which knows NaN, would not be noticed.
"""

from __future__ import annotations

import base64
import binascii
import json
import math
import re
from json.encoder import encode_basestring
from typing import Any

import numpy as np

from sftkeras.serving.errors import ServingError, invalid

# A message repeats the value it is about, but not megabytes of it.
_LONGEST_SHOWN = 1000  # characters

# What Python's parser says, and RapidJSON's words for it (rapidjson/error/en.h).
_WORDING = {
    "Expecting value": "Invalid value.",
    "Illegal trailing comma before end of array": "Invalid value.",
    "Expecting property name enclosed in double quotes": "Missing a name for object member.",
    "Illegal trailing comma before end of object": "Missing a name for object member.",
    "Expecting ':' delimiter": "Missing a colon after a name of object member.",
    "Extra data": "The document root must not be followed by other values.",
    "Unterminated string starting at": "Missing a closing quotation mark in string.",
    "Invalid control character at": "Invalid encoding in string.",
    "Invalid \\escape": "Invalid escape character in string.",
    "Invalid \\escape: ": "Invalid escape character in string.",
    "Invalid \\uXXXX escape": "Incorrect hex digit after \\u escape in string.",
}
_TOO_BIG = "JSON Parse error: Number too big to be stored in double."
_STRING_OR_BRACKET = re.compile(r'"(?:[^"\\]|\\.)*"|[][{}]')
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")

_INT64_LOWEST, _UINT64_END = -(2**63), 2**64


def parse_object(body: bytes) -> dict[str, Any]:
    """Reads a request's body.

    Returns:
        The object, of dict, list, str, int, float, bool and None. Every string can be written as UTF-8.

    Raises:
        ServingError: INVALID_ARGUMENT, with what is wrong and the byte where.
    """
    if not body:
        raise invalid("JSON Parse error: The document is empty")
    try:
        document = _parse(body.decode("utf-8-sig"))
    except UnicodeDecodeError as error:
        raise _parse_error("Invalid encoding in string.", error.start) from None
    except RecursionError:
        raise invalid("JSON Parse error: Arrays and objects are nested too deeply.") from None
    if not isinstance(document, dict):
        raise invalid(f"JSON Value: {shown(document)} Is not object")
    return document


def _parse(text: str) -> Any:
    try:
        document = json.loads(text, object_pairs_hook=_members, parse_float=_finite)
    except json.JSONDecodeError as error:
        raise _parse_error(_wording(error, text), len(text[: error.pos].encode())) from None
    except ValueError:  # an integer of more digits than Python reads
        raise invalid(_TOO_BIG) from None
    if _SURROGATE_ESCAPE.search(text):
        try:
            json.dumps(document, ensure_ascii=False).encode()
        except UnicodeEncodeError:
            raise invalid("JSON Parse error: The surrogate pair in string is invalid.") from None
    return document


def _members(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    members = dict(pairs)
    if len(members) != len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise invalid(f"JSON Parse error: An object has the key {shown(twice)} twice.")
    return members


def _finite(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise invalid(_TOO_BIG)
    return value


def _parse_error(what: str, offset: int) -> ServingError:
    return invalid(f"JSON Parse error: {what} at offset: {offset}")


def _wording(error: json.JSONDecodeError, text: str) -> str:
    if not text.strip():
        return "The document is empty."
    if error.msg == "Expecting ',' delimiter":
        inside_object = _innermost_bracket(text[: error.pos]) == "{"
        return f"Missing a comma or {'} after an object member' if inside_object else '] after an array element'}."
    return _WORDING.get(error.msg, "Unspecific syntax error.")


def _innermost_bracket(text: str) -> str:
    opened = [""]
    for token in _STRING_OR_BRACKET.findall(text):
        if token in "[{":
            opened.append(token)
        elif token in "]}":
            opened.pop()
    return opened[-1]


def signature_name(document: dict[str, Any]) -> str:
    """The signature that a request names, "" if none.

    Raises:
        ServingError: INVALID_ARGUMENT if it is not a string.
    """
    name = document.get("signature_name", "")
    if not isinstance(name, str):
        raise invalid(
            f"JSON Value: {shown(document)} not formatted correctly. 'signature_name' key must be a string value."
        )
    return name


def type_name(value: Any) -> str:
    """RapidJSON's name of a value's type."""
    match value:
        case None:
            return "Null"
        case bool():
            return str(value)
        case dict():
            return "Object"
        case list():
            return "Array"
        case str():
            return "String"
    return "Number"


def shown(value: Any) -> str:
    """A value as an error message shows it, cut if it is long."""
    if isinstance(value, float):
        fits = abs(value) <= float(np.finfo(np.float32).max)
        return decimals(np.array([value], np.float32 if fits else np.float64))[0]
    text = ""
    for piece in json.JSONEncoder(indent=4, ensure_ascii=False).iterencode(value):
        text += piece
        if len(text) > _LONGEST_SHOWN:
            return text[:_LONGEST_SHOWN] + "…"
    return text


def unfit(document: dict[str, Any], what: str) -> ServingError:
    """The error for a request whose keys are not those that its method wants."""
    return invalid(f"JSON Value: {shown(document)} {what}")


def as_number(value: int | float) -> int | float:
    """A number as RapidJSON holds it: an integer of more than 64 bits becomes a float.

    Raises:
        ServingError: INVALID_ARGUMENT if it is larger than any float64.
    """
    if isinstance(value, float) or _INT64_LOWEST <= value < _UINT64_END:
        return value
    try:
        return float(value)
    except OverflowError:
        raise invalid(_TOO_BIG) from None


def check_decimal(value: int | float, dtype: type[np.floating]) -> None:
    """Refuses a number that float32 or float64 cannot hold; decimals may be rounded, integers may not.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    value = as_number(value)
    limits = np.finfo(dtype)
    if isinstance(value, int):
        fits = abs(value) < 2 ** (limits.nmant + 1)
    else:
        with np.errstate(over="ignore"):  # the digits we write of the largest float32 are a little above it
            fits = not math.isfinite(value) or bool(np.isfinite(dtype(value)))
    if not fits:
        name = "float" if dtype is np.float32 else "double"
        raise invalid(f"Cannot convert JSON value: {shown(value)} to {name} without loss of precision.")


def is_base64(value: Any) -> bool:
    """Whether a value stands for bytes: {"b64": "…"}."""
    return isinstance(value, dict) and len(value) == 1 and isinstance(value.get("b64"), str)


def decode_base64(value: dict[str, Any]) -> bytes:
    """The bytes of {"b64": "…"}. Padding may be left out.

    Raises:
        ServingError: INVALID_ARGUMENT.
    """
    if not is_base64(value):
        raise invalid(f"JSON Value: {shown(value)} not formatted correctly for base64 data")
    text = "".join(value["b64"].split()).rstrip("=")
    try:
        return base64.b64decode(text + "=" * (-len(text) % 4), validate=True)
    except (binascii.Error, ValueError):
        raise invalid("Unable to base64 decode") from None


def decimals(values: np.ndarray) -> list[str]:
    """float32 or float64 numbers as the C++ server writes them, in C order.

    Six digits where these give the number back, else nine (float32) or seventeen; whole numbers end in ".0".
    """
    numbers = values.ravel().tolist()
    short = ("%.6g " * len(numbers) % tuple(numbers)).split()
    enough = np.array(short, "U").astype(values.dtype) == values.ravel()
    digits = 9 if values.dtype == np.float32 else 17  # max_digits10
    return [
        _decimal(text if exact else f"{number:.{digits}g}")
        for text, exact, number in zip(short, enough.tolist(), numbers, strict=True)
    ]


def _decimal(text: str) -> str:
    if text.endswith(("nan", "inf")):
        return {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}[text]
    return text if "." in text or "e" in text else f"{text}.0"


def quoted(value: str | bytes) -> str:
    """A string in quotes. Bytes that are not UTF-8 are passed on as they are by `encoded`, as in the C++ server."""
    return encode_basestring(value.decode("utf-8", "surrogateescape") if isinstance(value, bytes) else value)


def encoded(text: str) -> bytes:
    """A response's body."""
    return text.encode("utf-8", "surrogateescape")


def error_body(message: str) -> bytes:
    """{"error": "…"}, in ASCII: a message may repeat anything the caller sent."""
    return json.dumps({"error": message}, indent=4).encode()
