"""The HTTP side of the server: TensorFlow Serving's REST interface, the metrics, and the page at the root.

Built on aiohttp: it shares the asyncio loop with gRPC, its parser is compiled, and it has TLS, compressed requests and
bounds on a body of its own. Routes, status codes and messages are those of the C++ server
(tensorflow_serving/model_servers/http_rest_api_handler.cc, http_rest_api_util.cc, http_server.cc).
"""

from __future__ import annotations

import asyncio
import logging
import re
import ssl
import time
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import unquote

from aiohttp import hdrs, web
from google.protobuf.json_format import MessageToJson
from google.protobuf.message import Message
from grpc import StatusCode
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataResponse, SignatureDefMap
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec

from sftkeras.serving import metrics as monitoring
from sftkeras.serving.admission import Admission, aside, time_left
from sftkeras.serving.errors import HTTP_STATUS, ServingError, invalid
from sftkeras.serving.metrics import Metrics
from sftkeras.serving.model_names import model_spec
from sftkeras.serving.open_inference.routes import OpenInferenceRoutes
from sftkeras.serving.openai.errors import failure as openai_failure
from sftkeras.serving.openai.routes import OpenAIRoutes
from sftkeras.serving.rest_examples import parse_examples, render_classification, render_regression
from sftkeras.serving.rest_json import error_body
from sftkeras.serving.rest_predict import InputTypes, parse_predict, render_predict
from sftkeras.serving.runs import DEFAULT_SIGNATURE
from sftkeras.serving.web_page import WebPage, version_states

if TYPE_CHECKING:
    from sftkeras.serving.answering import Answering
    from sftkeras.serving.security import Token

_log = logging.getLogger(__name__)
# aiohttp logs a trace for every request that is no HTTP: such requests could fill the disk.
_http_log = logging.getLogger(f"{__name__}.http")
_http_log.setLevel(logging.CRITICAL)

_MODEL = r"/v1/models(?:/([^/:]+))"
_VERSION = r"(?:/versions/(\d+)|/labels/([^/:]+))?"
_PREDICTION = re.compile(_MODEL + _VERSION + r":(classify|regress|predict)", re.IGNORECASE | re.ASCII)
_STATUS = re.compile(_MODEL + "?" + _VERSION + r"(?:/(metadata))?", re.IGNORECASE | re.ASCII)

# How long an answer may take to reach its caller once the server stops.
_LAST_BYTES = 1.0  # seconds


@dataclass(frozen=True)
class RestOptions:
    """Address at which the server listens, and its bounds.

    Attributes:
        host: the address to bind.
        port: 0 lets the system choose.
        max_body_bytes: of a request, after decompression. At most `max_requests` of them are held at once.
        timeout: seconds for a request, from its headers to its answer; None for no bound.
        max_requests: prediction requests worked on at once; more are answered 429.
        ssl_context: makes it HTTPS.
        token: what callers must show, on every path but the page's own files and the probes of /v2/health.
        metrics_path: where Prometheus looks; None switches it off.
    """

    host: str = "127.0.0.1"
    port: int = 8501
    max_body_bytes: int = 64 * 2**20
    timeout: float | None = 30.0  # rest_api_timeout_in_ms of the C++ server
    max_requests: int = 256
    ssl_context: ssl.SSLContext | None = None
    token: Token | None = None
    metrics_path: str | None = monitoring.DEFAULT_PATH


