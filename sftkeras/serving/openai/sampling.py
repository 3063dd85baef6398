"""Arguments of generation that chat and completions share."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sftkeras.generation.stop_limits import MOST_BYTES, MOST_STRINGS, too_long
from sftkeras.serving.generation.requests import GenerationRequest
from sftkeras.serving.openai.errors import RequestError
from sftkeras.serving.openai.fields import Fields

_MOST_CHOICES = 16
_MOST_TOKENS = 2**31 - 1
_INT64 = (-(2**63), 2**63 - 1)
MOST_LOG_PROBABILITIES = 20

# What changes no answer here: OpenAI's bookkeeping, and settings of its own machines.
_WITHOUT_EFFECT = (
    "user",
    "metadata",
    "service_tier",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
)


@dataclass(frozen=True)
class Sampling:
    """Arguments of generation; None where the model's own default is taken.

    Attributes:
        options: of `GenerationRequest`, by their names, those that a request gives.
        n: texts for each prompt.
        seed: of the first text; the others count on from it.
    """

    options: Mapping[str, Any]
    n: int
    seed: int

    def requests(
        self,
        prompt: str,
        defaults: Mapping[str, Any],
        top_log_probabilities: int | None,
        grammar: str | None = None,
    ) -> list[GenerationRequest]:
        """Return what is asked of the model for one prompt.

        Args:
            prompt: marked text.
            defaults: of the model.
            top_log_probabilities: as of `GenerationRequest`.
            grammar: likewise.
        """
        options = {**defaults, **self.options, "top_log_probabilities": top_log_probabilities, "grammar": grammar}
        return [
            GenerationRequest(prompt, **{**options, "seed": _wrapped(self.seed + number)}) for number in range(self.n)
        ]


@dataclass(frozen=True)
class Streaming:
    """Whether and how an answer comes piece by piece.

    Attributes:
        wanted: whether it does.
        usage: whether the number of tokens comes at its end.
    """

    wanted: bool
    usage: bool


def parse_sampling(fields: Fields, max_tokens: tuple[str, ...], fewest_tokens: int = 1) -> Sampling:
    """Read the arguments that say how texts are generated.

    Args:
        fields: of the request.
        max_tokens: names of the argument for the most tokens of a text; a request gives one of them.
        fewest_tokens: the smallest number that it may be.

    Raises:
        RequestError: one is wrong or not supported.
    """
    given = {
        "max_new_tokens": _max_tokens(fields, max_tokens, fewest_tokens),
        "temperature": fields.decimal("temperature", 0, 2),
        "top_p": fields.decimal("top_p", 0, 1),
        # These three are no arguments of OpenAI's; other servers of its API have them by these names.
        "top_k": fields.integer("top_k", 0, _MOST_TOKENS),
        "min_p": fields.decimal("min_p", 0, 1),
        "repetition_penalty": fields.decimal("repetition_penalty", 0.01, 10),
        "stop": _stop(fields),
    }
    seed = fields.integer("seed", *_INT64)
    n = fields.integer("n", 1, _MOST_CHOICES)
    for field in _WITHOUT_EFFECT:
        fields.given(field)
    for field in ("presence_penalty", "frequency_penalty", "logit_bias", "store"):
        fields.unsupported(field)
    return Sampling(
        {name: value for name, value in given.items() if value is not None},
        n or 1,
        secrets.randbits(63) if seed is None else seed,
    )


def parse_streaming(fields: Fields) -> Streaming:
    """Read whether the answer is to be streamed.

    Raises:
        RequestError: an argument is wrong, or says how a stream is to be where none is asked for.
    """
    wanted = fields.flag("stream")
    options = fields.given("stream_options")
    if options is None:
        return Streaming(wanted, usage=False)
    if not isinstance(options, dict):
        raise fields.wrong_type("stream_options", "an object", options)
    if not wanted:
        message = "The 'stream_options' parameter is only allowed when 'stream' is enabled."
        raise RequestError(message, param="stream_options", reason="invalid_value")
    inside = Fields(options, "stream_options.")
    usage = inside.flag("include_usage")
    inside.flag("include_obfuscation")  # noise against those who watch the sizes of encrypted pieces; none is added
    inside.end()
    return Streaming(wanted, usage)


def _max_tokens(fields: Fields, names: tuple[str, ...], fewest: int) -> int | None:
    given = [value for name in names if (value := fields.integer(name, fewest, _MOST_TOKENS)) is not None]
    if len(given) > 1:
        message = f"Only one of {' and '.join(names)} can be given."
        raise RequestError(message, param=names[0], reason="invalid_value")
    return given[0] if given else None


def _stop(fields: Fields) -> tuple[str, ...] | None:
    given = fields.given("stop")
    if given is None:
        return None
    stops = [given] if isinstance(given, str) else given
    if not isinstance(stops, list) or not all(isinstance(one, str) for one in stops):
        raise fields.wrong_type("stop", "a string or an array of strings", given)
    if len(stops) > MOST_STRINGS or too_long(stops):
        message = f"Invalid 'stop': expected at most {MOST_STRINGS} strings of at most {MOST_BYTES} bytes."
        raise RequestError(message, param="stop", reason="array_above_max_length")
    if "" in stops:
        message = "Invalid 'stop': an empty string would end every text at once."
        raise RequestError(message, param="stop", reason="empty_string")
    return tuple(stops)


def _wrapped(seed: int) -> int:
    """As int64."""
    lowest, highest = _INT64
    return seed if seed <= highest else seed - highest - 1 + lowest
