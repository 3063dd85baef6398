"""`POST /v1/chat/completions`: what a request may hold, and its answer, whole and in pieces."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

from sftkeras.conversations import Conversation
from sftkeras.serving.generation.requests import GenerationRequest, Piece
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

    def generation_requests(self, prompts: Prompts) -> list[GenerationRequest]:
        """Return what is asked of the model, `n` texts.

        Raises:
            RequestError: the model takes no such conversation.
        """
        prompt = prompts.of_conversation(self.conversation)
        return self.sampling.requests(
            prompt, prompts.defaults, self.top_log_probabilities, self.response_format.grammar()
        )

    def choice(self, index: int, written: Written) -> dict[str, Any]:
        """Return a whole text."""
        return {
            "index": index,
            "message": {"role": "assistant", "content": written.text, "refusal": None},
            "logprobs": None if self.top_log_probabilities is None else of_chat(written.tokens),
            "finish_reason": written.finish_reason,
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
        if piece.text or piece.tokens:
            chunk = self._chunk(index, {"content": piece.text})
            if self.top_log_probabilities is not None:
                chunk["logprobs"] = of_chat(piece.tokens)
            found.append(chunk)
        if piece.finish_reason:
            found.append(self._chunk(index, {}) | {"finish_reason": piece.finish_reason})
        return found

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
        "tools",
        "functions",
        "function_call",
        "audio",
        "prediction",
        "web_search_options",
        "reasoning_effort",
    ):
        fields.unsupported(field)
    _check_tool_choice(fields)
    if fields.given("modalities") not in (None, ["text"]):
        fields.unsupported("modalities")
    request = ChatRequest(
        model=model,
        conversation=parse_messages(fields),
        sampling=parse_sampling(fields, ("max_completion_tokens", "max_tokens")),
        streaming=parse_streaming(fields),
        top_log_probabilities=_log_probabilities(fields),
        response_format=parse_response_format(fields),
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


def _check_tool_choice(fields: Fields) -> None:
    """Without tools, "none" and "auto" say the same."""
    if fields.given("tool_choice") not in (None, "none", "auto"):
        fields.unsupported("tool_choice")
    fields.flag("parallel_tool_calls")
