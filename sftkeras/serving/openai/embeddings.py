"""`POST /v1/embeddings`: a vector for each text, by a similarity model."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from sftkeras.serving.answering import Answering
from sftkeras.serving.openai.errors import RequestError
from sftkeras.serving.openai.fields import Fields
from sftkeras.serving.openai.served_models import TEXT, VECTOR, embeds, used
from sftkeras.serving.rest_json import decimals
from sftkeras.serving.runs import DEFAULT_SIGNATURE


@dataclass(frozen=True)
class EmbeddingsRequest:
    """A request for embeddings.

    Attributes:
        model: its name.
        texts: one or more.
        in_base64: whether vectors are sent as the bytes of their float32 numbers, which the official client asks for.
        dimensions: that vectors are to have, None for all.
    """

    model: str
    texts: tuple[str, ...]
    in_base64: bool
    dimensions: int | None


def parse_embeddings(document: dict[str, Any]) -> EmbeddingsRequest:
    """Read the body of a request.

    Raises:
        RequestError: it is wrong.
    """
    fields = Fields(document)
    request = EmbeddingsRequest(
        model=fields.text("model"),
        texts=_texts(fields),
        in_base64=fields.choice("encoding_format", ("float", "base64")) == "base64",
        dimensions=fields.integer("dimensions", 1, 2**31 - 1),
    )
    fields.given("user")  # for OpenAI's own watch against abuse; it changes no answer
    fields.end()
    return request


def _texts(fields: Fields) -> tuple[str, ...]:
    given = fields.required("input")
    texts = [given] if isinstance(given, str) else given
    if not isinstance(texts, list):
        raise fields.wrong_type("input", "a string or an array of strings", given)
    if not texts:
        raise RequestError("Invalid 'input': empty array.", param="input", reason="empty_array")
    if any(isinstance(one, int | list) for one in texts):
        message = (
            "'input' holds token numbers, which are of another model's tokenizer; send texts. LangChain's "
            "OpenAIEmbeddings does so with check_embedding_ctx_length=False."
        )
        raise RequestError(message, param="input", reason="unsupported_value")
    for number, one in enumerate(texts):
        if not isinstance(one, str):
            raise fields.wrong_type(f"input[{number}]", "a string", one)
    return tuple(texts)


async def answer_embeddings(answering: Answering, request: EmbeddingsRequest, timeout: float | None) -> np.ndarray:
    """Compute the vectors, [texts, dimensions] float32.

    Raises:
        ServingError: there is no such model, it makes no vectors, or it cannot be run.
    """
    with used(answering.store, request.model) as version:
        if not embeds(version.signatures):
            message = f"The model `{request.model}` makes no vectors: it is no similarity model."
            raise RequestError(message, param="model", reason="unsupported_model")
        texts = np.array([text.encode() for text in request.texts], object)
        outputs = await answering.answer_with(version, DEFAULT_SIGNATURE, {TEXT: texts}, (VECTOR,), timeout)
    vectors = outputs[VECTOR]
    if request.dimensions not in (None, vectors.shape[1]):
        message = (
            f"Invalid 'dimensions': the vectors of this model have {vectors.shape[1]}, and a part of them is no vector "
            "that it has learned."
        )
        raise RequestError(message, param="dimensions", reason="unsupported_value")
    return vectors


def render_embeddings(request: EmbeddingsRequest, vectors: np.ndarray) -> bytes:
    """Return the body of the answer."""
    shown = (_base64(vector) if request.in_base64 else f"[{','.join(decimals(vector))}]" for vector in vectors)
    data = ",".join(
        f'{{"object":"embedding","index":{index},"embedding":{vector}}}' for index, vector in enumerate(shown)
    )
    # The model's tokenizer is inside its graph, which does not say how many tokens it made.
    usage = '{"prompt_tokens":0,"total_tokens":0}'
    return f'{{"object":"list","data":[{data}],"model":{json.dumps(request.model)},"usage":{usage}}}'.encode()


def _base64(vector: np.ndarray) -> str:
    return f'"{base64.b64encode(vector.astype("<f4").tobytes()).decode()}"'
