"""`response_format` of a chat request: JSON of any kind, or JSON that fits a schema."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sftkeras.serving.generation.grammar import GrammarError, json_grammar
from sftkeras.serving.openai.errors import RequestError
from sftkeras.serving.openai.fields import Fields

_FIELD = "response_format"
_KINDS = ("text", "json_object", "json_schema")
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")
_ANY_OBJECT: Mapping[str, Any] = {"type": "object"}


@dataclass(frozen=True)
class ResponseFormat:
    """Form of an answer.

    Attributes:
        schema: what an answer is JSON of; None for any text.
        name: of the schema, as messages call it.
    """

    schema: Mapping[str, Any] | None = None
    name: str = ""

    def grammar(self) -> str | None:
        """Return what texts are held to, None for nothing; takes up to some tenths of a second.

        Raises:
            RequestError: the schema is wrong, or of a kind that is not supported.
        """
        if self.schema is None:
            return None
        try:
            return json_grammar(self.schema)
        except GrammarError as error:
            message = f"Invalid schema for response_format '{self.name}': {error.message}."
            raise RequestError(message, param=_FIELD, reason="invalid_json_schema") from None


def parse_response_format(fields: Fields) -> ResponseFormat:
    """Read the form that a request wants its answers in.

    Raises:
        RequestError: it is wrong.
    """
    given = fields.given(_FIELD)
    if given is None:
        return ResponseFormat()
    inside = fields.members(_FIELD, given)
    inside.required("type")
    kind = inside.choice("type", _KINDS)
    found = ResponseFormat()
    if kind == "json_object":
        found = ResponseFormat(_ANY_OBJECT, kind)
    elif kind == "json_schema":
        found = _of_schema(inside)
    inside.end()
    if found.schema is not None and fields.given("stop"):
        message = f"'stop' cannot be given with a {_FIELD} of JSON: it would cut the answer off."
        raise RequestError(message, param="stop", reason="invalid_value")
    return found


def _of_schema(fields: Fields) -> ResponseFormat:
    inside = fields.inside("json_schema")
    name = inside.text("name")
    if not _NAME.fullmatch(name):
        place = inside.name("name")
        message = f"Invalid '{place}': expected at most 64 letters, digits, underscores and dashes."
        raise RequestError(message, param=place, reason="invalid_value")
    schema = inside.required("schema")
    if not isinstance(schema, dict):
        raise inside.wrong_type("schema", "an object", schema)
    inside.optional_text("description")
    inside.flag("strict")  # the schema is always kept to
    inside.end()
    return ResponseFormat(schema, name)
