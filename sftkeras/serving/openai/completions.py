"""`POST /v1/completions`: what a request may hold, and its answer, whole and in pieces.

With `echo` and `logprobs` the prompt's own tokens are scored, which is how lm-evaluation-harness measures a model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from sftkeras.serving.generation.requests import GenerationRequest, Piece, Token
from sftkeras.serving.openai.errors import RequestError
from sftkeras.serving.openai.fields import Fields
from sftkeras.serving.openai.log_probabilities import of_completion
from sftkeras.serving.openai.prompts import Prompts
from sftkeras.serving.openai.sampling import Sampling, Streaming, parse_sampling, parse_streaming
from sftkeras.serving.openai.texts import Written

_MOST_TEXTS = 64  # of a request: prompts × n
_MOST_LOG_PROBABILITIES = 5


@dataclass(frozen=True)
class CompletionRequest:
    """Texts that are to be continued.

    Attributes:
        model: its name.
        prompts: one or more.
        sampling: how continuations are generated.
        streaming: whether they come piece by piece.
        top_log_probabilities: of how many tokens in each place; None for none at all.
        echo: whether each prompt stands before its continuation.
        scored: the tokens of each prompt with their log-probabilities, once they are known.
    """

    prefix: ClassVar[str] = "cmpl-"
    kind: ClassVar[str] = "text_completion"
    chunk_kind: ClassVar[str] = "text_completion"

    model: str
    prompts: tuple[str, ...]
    sampling: Sampling
    streaming: Streaming
    top_log_probabilities: int | None
    echo: bool
    scored: tuple[tuple[Token, ...], ...] = ()

    @property
    def needs_scores(self) -> bool:
        """Whether the prompts are to be scored."""
        return self.echo and (self.top_log_probabilities is not None or self.only_echoes)

    @property
    def only_echoes(self) -> bool:
        """Whether nothing is to be generated."""
        return self.sampling.options.get("max_new_tokens") == 0

    def with_scores(self, scored: Sequence[Sequence[Token]]) -> CompletionRequest:
        """Return the request with the tokens of its prompts, and as many probable ones beside each as it asks for."""
        most = self.top_log_probabilities or 0
        return replace(
            self, scored=tuple(tuple(replace(token, top=token.top[:most]) for token in tokens) for tokens in scored)
        )

    def generation_requests(self, prompts: Prompts) -> list[GenerationRequest]:
        """Return what is asked of the model, `n` texts for each prompt."""
        return [
            request
            for text in self.prompts
            for request in self.sampling.requests(prompts.of_text(text), prompts.defaults, self.top_log_probabilities)
        ]

    def choice(self, index: int, written: Written) -> dict[str, Any]:
        """Return a whole text."""
        whole = (*self._scored(index), *_with_ending(written))
        return self._choice(index, self._echoed(index) + written.text, whole, 0, written.finish_reason)

    def opening(self, index: int) -> dict[str, Any] | None:
        """Return what a stream says of a text before it comes: the prompt, if it is to be there."""
        if not self.echo:
            return None
        return self._choice(index, self._echoed(index), self._scored(index), 0, None)

    def chunks(self, index: int, piece: Piece, before: Written) -> Sequence[dict[str, Any]]:
        """Return the next piece of a text.

        Args:
            index: of the text.
            piece: of it.
            before: what has come.
        """
        if not piece.text and not piece.tokens and not piece.finish_reason:
            return ()
        offset = len(self._echoed(index)) + len(before.text)
        return (self._choice(index, piece.text, _with_ending(piece), offset, piece.finish_reason),)

    def _echoed(self, index: int) -> str:
        return self.prompts[index // self.sampling.n] if self.echo else ""

    def _scored(self, index: int) -> tuple[Token, ...]:
        return self.scored[index // self.sampling.n] if self.scored else ()

    def _choice(
        self, index: int, text: str, tokens: Sequence[Token], offset: int, finish_reason: str | None
    ) -> dict[str, Any]:
        logprobs = None if self.top_log_probabilities is None else of_completion(tokens, offset)
        return {"index": index, "text": text, "logprobs": logprobs, "finish_reason": finish_reason}


def _with_ending(text: Written | Piece) -> tuple[Token, ...]:
    """The tokens, with the one that ended the text: lm-evaluation-harness takes the last for the one it asked for."""
    return (*text.tokens, text.ending) if text.ending else tuple(text.tokens)


def parse_completion(document: dict[str, Any]) -> CompletionRequest:
    """Read the body of a request.

    Raises:
        RequestError: it is wrong, or asks for what this server does not do.
    """
    fields = Fields(document)
    model = fields.text("model")
    fields.unsupported("suffix")
    echo = fields.flag("echo")
    request = CompletionRequest(
        model=model,
        prompts=_prompts(fields),
        sampling=parse_sampling(fields, ("max_tokens",), fewest_tokens=0 if echo else 1),
        streaming=parse_streaming(fields),
        top_log_probabilities=fields.integer("logprobs", 0, _MOST_LOG_PROBABILITIES),
        echo=echo,
    )
    if echo and (request.top_log_probabilities or 0) > 1:
        message = "Invalid 'logprobs': with 'echo', of which the most probable token in each place is given, at most 1."
        raise RequestError(message, param="logprobs", reason="unsupported_value")
    if fields.integer("best_of", 1, _MOST_TEXTS) not in (None, request.sampling.n):
        message = "Invalid 'best_of': this server gives all texts that it generates, so it can only be equal to 'n'."
        raise RequestError(message, param="best_of", reason="unsupported_value")
    fields.end()
    texts = len(request.prompts) * request.sampling.n
    if texts > _MOST_TEXTS:
        message = f"Invalid 'prompt': {texts} texts are asked for, prompts × n; at most {_MOST_TEXTS} can be."
        raise RequestError(message, param="prompt", reason="array_above_max_length")
    return request


def _prompts(fields: Fields) -> tuple[str, ...]:
    given = fields.required("prompt")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list):
        raise fields.wrong_type("prompt", "a string or an array of strings", given)
    if not texts:
        raise RequestError("Invalid 'prompt': empty array.", param="prompt", reason="empty_array")
    if any(isinstance(one, int | list) for one in texts):
        message = (
            "'prompt' holds token numbers; send texts. lm-evaluation-harness does so with tokenized_requests=False."
        )
        raise RequestError(message, param="prompt", reason="unsupported_value")
    for number, one in enumerate(texts):
        if not isinstance(one, str):
            raise fields.wrong_type(f"prompt[{number}]", "a string", one)
    return tuple(texts)
