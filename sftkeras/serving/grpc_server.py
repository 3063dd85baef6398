"""The gRPC side of the server: TensorFlow Serving's PredictionService and ModelService, health and reflection.

It shares the asyncio loop with REST: on few cores, one thread that reads and writes all requests and leaves the cores
to the batching threads is quicker than a thread for each request.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import grpc
from google.protobuf.message import DecodeError, Message
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_health.v1.health import aio as health
from grpc_reflection.v1alpha import reflection
from tensorflow_serving.apis import model_service_pb2, prediction_service_pb2
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest, ClassificationResponse
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, GetModelMetadataResponse
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest, GetModelStatusResponse
from tensorflow_serving.apis.inference_pb2 import MultiInferenceRequest, MultiInferenceResponse
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest, ReloadConfigResponse
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse
from tensorflow_serving.apis.regression_pb2 import RegressionRequest, RegressionResponse

from sftkeras.serving.answering import Answering
from sftkeras.serving.errors import ServingError, invalid, overloaded
from sftkeras.serving.generation.grpc_messages import SERVICE, generation_request, piece_outputs
from sftkeras.serving.observer import Observer
from sftkeras.serving.security import Certificates, Token
from sftkeras.serving.tensors import to_array, to_proto

_log = logging.getLogger(__name__)

_PREDICTION = prediction_service_pb2.DESCRIPTOR.services_by_name["PredictionService"].full_name
_MODEL = model_service_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name
_HEALTH = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

_LAST_WORD_SECONDS = 0.1  # for telling those who watch the health that it ends

_GLANCE_SECONDS = 0.1  # between two looks at whether the server still stands
_FALLEN_SECONDS = 30.0  # that one which does not has for what it is still answering

_LONGEST_DETAILS = 2000  # characters; a trailer of more than 8 kB would be dropped with the status

# A request of up to so many times the largest one is refused in words that name the setting; what is larger still, by
# gRPC before it has arrived.
_OWN_WORDS = 2
_LONGEST_MESSAGE = 2**31 - 1  # bytes, of gRPC

_RELOAD = f"/{_MODEL}/HandleReloadConfigRequest"

Seconds = float | None
Method = Callable[[Any, Seconds], Awaitable[Message]]


@dataclass(frozen=True)
class GrpcOptions:
    """Address at which the server listens, and its bounds.

    Attributes:
        host: the address to bind.
        port: 0 lets the system choose.
        max_message_bytes: of a request.
        max_requests: worked on at once; more are answered RESOURCE_EXHAUSTED.
        certificates: make it TLS.
        token: what callers must show, but for the health service, whose callers often cannot.
        admin_token: what they must show to replace the config, which may name any folder; None refuses it.
        tensor_content: whether numbers are sent as `tensor_content` instead of typed values.
    """

    host: str = "127.0.0.1"
    port: int = 8500
    max_message_bytes: int = 64 * 2**20
    max_requests: int = 256
    certificates: Certificates | None = None
    token: Token | None = None
    admin_token: Token | None = None
    tensor_content: bool = False


class GrpcServer:
    """Answers gRPC in the running asyncio loop.

    Args:
        answering: the models.
        options: see there.
        observer: notified of each request.
    """

    def __init__(self, answering: Answering, options: GrpcOptions, observer: Observer) -> None:
        self._answering = answering
        self._options = options
        self._observer = observer
        self._open = 0
        self._health = _Health()
        self._server = self._make_server()
        self._ending: set[asyncio.Task] = set()
        self._watching: asyncio.Task | None = None

    def _make_server(self) -> grpc.aio.Server:
        options = self._options
        server = grpc.aio.server(
            interceptors=[_TokenCheck(options.token, options.admin_token)],
            options=[
                ("grpc.max_receive_message_length", min(_OWN_WORDS * options.max_message_bytes, _LONGEST_MESSAGE)),
                ("grpc.max_send_message_length", -1),
                ("grpc.so_reuseport", 0),  # or a second server would silently take half of the calls
            ],
            # gRPC's own bound is above ours, which leaves room for probes when the server is busy.
            maximum_concurrent_rpcs=4 * options.max_requests,
        )
        server.add_generic_rpc_handlers((self._prediction_service(), self._model_service(), self._generation_service()))
        health_pb2_grpc.add_HealthServicer_to_server(self._health, server)
        names = [_PREDICTION, _MODEL, _HEALTH, reflection.SERVICE_NAME]
        reflection.enable_server_reflection(names, server)
        return server

    async def start(self) -> int:
        """Binds and begins to answer.

        Returns:
            The port.

        Raises:
            OSError: if the address is taken.
        """
        port = self._bind(self._options.port)
        for service in (_PREDICTION, _MODEL):
            await self._health.set(service, health_pb2.HealthCheckResponse.SERVING)
        await self._server.start()
        self._watching = asyncio.create_task(self._watch(port))
        return port

    def _bind(self, port: int) -> int:
        options = self._options
        host = f"[{options.host}]" if ":" in options.host else options.host
        address = f"{host}:{port}"
        try:
            if options.certificates:
                return self._server.add_secure_port(address, options.certificates.grpc_credentials())
            return self._server.add_insecure_port(address)
        except RuntimeError as error:  # gRPC's word for whatever goes wrong
            raise OSError(str(error)) from None

    async def _watch(self, port: int) -> None:
        """Puts a new server in the place of one that fell.

        In grpcio 1.85 (cygrpc's aio/server.pyx.pxi, _server_main_loop) one call of a method whose name is not UTF-8
        ends the whole server, before anything of ours sees the call. Open requests finish in the old one.
        The test of it, in test_grpc_fuzz.py, says when this can go.
        """
        while True:
            try:
                await self._server.wait_for_termination(_GLANCE_SECONDS)
            except Exception as error:
                _log.warning("the gRPC server fell and is replaced: %s", type(error).__name__)
                ending = asyncio.create_task(self._server.stop(_FALLEN_SECONDS))
                self._ending.add(ending)
                ending.add_done_callback(self._ending.discard)
                await self._replace(port)

    async def _replace(self, port: int) -> None:
        while True:
            self._server = self._make_server()
            try:
                self._bind(port)
            except OSError:  # the old one has not let go of it yet
                await asyncio.sleep(_GLANCE_SECONDS)
            else:
                await self._server.start()
                return

    async def stop(self, grace: float) -> None:
        """Takes no new requests and waits up to `grace` seconds for the open ones."""
        if self._watching:
            self._watching.cancel()
        await self._health.enter_graceful_shutdown()
        self._health.end_watching()
        ending = {*self._ending, asyncio.create_task(self._server.stop(grace))}
        await asyncio.wait(ending, timeout=grace + _LAST_WORD_SECONDS)

    def _prediction_service(self) -> grpc.GenericRpcHandler:
        return self._service(
            _PREDICTION,
            {
                "Predict": (PredictRequest, self._predict),
                "Classify": (ClassificationRequest, self._classify),
                "Regress": (RegressionRequest, self._regress),
                "MultiInference": (MultiInferenceRequest, self._multi_inference),
                "GetModelMetadata": (GetModelMetadataRequest, self._metadata),
            },
        )

    def _model_service(self) -> grpc.GenericRpcHandler:
        return self._service(
            _MODEL,
            {
                "GetModelStatus": (GetModelStatusRequest, self._status),
                "HandleReloadConfigRequest": (ReloadConfigRequest, self._reload),
            },
        )

    def _generation_service(self) -> grpc.GenericRpcHandler:
        async def generate(content: bytes, context: grpc.aio.ServicerContext) -> AsyncIterator[PredictResponse]:
            async with self._guard("Generate", PredictRequest, content, context) as request:
                async for response in self._generate(request, context.time_remaining()):
                    yield response

        handler = grpc.unary_stream_rpc_method_handler(
            generate, response_serializer=lambda response: response.SerializeToString()
        )
        return grpc.method_handlers_generic_handler(SERVICE, {"Generate": handler})

    def _service(self, name: str, methods: dict[str, tuple[type[Message], Method]]) -> grpc.GenericRpcHandler:
        """Makes a service whose requests are parsed here, so that one that cannot be parsed gets its status."""
        handlers = {
            api: grpc.unary_unary_rpc_method_handler(
                self._guarded(api, kind, method), response_serializer=lambda response: response.SerializeToString()
            )
            for api, (kind, method) in methods.items()
        }
        return grpc.method_handlers_generic_handler(name, handlers)

    def _guarded(self, api: str, kind: type[Message], method: Method) -> Callable[[bytes, Any], Awaitable[Message]]:
        async def answer(content: bytes, context: grpc.aio.ServicerContext) -> Message:
            async with self._guard(api, kind, content, context) as request:
                return await method(request, context.time_remaining())

        return answer

    @asynccontextmanager
    async def _guard(
        self, api: str, kind: type[Message], content: bytes, context: grpc.aio.ServicerContext
    ) -> AsyncIterator[Any]:
        """Gives a call its request, turns what is raised into a status, and notifies the observer."""
        began, status, request = time.perf_counter(), grpc.StatusCode.CANCELLED, None
        self._open += 1
        try:
            if self._open > self._options.max_requests:
                raise overloaded(f"more than {self._options.max_requests} requests at once")
            if len(content) > (most := self._options.max_message_bytes):
                raise overloaded(f"a request of {len(content)} bytes; --max_request_bytes is {most}")
            request = _parsed(kind, content)
            yield request
            status = grpc.StatusCode.OK
        except Exception as error:
            failure = error if isinstance(error, ServingError) else _unforeseen(api, error)
            status = failure.code
            await context.abort(status, failure.message[:_LONGEST_DETAILS])
        finally:
            self._open -= 1
            seconds = time.perf_counter() - began
            model = _model_of(request)
            self._observer.request(api=api, entrypoint="GRPC", model=model, status=status, seconds=seconds)

    # The calls; requests that name no model at all are refused as the C++ server refuses them (predict_impl.cc …).

    async def _predict(self, request: PredictRequest, timeout: Seconds) -> PredictResponse:
        _require_spec(request)
        inputs = {name: to_array(name, proto) for name, proto in request.inputs.items()}
        spec, outputs = await self._answering.predict(request.model_spec, inputs, request.output_filter, timeout)
        as_content = self._options.tensor_content
        protos = {name: to_proto(array, as_content=as_content) for name, array in outputs.items()}
        return PredictResponse(model_spec=spec, outputs=protos)

    async def _generate(self, request: PredictRequest, timeout: Seconds) -> AsyncIterator[PredictResponse]:
        _require_spec(request)
        wanted = generation_request({name: to_array(name, proto) for name, proto in request.inputs.items()})
        with self._answering.store.use(request.model_spec) as version:
            async with aclosing(version.generating.stream(wanted, timeout)) as pieces:
                async for piece in pieces:
                    outputs = {name: to_proto(array) for name, array in piece_outputs(piece).items()}
                    response = PredictResponse(model_spec=request.model_spec, outputs=outputs)
                    response.model_spec.version.value = version.number
                    yield response

    async def _classify(self, request: ClassificationRequest, timeout: Seconds) -> ClassificationResponse:
        _require_spec(request)
        return await self._answering.classify(request.model_spec, request.input, timeout)

    async def _regress(self, request: RegressionRequest, timeout: Seconds) -> RegressionResponse:
        _require_spec(request)
        return await self._answering.regress(request.model_spec, request.input, timeout)

    async def _multi_inference(self, request: MultiInferenceRequest, timeout: Seconds) -> MultiInferenceResponse:
        return await self._answering.multi_inference(request, timeout)

    async def _metadata(self, request: GetModelMetadataRequest, timeout: Seconds) -> GetModelMetadataResponse:
        _require_spec(request)
        return self._answering.metadata(request.model_spec, request.metadata_field)

    async def _status(self, request: GetModelStatusRequest, timeout: Seconds) -> GetModelStatusResponse:
        _require_spec(request)
        return self._answering.status(request.model_spec)

    async def _reload(self, request: ReloadConfigRequest, timeout: Seconds) -> ReloadConfigResponse:
        await self._answering.reload(request.config)
        response = ReloadConfigResponse()
        response.status.SetInParent()
        return response


class _Health(health.HealthServicer):
    """The health service, whose `Watch` streams can be ended; by themselves they would go on, and keep the server."""

    def __init__(self) -> None:
        super().__init__()
        self._watching: set[asyncio.Task] = set()

    async def Watch(self, request: health_pb2.HealthCheckRequest, context: grpc.aio.ServicerContext) -> None:  # noqa: N802
        """Reports each change, until `end_watching`."""
        task = asyncio.ensure_future(super().Watch(request, context))
        self._watching.add(task)
        try:
            await asyncio.wait([task])
        finally:
            task.cancel()
            self._watching.discard(task)

    def end_watching(self) -> None:
        """Ends every stream, after what it still has to say."""
        for task in self._watching:
            asyncio.get_running_loop().call_later(_LAST_WORD_SECONDS, task.cancel)


class _TokenCheck(grpc.aio.ServerInterceptor):
    """Lets only those through who show the token, and only those replace the config who show the other one."""

    def __init__(self, token: Token | None, admin_token: Token | None) -> None:
        self._token = token
        self._admin_token = admin_token

    async def intercept_service(
        self,
        continuation: Callable[[grpc.HandlerCallDetails], Awaitable[grpc.RpcMethodHandler]],
        handler_call_details: grpc.HandlerCallDetails,
    ) -> grpc.RpcMethodHandler:
        """Refuses the call, or hands it on."""
        handler = await continuation(handler_call_details)
        refusal = None if handler is None else self._refusal(handler_call_details)
        if refusal is None:
            return handler

        async def refuse(request: Any, context: grpc.aio.ServicerContext) -> Any:
            await context.abort(*refusal)

        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(refuse)
        return grpc.unary_unary_rpc_method_handler(refuse)

    def _refusal(self, call: grpc.HandlerCallDetails) -> tuple[grpc.StatusCode, str] | None:
        """The status and the message for a caller who may not make this call."""
        if call.method.startswith(f"/{_HEALTH}/"):
            return None
        shown = dict(call.invocation_metadata).get("authorization")
        header = shown if isinstance(shown, str) else None
        if call.method == _RELOAD:
            if self._admin_token is None:
                return grpc.StatusCode.PERMISSION_DENIED, "this call is off: start the server with --admin_token_file"
            known, which = self._admin_token.allows(header), "admin token"
        else:
            known, which = self._token is None or self._token.allows(header), "token"
        message = f"missing or wrong {which} (authorization: Bearer …)"
        return None if known else (grpc.StatusCode.UNAUTHENTICATED, message)


def _parsed(kind: type[Message], content: bytes) -> Message:
    try:
        return kind.FromString(content)
    except DecodeError:
        # The status that gRPC prescribes for it (doc/statuscodes.md of grpc/grpc).
        raise ServingError(grpc.StatusCode.INTERNAL, "Error parsing request proto") from None


def _unforeseen(api: str, error: Exception) -> ServingError:
    _log.error("%s failed", api, exc_info=error)
    return ServingError(grpc.StatusCode.INTERNAL, type(error).__name__)  # what it says is for the log alone


def _require_spec(request: Any) -> None:
    if not request.HasField("model_spec"):
        raise invalid("Missing ModelSpec")


def _model_of(request: Any) -> str:
    if isinstance(request, MultiInferenceRequest):
        return request.tasks[0].model_spec.name if request.tasks else ""
    return request.model_spec.name if hasattr(request, "model_spec") else ""