class RestServer:
    """Answers HTTP in the running asyncio loop.

    Args:
        answering: the models.
        options: see there.
        metrics: notified of each request, and shown at `options.metrics_path`.
    """

    def __init__(self, answering: Answering, options: RestOptions, metrics: Metrics) -> None:
        self._answering, self._options, self._metrics = answering, options, metrics
        self._page = WebPage(answering)
        metrics.watch(answering.store.models, self._versions)
        self._admission = Admission(options.max_requests, options.max_body_bytes, options.timeout, metrics)
        self._openai = OpenAIRoutes(answering, self._admission, options.timeout)
        self._open_inference = OpenInferenceRoutes(answering, self._admission, options.timeout)
        app = web.Application(client_max_size=options.max_body_bytes, middlewares=[self._guarded])
        app.router.add_route(hdrs.METH_ANY, "/{path:.*}", self._dispatch)
        app.on_response_prepare.append(_without_server_name)
        # An access log of aiohttp's is not needed here: the metrics count, and a proxy in front logs.
        # A request whose client has left is cancelled: a text that nobody reads is generated no further.
        self._runner = web.AppRunner(
            app, access_log=None, logger=_http_log, shutdown_timeout=_LAST_BYTES, handler_cancellation=True
        )

    async def start(self) -> int:
        """Binds and begins to answer.

        Returns:
            The port.

        Raises:
            OSError: if the address is taken.
        """
        await self._runner.setup()
        options = self._options
        site = web.TCPSite(self._runner, options.host, options.port, ssl_context=options.ssl_context)
        try:
            await site.start()
        except OSError:
            await self._runner.cleanup()
            raise
        return self._runner.addresses[0][1]

    async def stop(self, grace: float) -> None:
        """Takes no new requests, waits up to `grace` seconds for the open ones, and closes all connections."""
        self._admission.closed = True
        for site in list(self._runner.sites):
            await site.stop()
        end = time.monotonic() + grace
        while self._admission.open and time.monotonic() < end:
            await asyncio.sleep(0.01)
        await self._runner.cleanup()

    @web.middleware
    async def _guarded(
        self, request: web.Request, handler: Callable[[web.Request], Awaitable[web.StreamResponse]]
    ) -> web.StreamResponse:
        """Turns whatever fails into a JSON body and its status."""
        try:
            return await handler(request)
        except ServingError as error:
            return self._failed(request, HTTP_STATUS[error.code], error.message, error)
        except web.HTTPException as error:  # such as 413 for a body that is too large
            return self._failed(request, error.status, error.text or error.reason, error)
        except (asyncio.CancelledError, ConnectionError):
            raise
        except Exception as error:
            _log.exception("%s %s failed", request.method, request.path)
            return self._failed(request, 500, "Internal error; the server's log has the details", error)

    def _failed(self, request: web.Request, status: int, message: str, error: Exception) -> web.Response:
        if self._openai.owns(request):
            return openai_failure(status, message, error)
        return _failure(status, message)

    async def _dispatch(self, request: web.Request) -> web.StreamResponse:
        path = request.raw_path  # with the query, as the C++ server takes it, and as escaped as it came
        if request.method in ("GET", "HEAD") and (file := self._page.file(request.path)):
            return file
        if not self._open_inference.is_probe(request):
            self._check_token(request)
        if self._openai.owns(request):
            return await self._openai.answer(request)
        if self._open_inference.owns(request):
            return await self._open_inference.answer(request)
        if re.match("/v1/", path, re.IGNORECASE):
            return await self._serve(request, path)
        if path == self._options.metrics_path:
            _allow_get(request)
            return web.Response(body=self._metrics.page(), headers={"Content-Type": monitoring.CONTENT_TYPE})
        if path == "/page/models" or path.startswith("/page/models/"):
            _allow_get(request)
            return await self._page.models(path)
        return _failure(404, "Not Found")

    def _check_token(self, request: web.Request) -> None:
        token = self._options.token
        if token is None or token.allows(request.headers.get("Authorization")):
            return
        self._admission.refused(StatusCode.UNAUTHENTICATED)
        # A browser is to ask its page for the token, not its user for a password: no WWW-Authenticate.
        raise ServingError(StatusCode.UNAUTHENTICATED, "Missing or wrong token: send Authorization: Bearer TOKEN")

    async def _serve(self, request: web.Request, path: str) -> web.StreamResponse:
        if request.method == "POST" and (found := _PREDICTION.fullmatch(path)):
            name, version, label, method = found.groups()
            if method in ("classify", "regress", "predict"):
                return await self._counted(request, _spec(name, version, label), method)
        if request.method == "GET" and (found := _STATUS.fullmatch(path)):
            name, version, label, metadata = found.groups()
            spec = _spec(name, version, label)
            if not spec.name:
                raise invalid("Missing model name in request.")
            return _success(self._metadata(spec) if metadata == "metadata" else self._status(spec))
        raise invalid(f"Malformed request: {request.method} {path}")

    async def _counted(self, request: web.Request, spec: ModelSpec, method: str) -> web.StreamResponse:
        """Answers a prediction request within the bounds and counts it in the metrics."""
        with self._admission.counted(method, spec.name):
            return _success(await self._predict(request, spec, method))

    async def _predict(self, request: web.Request, spec: ModelSpec, method: str) -> bytes:
        end = None if self._options.timeout is None else time.monotonic() + self._options.timeout
        body = await self._admission.body(request)
        if method == "predict":
            asked = await aside(len(body), lambda: parse_predict(body, lambda name: self._input_types(spec, name)))
            _, outputs = await self._answering.predict(spec, asked.inputs, timeout=time_left(end))
            size = sum(array.nbytes for array in outputs.values())
            return await aside(size, lambda: render_predict(outputs, rows=asked.rows))
        spec.signature_name, examples = await aside(len(body), lambda: parse_examples(body))
        if method == "classify":
            classified = await self._answering.classify(spec, examples, timeout=time_left(end))
            return render_classification(classified.result)
        regressed = await self._answering.regress(spec, examples, timeout=time_left(end))
        return render_regression(regressed.result)

    def _input_types(self, spec: ModelSpec, signature: str) -> InputTypes:
        spec.signature_name = signature
        try:
            found = self._answering.signature(spec)
        except ServingError as error:
            if error.code is not StatusCode.FAILED_PRECONDITION:
                raise
            # REST words it in its own way.
            name = signature or DEFAULT_SIGNATURE
            raise invalid(f'Serving signature name: "{name}" not found in signature def') from None
        numbers = {name: tensor.dtype for name, tensor in sorted(found.inputs.items())}
        return InputTypes(numbers, frozenset(found.defaults))

    def _versions(self) -> Iterator[tuple[str, int, str]]:
        """Each version that the server knows and its state, for the metrics."""
        for name in self._answering.store.models():
            for it in version_states(self._answering, name):
                yield name, it.version, ModelVersionStatus.State.Name(it.state)

    def _status(self, spec: ModelSpec) -> bytes:
        return _json(self._answering.status(spec)).encode()

    def _metadata(self, spec: ModelSpec) -> bytes:
        """The response's two parts, joined as ToJsonString in http_rest_api_util.cc does."""
        response: GetModelMetadataResponse = self._answering.metadata(spec)
        signatures = SignatureDefMap()
        response.metadata["signature_def"].Unpack(signatures)
        spec, map_of_them = _json(response.model_spec), _json(signatures)
        return f'{{\n"model_spec":{spec},\n"metadata": {{"signature_def": {map_of_them}}}\n}}\n'.encode()


