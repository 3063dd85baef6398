"""`POST /v1/embeddings`: a vector for each text, by a similarity model."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import numpy as np

from sftkeras.serving.admission import time_left
from sftkeras.serving.answering import Answering
from sftkeras.serving.openai.errors import RequestError
from sftkeras.serving.openai.fields import Fields
from sftkeras.serving.openai.served_models import TEXT, VECTOR, embeds, used
from sftkeras.serving.rest_json import decimals
from sftkeras.serving.runs import DEFAULT_SIGNATURE

# The signature of an export that makes tokens of texts, and the output that is 1 for each.
_TOKENIZE, _MASK = "tokenize", "padding_mask"


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


@dataclass(frozen=True)
class Embeddings:
    """Vectors of the texts, and how many tokens were read.

    Attributes:
        vectors: [texts, dimensions] float32.
        tokens: of all texts, as the model reads them; 0 if its export does not say.
    """

    vectors: np.ndarray
    tokens: int


async def answer_embeddings(answering: Answering, request: EmbeddingsRequest, end: float | None) -> Embeddings:
    """Compute the vectors.

    Args:
        answering: the models.
        request: what is asked for.
        end: of the request's time, on the monotonic clock; None for no end.

    Raises:
        ServingError: there is no such model, it makes no vectors, or it cannot be run.
    """
    with used(answering.store, request.model) as version:
        if not embeds(version.signatures):
            message = f"The model `{request.model}` makes no vectors: it is no similarity model."
            raise RequestError(message, param="model", reason="unsupported_model")
        texts = np.array([text.encode() for text in request.texts], object)
        outputs = await answering.answer_with(version, DEFAULT_SIGNATURE, {TEXT: texts}, (VECTOR,), time_left(end))
        tokens = 0
        if _TOKENIZE in version.signatures:
            found = await answering.answer_with(version, _TOKENIZE, {TEXT: texts}, (_MASK,), time_left(end))
            tokens = int(found[_MASK].sum())
    vectors = outputs[VECTOR]
    if request.dimensions not in (None, vectors.shape[1]):
        message = (
            f"Invalid 'dimensions': the vectors of this model have {vectors.shape[1]}, and a part of them is no vector "
            "that it has learned."
        )
        raise RequestError(message, param="dimensions", reason="unsupported_value")
    return Embeddings(vectors, tokens)


def render_embeddings(request: EmbeddingsRequest, found: Embeddings) -> bytes:
    """Return the body of the answer."""
    shown = (_base64(vector) if request.in_base64 else f"[{','.join(decimals(vector))}]" for vector in found.vectors)
    data = ",".join(
        f'{{"object":"embedding","index":{index},"embedding":{vector}}}' for index, vector in enumerate(shown)
    )
    usage = f'{{"prompt_tokens":{found.tokens},"total_tokens":{found.tokens}}}'
    return f'{{"object":"list","data":[{data}],"model":{json.dumps(request.model)},"usage":{usage}}}'.encode()


def _base64(vector: np.ndarray) -> str:
    return f'"{base64.b64encode(vector.astype("<f4").tobytes()).decode()}"'
