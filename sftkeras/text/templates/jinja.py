"""Jinja as chat templates are written for it: the environment of transformers, in Jinja's immutable sandbox.

A template is code of a stranger. The sandbox keeps it from anything but the values that it is given; here these are
plain strings, numbers, lists and dictionaries.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, NoReturn

import jinja2
from jinja2 import nodes
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment, SecurityError
from jinja2.utils import Namespace

from sftkeras.errors import SFTError

# The date that templates write which ask for today's. Rows must not change from one day to the next, so it is fixed:
# that which Llama 3.1's template has where nobody gives one.
TRAINING_DAY = datetime(2024, 7, 26)

# What templates look for inside of a content. Equality with a whole content is left out: contents are seldom constants.
_LOOKING = {
    "split",
    "rsplit",
    "partition",
    "rpartition",
    "startswith",
    "endswith",
    "replace",
    "find",
    "rfind",
    "index",
    "count",
    "removeprefix",
    "removesuffix",
}


class RefusedError(Exception):
    """A template does not render a conversation; the text says why, in its own words."""


class JinjaTemplate:
    """A template, compiled.

    Args:
        source: Jinja's text.
        name: what messages call it.
        variables: what it is given beside the conversation, such as `bos_token`.
        today: the date for templates that write it.

    Raises:
        SFTError: SFT390 if it is no template.

    Attributes:
        needles: the strings that it looks for inside of contents, such as </think>.
    """

    def __init__(self, source: str, name: str, variables: Mapping[str, Any], today: datetime = TRAINING_DAY) -> None:
        environment = _environment(today)
        try:
            tree = environment.parse(source)
            self._template = environment.from_string(source)
        except jinja2.TemplateError as error:
            raise SFTError("SFT390", template=name, problem=_in_one_line(error)) from None
        self.needles = tuple(dict.fromkeys(_needles(tree)))
        self._variables = dict(variables)

    def render(self, messages: list[dict[str, Any]], tools: list[Any] | None, *, generation: bool = False) -> str:
        """Return what the template makes of messages.

        Args:
            messages: as `Message.values` gives them.
            tools: None if there are none.
            generation: end with what the assistant's answer follows.

        Raises:
            RefusedError: for messages that it does not take.
        """
        try:
            return self._template.render(
                messages=messages, tools=tools, documents=None, add_generation_prompt=generation, **self._variables
            )
        except (jinja2.TemplateError, TypeError, ValueError, KeyError, IndexError, AttributeError) as error:
            raise RefusedError(_in_one_line(error)) from None


def _in_one_line(error: Exception) -> str:
    return (" ".join(str(error).split()) or type(error).__name__).rstrip(".")


def _environment(today: datetime) -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals["raise_exception"] = _raise_exception
    environment.globals["strftime_now"] = today.strftime
    environment.globals["namespace"] = _Namespace
    del environment.globals["dict"], environment.globals["lipsum"]
    return environment


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Jinja's own filter writes HTML's special characters otherwise, and sorts keys."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise_exception(message: str) -> NoReturn:
    raise jinja2.TemplateError(message)


class _Namespace(Namespace):
    """Jinja's own, without names that reach into Python."""

    def __init__(*args: Any, **kwargs: Any) -> None:  # so that a template may have a variable `self`
        values = dict(*args[1:], **kwargs)
        for name in values:
            _refuse_private(name)
        Namespace.__init__(args[0], values)

    def __setitem__(self, name: str, value: Any) -> None:
        _refuse_private(name)
        super().__setitem__(name, value)


def _refuse_private(name: Any) -> None:
    if isinstance(name, str) and name.startswith("_"):
        raise SecurityError(f"a namespace may have no variable {name}")


class _Generation(Extension):
    """The tag {% generation %}, by which some templates say what the assistant writes. Here that is found and proved,
    so the tag only has to be read."""

    tags = {"generation"}  # noqa: RUF012  Jinja declares it so

    def parse(self, parser: Parser) -> list[nodes.Node]:
        """Return what is inside of the tag."""
        next(parser.stream)
        return parser.parse_statements(("name:endgeneration",), drop_needle=True)


def _needles(tree: nodes.Template) -> list[str]:
    found: list[nodes.Node] = []
    for compared in tree.find_all(nodes.Compare):
        if any(operand.op in ("in", "notin") for operand in compared.ops):
            found.append(compared.expr)
    for call in tree.find_all(nodes.Call):
        if isinstance(call.node, nodes.Getattr) and call.node.attr in _LOOKING:
            found += call.args
    for applied in tree.find_all(nodes.Filter):
        if applied.name == "replace":
            found += applied.args
    return [node.value for node in found if isinstance(node, nodes.Const) and _is_needle(node.value)]


def _is_needle(value: Any) -> bool:
    return isinstance(value, str) and bool(value.strip()) and value == value.strip()
