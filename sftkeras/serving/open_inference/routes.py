"""The routes of the Open Inference Protocol, all below /v2: which requests are theirs, and who answers each."""

from __future__ import annotations

import json
import re
import time
from typing import Any
from urllib.parse import unquote

from aiohttp import hdrs, web
from tensorflow_serving.apis.model_pb2 import ModelSpec

from sftkeras.serving.admission import Admission, aside, time_left
from sftkeras.serving.answering import Answering
from sftkeras.serving.errors import invalid, not_found
from sftkeras.serving.model_names import model_spec
from sftkeras.serving.open_inference.generate import answer_in_pieces, answer_whole, parse_generate
from sftkeras.serving.open_inference.infer import parse_infer, render_infer
from sftkeras.serving.open_inference.metadata import (
    model_is_ready,
    model_metadata,
    server_is_ready,
    server_metadata,
)
from sftkeras.serving.rest_json import parse_object

_PATH = re.compile(r"/v2(/[^?]*)?(?:\?.*)?", re.DOTALL)
_MODEL = re.compile(r"/models/([^/]+)(?:/versions/([^/]+))?(?:/(ready|infer|generate|generate_stream))?", re.DOTALL)
_LIVE, _READY = "/health/live", "/health/ready"
_JSON_BYTES = "Inference-Header-Content-Length"


class OpenInferenceRoutes:
    """Answers the calls of the Open Inference Protocol.

    Args:
        answering: the models.
        admission: lets requests in.
        timeout: seconds for a request whose answer is not generated; None for no bound.
    """

    def __init__(self, answering: Answering, admission: Admission, timeout: float | None) -> None:
        self._answering, self._admission, self._timeout = answering, admission, timeout

    def owns(self, request: web.Request) -> bool:
        """Say whether a request is one of this protocol."""
        return _PATH.fullmatch(request.raw_path) is not None

    def is_probe(self, request: web.Request) -> bool:
        """Say whether a request asks for the server's health, which needs no token, as over gRPC."""
        return _inside(request) in (_LIVE, _READY)

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Answer a request that `owns` says is one of this protocol.

        Raises:
            ServingError: it is wrong or fails.
            web.HTTPException: likewise.
        """
        path = _inside(request) or ""
        if path in ("", _LIVE, _READY):
            _allow(request, hdrs.METH_GET, hdrs.METH_HEAD)
            return self._about_server(path)
        found = _MODEL.fullmatch(path)
        if not found:
            raise not_found(f"Not Found: {request.method} {request.path}")
        spec, call = _spec(found[1], found[2]), found[3]
        if call in (None, "ready"):
            _allow(request, hdrs.METH_GET, hdrs.METH_HEAD)
            return _success(model_metadata(self._answering, spec)) if call is None else self._readiness(spec)
        _allow(request, hdrs.METH_POST)
        with self._admission.counted(call, spec.name):
            if call == "infer":
                return await self._infer(request, spec)
            return await self._generate(request, spec, stream=call == "generate_stream")

    def _about_server(self, path: str) -> web.Response:
        if not path:
            return _success(server_metadata())
        if path == _LIVE:
            return _success({"live": True})
        ready = not self._admission.closed and server_is_ready(self._answering)
        return _success({"ready": ready}, 200 if ready else 503)

    def _readiness(self, spec: ModelSpec) -> web.Response:
        ready = model_is_ready(self._answering, spec)
        return _success({"name": spec.name, "ready": ready}, 200 if ready else 503)

    async def _infer(self, request: web.Request, spec: ModelSpec) -> web.Response:
        end = None if self._timeout is None else time.monotonic() + self._timeout
        json_bytes = _json_bytes(request)
        body = await self._admission.body(request)
        asked = await aside(len(body), lambda: parse_infer(body, json_bytes))
        spec.signature_name = asked.signature
        seconds = [left for left in (asked.seconds, time_left(end)) if left is not None]
        answered, outputs = await self._answering.predict(
            spec, asked.inputs, asked.outputs, timeout=min(seconds, default=None)
        )
        size = sum(array.nbytes for array in outputs.values())
        written, document = await aside(size, lambda: render_infer(asked, answered, outputs))
        if document == len(written):
            return web.Response(body=written, content_type="application/json")
        headers = {hdrs.CONTENT_TYPE: "application/octet-stream", _JSON_BYTES: str(document)}
        return web.Response(body=written, headers=headers)

    async def _generate(self, request: web.Request, spec: ModelSpec, *, stream: bool) -> web.StreamResponse:
        body = await self._admission.body(request)
        asked = await aside(len(body), lambda: parse_generate(parse_object(body), stream=stream))
        with self._answering.store.use(spec) as version:
            if stream:
                return await answer_in_pieces(request, asked, version)
            return web.Response(body=await answer_whole(asked, version), content_type="application/json")


def _inside(request: web.Request) -> str | None:
    """The path below /v2, None for one elsewhere."""
    found = _PATH.fullmatch(request.raw_path)
    return found and (found[1] or "")


def _spec(name: str, version: str | None) -> ModelSpec:
    """A model and its version by number or label, which the protocol takes for one string."""
    name, version = unquote(name, errors="replace"), unquote(version or "", errors="replace")
    number = version.isascii() and version.isdigit()
    return model_spec(name, version if number else None, None if number else version)


def _json_bytes(request: web.Request) -> int | None:
    given = request.headers.get(_JSON_BYTES)
    if given is None:
        return None
    if not (given.isascii() and given.isdigit() and len(given) < 19):
        raise invalid(f"{_JSON_BYTES} must be a number of bytes")
    return int(given)


def _allow(request: web.Request, *methods: str) -> None:
    if request.method not in methods:
        message = f"Not allowed to {request.method} on {request.path}; use {methods[0]}"
        raise web.HTTPMethodNotAllowed(request.method, methods, text=message)


def _success(answer: dict[str, Any], status: int = 200) -> web.Response:
    return web.Response(status=status, body=json.dumps(answer).encode(), content_type="application/json")
