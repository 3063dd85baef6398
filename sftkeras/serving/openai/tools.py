"""`tools` and `tool_choice` of a chat request: functions that the model may call, and whether it has to."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from sftkeras.serving.generation.grammar import GrammarError, json_grammar
from sftkeras.serving.openai.errors import RequestError
from sftkeras.serving.openai.fields import Fields
from sftkeras.serving.openai.tool_calls import CallStyle

Choice = Literal["none", "auto", "required"]

_MOST_TOOLS = 128
_NAME = re.compile(r"[A-Za-z0-9_-]{1,64}")


@dataclass(frozen=True)
class ToolUse:
    """Tools of a request.

    Attributes:
        tools: as templates take them; none where the model is not to call any.
        required: whether each answer has to be a call.
        named: the only function that may be called; None for any.
        parallel: whether an answer may hold more than one call.
    """

    tools: tuple[Mapping[str, Any], ...] = ()
    required: bool = False
    named: str | None = None
    parallel: bool = True

    @property
    def names(self) -> frozenset[str]:
        """Names of the functions."""
        return frozenset(tool["function"]["name"] for tool in self.tools)

    def grammar(self, style: CallStyle) -> str:
        """Return what a call that has to be is held to.

        Args:
            style: the form in which the model writes calls.

        Raises:
            RequestError: the parameters of a function are of a kind that is not supported.
        """
        functions = [tool["function"] for tool in self.tools]
        calls = [
            {
                "type": "object",
                "properties": {
                    "name": {"const": one["name"]},
                    style.arguments: _declared(one["parameters"]),
                },
                "required": ["name", style.arguments],
                "additionalProperties": False,
            }
            for one in functions
            if self.named in (None, one["name"])
        ]
        call: Mapping[str, Any] = {"anyOf": calls}
        try:
            return json_grammar({"type": "array", "items": call, "minItems": 1, "maxItems": 1} if style.array else call)
        except GrammarError as error:
            message = f"Invalid 'tools': the parameters of a function cannot be kept to: {error.message}."
            raise RequestError(message, param="tools", reason="invalid_function_parameters") from None


def parse_tools(fields: Fields) -> ToolUse:
    """Read the tools of a request.

    Raises:
        RequestError: they are wrong.
    """
    given = fields.given("tools")
    tools = () if given is None else _tools(fields, given)
    parallel = fields.given("parallel_tool_calls") is None or fields.flag("parallel_tool_calls")
    choice, named = _choice(fields)
    if not tools and choice == "required":
        message = "Invalid value for 'tool_choice': 'tool_choice' is only allowed when 'tools' are specified."
        raise RequestError(message, param="tool_choice", reason="invalid_value")
    use = ToolUse(tools if choice != "none" else (), choice == "required", named, parallel)
    if named is not None and named not in use.names:
        message = f"Invalid value for 'tool_choice': there is no function '{named}' in 'tools'."
        raise RequestError(message, param="tool_choice", reason="invalid_value")
    if use.required and fields.given("stop"):
        message = "'stop' cannot be given where a call is required: it would cut the call off."
        raise RequestError(message, param="stop", reason="invalid_value")
    return use


def _tools(fields: Fields, given: Any) -> tuple[Mapping[str, Any], ...]:
    if not isinstance(given, list):
        raise fields.wrong_type("tools", "an array of objects", given)
    if len(given) > _MOST_TOOLS:
        message = f"Invalid 'tools': array too long. Expected at most {_MOST_TOOLS} tools, but got {len(given)}."
        raise RequestError(message, param="tools", reason="array_above_max_length")
    return tuple(_tool(fields, tool, f"tools[{number}]") for number, tool in enumerate(given))


def _tool(fields: Fields, value: Any, place: str) -> Mapping[str, Any]:
    function = fields.members(place, value).function()
    name = function.text("name")
    if not _NAME.fullmatch(name):
        message = f"Invalid '{function.name('name')}': expected at most 64 letters, digits, underscores and dashes."
        raise RequestError(message, param=function.name("name"), reason="invalid_value")
    parameters = function.given("parameters")
    if parameters is not None and not isinstance(parameters, dict):
        raise function.wrong_type("parameters", "an object", parameters)
    description = function.optional_text("description")
    function.flag("strict")  # where a call is required, the schema is always kept to
    function.end()
    # Templates read all three.
    described = {"name": name, "description": description or "", "parameters": parameters or _NO_PARAMETERS}
    return {"type": "function", "function": described}


_NO_PARAMETERS: Mapping[str, Any] = {"type": "object", "properties": {}}
_OTHER_PROPERTIES = ("additionalProperties", "patternProperties", "allOf", "anyOf", "oneOf", "$ref", "if")


def _declared(parameters: Mapping[str, Any]) -> Mapping[str, Any]:
    """The schema of arguments, which are those that it declares where it says nothing of others: a model may make up
    more, and a function takes no more."""
    if "properties" not in parameters or any(key in parameters for key in _OTHER_PROPERTIES):
        return parameters
    return {**parameters, "additionalProperties": False}


def _choice(fields: Fields) -> tuple[Choice, str | None]:
    given = fields.given("tool_choice")
    if isinstance(given, dict):
        named = fields.inside("tool_choice").function()
        name = named.text("name")
        named.end()
        return "required", name
    if given is not None and not isinstance(given, str):
        raise fields.wrong_type("tool_choice", "a string or an object", given)
    found = fields.choice("tool_choice", ("none", "auto", "required"))
    return ("required" if found == "required" else "none" if found == "none" else "auto"), None
