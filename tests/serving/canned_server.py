"""A server of canned answers, over gRPC and REST, that behaves as a test tells it. It answers texts by their words."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import grpc
import numpy as np
import tensorflow as tf
from google.protobuf.json_format import MessageToDict
from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo
from tensorflow_serving.apis import prediction_service_pb2_grpc
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataResponse, SignatureDefMap
from tensorflow_serving.apis.predict_pb2 import PredictResponse

LABELS = [b"bad", b"good"]
HTTP = {
    "UNAVAILABLE": 503,
    "NOT_FOUND": 404,
    "UNAUTHENTICATED": 401,
    "INVALID_ARGUMENT": 400,
    "RESOURCE_EXHAUSTED": 429,
}

Failure = tuple[grpc.StatusCode, str]


@dataclass
class Canned:
    """What the server does, and what it saw.

    Attributes:
        fail: gets the number of a Predict call, from 1; gives a status and a message, or None to answer.
        before: is called with the number of a Predict call before it is answered, and may take its time.
        takes: the names of the model's inputs.
        off_by: is added to the probabilities.
    """

    fail: Callable[[int], Failure | None] = lambda call: None
    before: Callable[[int], object] = lambda call: None
    takes: tuple[str, ...] = ("text",)
    off_by: float = 0.0
    batches: list[list[bytes]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)
    calls: int = 0
    under_way: int = 0
    most_under_way: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    @contextmanager
    def call(self) -> Iterator[Failure | None]:
        with self.lock:
            self.calls += 1
            self.under_way += 1
            self.most_under_way = max(self.most_under_way, self.under_way)
            call = self.calls
            failure = self.fail(call)
        try:
            self.before(call)
            yield failure
        finally:
            with self.lock:
                self.under_way -= 1

    def answer(self, signature: str, inputs: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
        if signature == "double":
            return {"y": inputs["x"] * 2}
        texts = inputs["text"].tolist()
        self.batches.append(texts)
        good = np.array([0.9 if b"good" in text else 0.2 for text in texts], np.float32) + np.float32(self.off_by)
        return {
            "label": np.array([LABELS[int(p > 0.5)] for p in good], object),
            "probability": np.maximum(good, 1 - good),
            "classes": np.array([LABELS] * len(texts), object).reshape(-1, 2),
            "probabilities": np.stack([1 - good, good], axis=1),
        }

    def metadata(self) -> GetModelMetadataResponse:
        signatures = SignatureDefMap()
        texts = dict.fromkeys(self.takes, (tf.string, -1))
        answers = {
            "label": (tf.string, -1),
            "probability": (tf.float32, -1),
            "classes": (tf.string, -1, 2),
            "probabilities": (tf.float32, -1, 2),
        }
        functions = {
            "serving_default": (texts, answers),
            "double": ({"x": (tf.int32, -1, 2)}, {"y": (tf.int32, -1, 2)}),
            "__saved_model_init_op": ({}, {}),
        }
        for name, (inputs, outputs) in functions.items():
            signature = signatures.signature_def[name]
            signature.method_name = "tensorflow/serving/predict"
            for tensors, wanted in ((signature.inputs, inputs), (signature.outputs, outputs)):
                for tensor, (dtype, *sizes) in wanted.items():
                    tensors[tensor].CopyFrom(TensorInfo(dtype=dtype.as_datatype_enum))
                    for size in sizes:
                        tensors[tensor].tensor_shape.dim.add(size=size)
        response = GetModelMetadataResponse()
        response.model_spec.name = "tiny"
        response.model_spec.version.value = 3
        response.metadata["signature_def"].Pack(signatures)
        return response


class _Service(prediction_service_pb2_grpc.PredictionServiceServicer):
    def __init__(self, canned: Canned) -> None:
        self._canned = canned

    def Predict(self, request: Any, context: grpc.ServicerContext) -> PredictResponse:  # noqa: N802
        self._canned.headers.append(dict(context.invocation_metadata()))
        self._canned.asked.append(str(request.model_spec))
        with self._canned.call() as failure:
            if failure:
                context.abort(*failure)
            inputs = {name: tf.make_ndarray(proto) for name, proto in request.inputs.items()}
            response = PredictResponse()
            for name, array in self._canned.answer(request.model_spec.signature_name, inputs).items():
                response.outputs[name].CopyFrom(tf.make_tensor_proto(array))
            return response

    def GetModelMetadata(self, request: Any, context: grpc.ServicerContext) -> GetModelMetadataResponse:  # noqa: N802
        if request.model_spec.name != "tiny":
            context.abort(
                grpc.StatusCode.NOT_FOUND, f"Servable not found for request: Latest({request.model_spec.name})"
            )
        return self._canned.metadata()


@contextmanager
def grpc_server(canned: Canned, port: int = 0) -> Iterator[str]:
    """Gives the address of a running server."""
    server = grpc.server(futures.ThreadPoolExecutor(8))
    prediction_service_pb2_grpc.add_PredictionServiceServicer_to_server(_Service(canned), server)
    address = f"127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    server.start()
    try:
        yield address
    finally:
        server.stop(0).wait()


@contextmanager
def rest_server(canned: Canned) -> Iterator[str]:
    """Gives the address of a running server, which answers as TensorFlow Serving's documentation of REST has it."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def log_message(self, *words: Any) -> None:
            pass

        def do_GET(self) -> None:
            if not self.path.startswith("/v1/models/tiny"):
                self._send(404, {"error": "Servable not found for request: Latest(other)"})
                return
            metadata = canned.metadata()
            signatures = SignatureDefMap.FromString(metadata.metadata["signature_def"].value)
            self._send(
                200,
                {
                    "model_spec": MessageToDict(metadata.model_spec, preserving_proto_field_name=True),
                    "metadata": {
                        "signature_def": MessageToDict(
                            signatures, preserving_proto_field_name=True, always_print_fields_with_no_presence=True
                        )
                    },
                },
            )

        def do_POST(self) -> None:
            canned.headers.append({name.lower(): value for name, value in self.headers.items()})
            canned.asked.append(self.path)
            request = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            with canned.call() as failure:
                if failure:
                    self._send(HTTP[failure[0].name], {"error": failure[1]})
                    return
                signature = request["signature_name"]
                dtype = np.int32 if signature == "double" else object
                inputs = {name: np.array(_as_bytes(values), dtype) for name, values in request["inputs"].items()}
                answers = {name: _plain(array) for name, array in canned.answer(signature, inputs).items()}
                self._send(200, {"outputs": answers if len(answers) > 1 else next(iter(answers.values()))})

        def _send(self, status: int, answer: Any) -> None:
            body = json.dumps(answer).encode()
            self.send_response(status)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            with contextlib.suppress(ConnectionError):  # who gave up waiting is gone
                self.end_headers()
                self.wfile.write(body)

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def _as_bytes(value: Any) -> Any:
    if isinstance(value, list):
        return [_as_bytes(item) for item in value]
    return value.encode() if isinstance(value, str) else value


def _plain(array: np.ndarray) -> Any:
    def plain(value: Any) -> Any:
        return [plain(item) for item in value] if isinstance(value, list) else getattr(value, "decode", lambda: value)()

    return plain(array.tolist())
