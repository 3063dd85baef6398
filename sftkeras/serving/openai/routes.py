"""OpenAI's routes: which requests are theirs, and who answers each.

They are at /v1, where OpenAI's clients look once they are given the server's address, and at /openai/v1, as in KServe.
Of TensorFlow Serving's paths they take only `GET /v1/models`, which it answers with an error; `GET /v1/models/NAME` is
its status of a model, so that OpenAI's call of this path is at /openai/v1 alone.
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any
from urllib.parse import unquote

from aiohttp import web
from grpc import StatusCode

from sftkeras.serving.admission import Admission, aside
from sftkeras.serving.answering import Answering
from sftkeras.serving.openai.chat import parse_chat
from sftkeras.serving.openai.completions import parse_completion
from sftkeras.serving.openai.embeddings import answer_embeddings, parse_embeddings, render_embeddings
from sftkeras.serving.openai.errors import RequestError
from sftkeras.serving.openai.generating import TextRequest
from sftkeras.serving.openai.generators import Generators
from sftkeras.serving.openai.served_models import described, listed
from sftkeras.serving.rest_json import parse_object

Route = Callable[[web.Request], Awaitable[web.StreamResponse]]

_PATH = re.compile(r"(/openai)?/v1/([^?]*)(?:\?.*)?", re.DOTALL)
_MODELS, _MODEL = "models", "models/"


class OpenAIRoutes:
    """Answers OpenAI's calls.

    Args:
        answering: the models.
        admission: lets requests in.
        timeout: seconds for a request whose answer is not generated; None for no bound.
    """

    def __init__(self, answering: Answering, admission: Admission, timeout: float | None) -> None:
        self._answering, self._admission, self._timeout = answering, admission, timeout
        self._generators = Generators(answering)
        self._posts: dict[str, Route] = {
            "embeddings": self._embeddings,
            "chat/completions": partial(self._texts, "chat", parse_chat),
            "completions": partial(self._texts, "completions", parse_completion),
        }

    def owns(self, request: web.Request) -> bool:
        """Say whether a request is OpenAI's, so that errors are to have its form."""
        found = _PATH.fullmatch(request.raw_path)
        if not found:
            return False
        prefix, name = found.groups()
        return prefix is not None or name in self._posts or (name == _MODELS and request.method == "GET")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request that `owns` says is OpenAI's.

        Raises:
            ServingError: it is wrong or fails.
            web.HTTPException: likewise.
        """
        found = _PATH.fullmatch(request.raw_path)
        name = found[2] if found else ""
        if name in self._posts:
            _allow(request, "POST")
            return await self._posts[name](request)
        if name == _MODELS:
            _allow(request, "GET")
            return _success(json.dumps({"object": "list", "data": listed(self._answering.store)}).encode())
        if name.startswith(_MODEL):
            _allow(request, "GET")
            found_model = described(self._answering.store, unquote(name.removeprefix(_MODEL)))
            return _success(json.dumps(found_model).encode())
        message = f"Invalid URL ({request.method} {request.path})"
        raise RequestError(message, reason="unknown_url", code=StatusCode.NOT_FOUND)

    async def _embeddings(self, request: web.Request) -> web.StreamResponse:
        with self._admission.counted("embeddings") as counted:
            end = None if self._timeout is None else time.monotonic() + self._timeout
            body = await self._admission.body(request)
            asked = await aside(len(body), lambda: parse_embeddings(parse_object(body)))
            counted.model = asked.model
            found = await answer_embeddings(self._answering, asked, end)
            return _success(await aside(found.vectors.nbytes, lambda: render_embeddings(asked, found)))

    async def _texts(
        self, api: str, parse: Callable[[dict[str, Any]], TextRequest], request: web.Request
    ) -> web.StreamResponse:
        with self._admission.counted(api) as counted:
            body = await self._admission.body(request)
            asked = await aside(len(body), lambda: parse(parse_object(body)))
            counted.model = asked.model
            return await self._generators.answer(request, asked)


def _allow(request: web.Request, method: str) -> None:
    if request.method != method:
        message = f"Not allowed to {request.method} on {request.path}; use {method}."
        raise web.HTTPMethodNotAllowed(request.method, [method], text=message)


def _success(body: bytes) -> web.Response:
    return web.Response(body=body, headers={"Content-Type": "application/json"})
