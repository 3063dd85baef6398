"""Templates that say by {% generation %} what the assistant writes, so that transformers can be asked for the places.

Named templates get the tag here. Imports nothing of a test library.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

from sftkeras.text.templates import ChatTemplate
from sftkeras.text.templates.named import NAMED

_HERE = Path(__file__).parent
BEGIN, END = "{%- generation %}", "{%- endgeneration %}"
_IS_ANSWER = "{%- if message.role == 'assistant' %}"


class Tagged(NamedTuple):
    """A template, the same with tags, and whether it knows tools."""

    template: ChatTemplate
    source: str
    tools: bool = False


def _answer(header: str, answer: str, rest: str) -> str:
    """Source that writes a message of the assistant and goes on to the next."""
    written = f"{BEGIN}{{{{- {answer} }}}}{END}"
    return f"{_IS_ANSWER}{{{{- {header} }}}}{written}{{{{- {rest} }}}}{{%- continue %}}{{%- endif %}}"


# What the assistant's messages are written by, before the first statement that writes a message.
_ANSWERS = {
    "chatml": _answer(r"'<|im_start|>assistant\n'", "message.content + '<|im_end|>'", r"'\n'"),
    "llama3": _answer(
        r"'<|start_header_id|>assistant<|end_header_id|>\n\n'", "message.content | trim + '<|eot_id|>'", "''"
    ),
    "gemma": _answer(r"'<start_of_turn>model\n'", "message.content | trim + '<end_of_turn>'", r"'\n'"),
    "mistral": _answer("''", "' ' + message.content | trim + eos_token", "''"),
    "plain": _answer("'Assistant:'", "' ' + message.content | trim + eos_token", r"'\n'"),
}
_FIRST = {
    "chatml": "    {{- '<|im_start|>'",
    "llama3": "    {{- '<|start_header_id|>'",
    "gemma": "    {{- '<start_of_turn>'",
    "mistral": "    {%- if message.role == 'user'",
    "plain": "    {{- message.role",
}


def named(name: str) -> ChatTemplate:
    """A named template for a vocabulary that has its tokens."""
    given: dict[str, Any] = {"bos_token": "<s>", "eos_token": "</s>"}
    return ChatTemplate(NAMED[name].source, name, [*NAMED[name].tokens, "<s>", "</s>"], given)


def tagged(name: str) -> Tagged:
    """A named template, or the one beside this file that thinks and calls tools."""
    if name == "thinking":
        source = (_HERE / "thinking.jinja").read_text(encoding="utf-8")
        tokens = ["<|im_start|>", "<|im_end|>", "<tool_call>", "</tool_call>", "<think>", "</think>"]
        return Tagged(ChatTemplate(source, name, tokens, {}), source, tools=True)
    template = named(name)
    assert _FIRST[name] in template.source
    return Tagged(template, template.source.replace(_FIRST[name], _ANSWERS[name] + _FIRST[name], 1))


NAMES = (*NAMED, "thinking")
