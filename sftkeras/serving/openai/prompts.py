"""Prompts of a model that generates: conversations through its own chat template, and plain texts, as
marked text (`sftkeras.text.marks`), so that no caller can write a special token."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from sftkeras.conversations import Conversation
from sftkeras.errors import SFTError
from sftkeras.serving.openai.errors import RequestError
from sftkeras.serving.openai.tool_calls import CallStyle
from sftkeras.text import marks
from sftkeras.text.templates import ChatTemplate, Rendered


class Prompts:
    """Writes the prompts of one version.

    Args:
        facts: what its export says of itself, see `sftkeras.exporting.generation_file`.

    Attributes:
        defaults: the options of a request that does not name them.
        begin: the marked text that a plain text begins with, maybe none.
        calls: the form in which the model calls tools.

    Raises:
        SFTError: SFT390 if the chat template is none.
    """

    def __init__(self, facts: Mapping[str, Any]) -> None:
        self.defaults: Mapping[str, Any] = facts["defaults"]
        self.begin: str = facts["begin"]
        self._system: str | None = None
        self.calls = CallStyle()
        self._template: ChatTemplate | None = None
        if chat := facts["chat"]:
            self._system = chat["system"]
            self._template = ChatTemplate.restored(chat)
            self.calls = CallStyle.of_template(self._template.source)

    def of_conversation(self, conversation: Conversation) -> str:
        """Return the marked text that asks for the next answer.

        Raises:
            RequestError: there is no template, or it does not take the conversation.
        """
        if self._template is None:
            message = "This model has no chat template: it continues texts. Ask /v1/completions."
            raise RequestError(message, param="model", reason="unsupported_model")
        if self._system is not None:
            conversation = conversation.with_system(self._system)
        try:
            rendered = self._template.rendered(conversation, generation=True)
            toolless = conversation.tools and self._template.render(replace(conversation, tools=()), generation=True)
        except SFTError as error:
            message = f"The model's chat template does not take this conversation: {error.details['problem']}."
            raise RequestError(message, param="messages", reason="invalid_value") from None
        if toolless == rendered.marked:
            raise _no_tools()
        _check_tools(conversation, rendered)
        return rendered.marked

    def of_text(self, text: str) -> str:
        """Return the marked text that asks for the continuation of a text."""
        return text_prompt(self.begin, text)


def text_prompt(begin: str, text: str) -> str:
    """Return the marked text that asks for the continuation of a text.

    Args:
        begin: the marked text that a model's plain texts begin with.
        text: of a caller; special tokens that it contains are ordinary characters.
    """
    return begin + marks.ordinary(text)


def _check_tools(conversation: Conversation, rendered: Rendered) -> None:
    """Refuse a conversation whose tools, calls or results a template leaves out: the model would not know of them."""
    for dropped in rendered.dropped:
        if dropped.partly:
            continue
        if dropped.message < 0:
            raise _no_tools()
        if dropped.key == "tool_calls" or conversation.messages[dropped.message].role == "tool":
            place = f"messages[{dropped.message}].{dropped.key}"
            raise RequestError(f"The model's chat template leaves out '{place}'.", param=place, reason="invalid_value")


def _no_tools() -> RequestError:
    message = "The model's chat template has no tools: it would leave them out."
    return RequestError(message, param="tools", reason="unsupported_parameter")
