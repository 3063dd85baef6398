"""`POST /v1/chat/completions`: what a request may hold, and its answer, whole and in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sftkeras.conversations import Conversation
from sftkeras.serving.generation.requests import FinishReason, GenerationRequest, Piece
from sftkeras.serving.openai.conversation import parse_messages
from sftkeras.serving.openai.errors import RequestError
from sftkeras.serving.openai.fields import Fields
from sftkeras.serving.openai.log_probabilities import of_chat
from sftkeras.serving.openai.prompts import Prompts
from sftkeras.serving.openai.response_format import ResponseFormat, parse_response_format
from sftkeras.serving.openai.sampling import (
    MOST_LOG_PROBABILITIES,
    Sampling,
    Streaming,
    parse_sampling,
    parse_streaming,
)
from sftkeras.serving.openai.texts import Written
from sftkeras.serving.openai.tool_calls import ToolCall, plain_part, read_calls
from sftkeras.serving.openai.tools import ToolUse, parse_tools


@dataclass(frozen=True)
class ChatRequest:
    """A conversation that is to be answered.

    Attributes:
        model: its name.
        conversation: the messages.
        sampling: how answers are generated.
        streaming: whether they come piece by piece.
        top_log_probabilities: of how many tokens in each place; None for none at all.
        response_format: form of the answers.
        tools: that they may call.
    """

    prefix: ClassVar[str] = "chatcmpl-"
    kind: ClassVar[str] = "chat.completion"
    chunk_kind: ClassVar[str] = "chat.completion.chunk"

    model: str
    conversation: Conversation
    sampling: Sampling
    streaming: Streaming
    top_log_probabilities: int | None
    response_format: ResponseFormat
    tools: ToolUse

    def generation_requests(self, prompts: Prompts) -> list[GenerationRequest]:
        """Return what is asked of the model, `n` texts.

        Raises:
            RequestError: the model takes no such conversation.
        """
        prompt = prompts.of_conversation(self.conversation)
        if self.tools.required:  # the model is led into the call
            prompt += prompts.calls.opening
            grammar: str | None = self.tools.grammar(prompts.calls)
        else:
            grammar = self.response_format.grammar()
        return self.sampling.requests(prompt, prompts.defaults, self.top_log_probabilities, grammar)

    def choice(self, index: int, written: Written) -> dict[str, Any]:
        """Return a whole text."""
        text, calls = self._divided(written.text)
        message: dict[str, Any] = {"role": "assistant", "content": text, "refusal": None}
        if calls:
            message |= {"content": text or None, "tool_calls": [call.values() for call in calls]}
        return {
            "index": index,
            "message": message,
            "logprobs": None if self.top_log_probabilities is None else of_chat(written.tokens),
            "finish_reason": _finish_reason(written.finish_reason, calls),
        }

    def opening(self, index: int) -> dict[str, Any]:
        """Return what a stream says of a text before it comes."""
        return self._chunk(index, {"role": "assistant", "content": "", "refusal": None})

    def chunks(self, index: int, piece: Piece, before: Written) -> Sequence[dict[str, Any]]:
        """Return the next piece of a text, and its end.

        Args:
            index: of the text.
            piece: of it.
            before: what has come.
        """
        found = []
        text, calls = self._new_part(piece, before)
        if text or piece.tokens:
            chunk = self._chunk(index, {"content": text})
            if self.top_log_probabilities is not None:
                chunk["logprobs"] = of_chat(piece.tokens)
            found.append(chunk)
        for number, call in enumerate(calls):
            found.append(self._chunk(index, {"tool_calls": [{"index": number, **call.values()}]}))
        if piece.finish_reason:
            found.append(self._chunk(index, {}) | {"finish_reason": _finish_reason(piece.finish_reason, calls)})
        return found

    def _divided(self, text: str) -> tuple[str, list[ToolCall]]:
        """A whole text without its calls, and the calls; of several the first, where the caller wants one at most."""
        if not self.tools.tools:
            return text, []
        rest, calls = read_calls(text, self.tools.names)
        return rest, calls if self.tools.parallel else calls[:1]

    def _new_part(self, piece: Piece, before: Written) -> tuple[str, list[ToolCall]]:
        """The text that a piece adds to what its client has, and at the end the calls; what may be one is held back."""
        if not self.tools.tools:
            return piece.text, []
        whole = before.text + piece.text
        text, calls = self._divided(whole) if piece.finish_reason else (plain_part(whole), [])
        return text[len(plain_part(before.text)) :], calls

    def _chunk(self, index: int, delta: dict[str, Any]) -> dict[str, Any]:
        return {"index": index, "delta": delta, "logprobs": None, "finish_reason": None}


def parse_chat(document: dict[str, Any]) -> ChatRequest:
    """Read the body of a request.

    Raises:
        RequestError: it is wrong, or asks for what this server does not do.
    """
    fields = Fields(document)
    model = fields.text("model")
    for field in (
        "functions",
        "function_call",
        "audio",
        "prediction",
        "web_search_options",
        "reasoning_effort",
    ):
        fields.unsupported(field)
    tools, response_format = parse_tools(fields), parse_response_format(fields)
    if tools.tools and response_format.schema is not None:
        message = "'response_format' of JSON and 'tools' exclude each other: an answer is one or the other."
        raise RequestError(message, param="response_format", reason="invalid_value")
    if fields.given("modalities") not in (None, ["text"]):
        fields.unsupported("modalities")
    request = ChatRequest(
        model=model,
        conversation=parse_messages(fields, tools.tools),
        sampling=parse_sampling(fields, ("max_completion_tokens", "max_tokens")),
        streaming=parse_streaming(fields),
        top_log_probabilities=_log_probabilities(fields),
        response_format=response_format,
        tools=tools,
    )
    fields.end()
    return request


def _log_probabilities(fields: Fields) -> int | None:
    wanted = fields.flag("logprobs")
    top = fields.integer("top_logprobs", 0, MOST_LOG_PROBABILITIES)
    if top is not None and not wanted:
        message = "The 'top_logprobs' parameter is only allowed when 'logprobs' is enabled."
        raise RequestError(message, param="top_logprobs", reason="invalid_value")
    return (top or 0) if wanted else None


def _finish_reason(reason: FinishReason | None, calls: Sequence[ToolCall]) -> str | None:
    return "tool_calls" if calls and reason == "stop" else reason
