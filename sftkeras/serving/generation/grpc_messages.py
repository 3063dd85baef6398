"""The server's own gRPC stream in TensorFlow Serving's messages: a PredictRequest with the inputs of an export's
signature `generate`, of one row each, and a PredictResponse for each piece.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from sftkeras.serving.errors import invalid
from sftkeras.serving.generation.requests import GenerationRequest, Piece

SERVICE = "sftkeras.serving.GenerationService"
"""Its only call is `Generate`."""

_NUMBERS: Mapping[str, Callable[[Any], Any]] = {
    "max_new_tokens": int,
    "temperature": float,
    "top_k": int,
    "top_p": float,
    "min_p": float,
    "repetition_penalty": float,
    "seed": int,
}


def generation_request(inputs: Mapping[str, np.ndarray]) -> GenerationRequest:
    """Return the request that these inputs make.

    Args:
        inputs: `text` [1], marked text, and any of `max_new_tokens`, `temperature`, `top_k`, `top_p`, `min_p`,
            `repetition_penalty`, `seed`, each [1], and `stop` [1, strings].

    Raises:
        ServingError: INVALID_ARGUMENT for other inputs, types or shapes.
    """
    unknown = sorted(inputs.keys() - {"text", "stop", *_NUMBERS})
    if unknown:
        raise invalid(f'there is no input "{unknown[0]}"; see the signature "generate"')
    if "text" not in inputs:
        raise invalid('the input "text" is missing')
    (text,) = _strings("text", inputs["text"], 1)
    options = {name: _number(name, inputs[name]) for name in _NUMBERS if name in inputs}
    stops = _strings("stop", inputs["stop"], 2) if "stop" in inputs else []
    return GenerationRequest(text, stop=tuple(filter(None, stops)), top_log_probabilities=0, **options)


def piece_outputs(piece: Piece) -> dict[str, np.ndarray]:
    """Return a piece as named outputs of one row: `text`, `token_ids`, `log_probabilities`, `finish_reason` ("" before
    the last), `prompt_tokens`, `new_tokens`."""
    return {
        "text": np.array([piece.text.encode()], object),
        "token_ids": np.array([[token.id for token in piece.tokens]], np.int32),
        "log_probabilities": np.array([[token.log_probability for token in piece.tokens]], np.float32),
        "finish_reason": np.array([(piece.finish_reason or "").encode()], object),
        "prompt_tokens": np.array([piece.prompt_tokens], np.int32),
        "new_tokens": np.array([piece.new_tokens], np.int32),
    }


def _number(name: str, array: np.ndarray) -> Any:
    if array.shape != (1,) or array.dtype.kind not in "iuf":
        raise invalid(f'input "{name}" must be one number, of shape [1]')
    if _NUMBERS[name] is int and array.dtype.kind == "f":
        raise invalid(f'input "{name}" must be a whole number')
    return _NUMBERS[name](array[0])


def _strings(name: str, array: np.ndarray, rank: int) -> list[str]:
    if array.dtype != object or array.ndim != rank or array.shape[0] != 1:
        raise invalid(f'input "{name}" must be of strings, and of one row')
    try:
        return [text.decode() for text in array.reshape(-1)]
    except UnicodeDecodeError:
        raise invalid(f'input "{name}" is not UTF-8') from None