def _spec(name: str | None, version: str | None, label: str | None) -> ModelSpec:
    return model_spec(_decoded(name or "", "name"), version, label and _decoded(label, "version label"))


def _decoded(text: str, what: str) -> str:
    try:
        return unquote(text, errors="strict")
    except UnicodeDecodeError:
        raise invalid(f"Failed to decode model {what}:{text}") from None


def _json(message: Message) -> str:
    """As protobuf's C++ printer lays it out, with whitespace and all plain fields."""
    return (
        MessageToJson(message, indent=1, preserving_proto_field_name=True, always_print_fields_with_no_presence=True)
        + "\n"
    )


async def _without_server_name(_: web.Request, response: web.StreamResponse) -> None:
    """Removes the versions of Python and aiohttp from the headers."""
    response.headers.popall("Server", None)


def _allow_get(request: web.Request) -> None:
    if request.method not in ("GET", "HEAD"):
        raise web.HTTPMethodNotAllowed(request.method, ["GET", "HEAD"], text="Method Not Allowed")


def _success(body: bytes) -> web.Response:
    return web.Response(body=body, headers={"Content-Type": "application/json"})


def _failure(status: int, message: str) -> web.Response:
    response = web.Response(status=status, body=error_body(message), headers={"Content-Type": "application/json"})
    if status == 429:
        response.headers["Retry-After"] = "1"
    return response
