"""A tiny model without Keras, with a signature for each thing that a server can meet, and a server for it."""

from __future__ import annotations

import asyncio
import shutil
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import Any

from sftkeras import runtime

runtime.start_tensorflow()

import grpc  # noqa: E402
import tensorflow as tf  # noqa: E402
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef  # noqa: E402
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest  # noqa: E402
from tensorflow_serving.apis.model_pb2 import ModelSpec  # noqa: E402
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub  # noqa: E402
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse  # noqa: E402
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub  # noqa: E402
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig  # noqa: E402

from sftkeras.serving.batching_parameters import BatchingParameters  # noqa: E402
from sftkeras.serving.grpc_server import GrpcOptions  # noqa: E402
from sftkeras.serving.model_config import find_models  # noqa: E402
from sftkeras.serving.model_store import ModelStore  # noqa: E402
from sftkeras.serving.rest_server import RestOptions  # noqa: E402
from sftkeras.serving.security import Token  # noqa: E402
from sftkeras.serving.server import Server  # noqa: E402

v1 = tf.compat.v1

MODEL = "tiny"
ADMIN = "an-admin-secret-of-some-length"
AS_ADMIN = (("authorization", f"Bearer {ADMIN}"),)


def write_version(folder: Path, offset: float = 0.0) -> Path:
    """Writes a SavedModel whose `length` is that of the text plus `offset`.

    Signatures: serving_default (text → length, shout; fails for the text "boom"), words (text → its words, in rows as
    wide as the longest needs), numbers (matrix → row sums), types (one output a type), single (a number without rows),
    slow (runs as many steps as asked), classify and regress (on the same tf.Examples).
    """
    with v1.Session(graph=tf.Graph()) as session:
        added = v1.get_variable("offset", initializer=tf.constant(offset))
        signatures = {
            "serving_default": _texts(added),
            "words": _words(),
            "numbers": _numbers(),
            "types": _types(),
            "single": _single(),
            "slow": _slow(),
            **_heads(added),
        }
        session.run(v1.global_variables_initializer())
        builder = v1.saved_model.Builder(str(folder))
        builder.add_meta_graph_and_variables(session, [tf.saved_model.SERVING], signature_def_map=signatures)
        builder.save()
    return folder


def _signature(
    inputs: dict[str, Any], outputs: dict[str, Any], method: str = tf.saved_model.PREDICT_METHOD_NAME
) -> SignatureDef:
    describe = v1.saved_model.build_tensor_info
    return v1.saved_model.build_signature_def(
        {name: describe(tensor) for name, tensor in inputs.items()},
        {name: describe(tensor) for name, tensor in outputs.items()},
        method,
    )


def _texts(added: tf.Tensor) -> SignatureDef:
    text = v1.placeholder(tf.string, [None], "text")
    fine = v1.debugging.Assert(tf.reduce_all(tf.not_equal(text, "boom")), ["a text says boom"])
    with tf.control_dependencies([fine]):
        length = tf.cast(tf.strings.length(text), tf.float32) + added
    return _signature({"text": text}, {"length": length, "shout": tf.strings.upper(text)})


def _words() -> SignatureDef:
    text = v1.placeholder(tf.string, [None], "words")
    return _signature({"text": text}, {"words": tf.strings.split(text).to_tensor("(none)")})


def _numbers() -> SignatureDef:
    matrix = v1.placeholder(tf.float32, [None, None], "matrix")
    return _signature({"matrix": matrix}, {"sum": tf.reduce_sum(matrix, axis=1)})


TYPES = (tf.float64, tf.float16, tf.bfloat16, tf.int64, tf.int32, tf.int16, tf.int8, tf.uint8, tf.uint16, tf.bool)


def _types() -> SignatureDef:
    number = v1.placeholder(tf.float32, [None], "number")
    return _signature({"number": number}, {dtype.name: tf.cast(number, dtype) for dtype in TYPES})


def _single() -> SignatureDef:
    number = v1.placeholder(tf.float32, [], "single")
    return _signature({"number": number}, {"double": 2 * number})


def _slow() -> SignatureDef:
    steps = v1.placeholder(tf.int32, [None], "steps")
    matrix = tf.eye(400) + 1e-3

    def step(number: tf.Tensor, value: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        return number + 1, value @ matrix / tf.reduce_max(value)

    _, value = tf.while_loop(lambda number, _: number < tf.reduce_max(steps), step, (0, matrix))
    return _signature({"steps": steps}, {"done": tf.fill(tf.shape(steps), value[0, 0])})


def _heads(added: tf.Tensor) -> dict[str, SignatureDef]:
    examples = v1.placeholder(tf.string, [None], "examples")
    parsed = v1.io.parse_example(examples, {"text": tf.io.FixedLenFeature([], tf.string)})
    length = tf.cast(tf.strings.length(parsed["text"]), tf.float32) + added
    classes = tf.tile([["short", "long"]], [tf.shape(length)[0], 1])
    scores = tf.stack([1 / (1 + length), length / (1 + length)], axis=1)
    return {
        "classify": _signature(
            {"inputs": examples}, {"classes": classes, "scores": scores}, tf.saved_model.CLASSIFY_METHOD_NAME
        ),
        "regress": _signature({"inputs": examples}, {"outputs": length}, tf.saved_model.REGRESS_METHOD_NAME),
    }


def publish(written: Path, model: Path, number: int) -> Path:
    """Copies a version to where a server looks, whole at once."""
    model.mkdir(parents=True, exist_ok=True)
    draft = model / f".draft-{number}"
    shutil.copytree(written, draft)
    return draft.rename(model / str(number))


def wait_until(reached: Callable[[], object], seconds: float = 180) -> None:
    limit = time.monotonic() + seconds
    while not reached():
        assert time.monotonic() < limit
        time.sleep(0.01)


def admin_token() -> Token:
    """What a call that replaces the config must show: ADMIN."""
    with tempfile.NamedTemporaryFile("w") as file:
        file.write(ADMIN)
        file.flush()
        return Token(Path(file.name))


class RunningServer:
    """A server in a thread of this process. Use it in a `with` statement.

    Args:
        source: a folder of models, or what gives their config.
        rest: how it answers over REST; None does not.
        options: of ModelStore.
    """

    def __init__(
        self,
        source: Path | Callable[[], ModelServerConfig],
        *,
        batching: BatchingParameters | None = None,
        grpc_options: GrpcOptions | None = None,
        rest: RestOptions | None = None,
        request_seconds: float = 30.0,
        drain_seconds: float = 10.0,
        poll_seconds: float = 0.05,
        **options: Any,
    ) -> None:
        given = (lambda: find_models(source)) if isinstance(source, Path) else source
        self.store = ModelStore(given, poll_seconds=poll_seconds, source_seconds=poll_seconds, **options)
        self._drain_seconds = drain_seconds
        self._grpc_options = grpc_options or GrpcOptions(port=0, admin_token=admin_token())
        self._rest_options = rest
        self._settings = {"batching": batching or BatchingParameters(), "request_seconds": request_seconds}
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, daemon=True)
        self.port = self.rest_port = 0

    def __enter__(self) -> RunningServer:
        self._thread.start()
        self._server = self._do(self._make())
        try:
            ports = self._do(self._server.start())
            self.port, self.rest_port = ports.grpc, ports.rest
        except BaseException:
            self.close()
            raise
        self.channel = grpc.insecure_channel(self.address)
        self.prediction = PredictionServiceStub(self.channel)
        self.models = ModelServiceStub(self.channel)
        return self

    async def _make(self) -> Server:
        return Server(self.store, grpc=self._grpc_options, rest=self._rest_options, **self._settings)

    def _do(self, coroutine: Any) -> Any:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result(60)

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.channel.close()
        self.close()

    def close(self) -> None:
        if self._loop.is_closed():
            return
        self._do(self._server.stop(self._drain_seconds))
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    @property
    def address(self) -> str:
        return f"localhost:{self.port}"

    def predict(self, *texts: bytes | str, timeout: float = 300.0, **spec: Any) -> PredictResponse:
        return self.prediction.Predict(predict_request({"text": list(texts)}, **spec), timeout=timeout)

    def states(self, model: str = MODEL) -> dict[int, int]:
        """The state of each version."""
        response = self.models.GetModelStatus(GetModelStatusRequest(model_spec=ModelSpec(name=model)))
        return {it.version: it.state for it in response.model_version_status}


def predict_request(
    inputs: dict[str, Any], *, outputs: tuple[str, ...] = (), dtype: Any = None, **spec: Any
) -> PredictRequest:
    return PredictRequest(
        model_spec=model_spec(**spec),
        inputs={name: tf.make_tensor_proto(values, dtype) for name, values in inputs.items()},
        output_filter=outputs,
    )


def model_spec(
    name: str = MODEL, *, signature: str = "", version: int | None = None, label: str | None = None
) -> ModelSpec:
    spec = ModelSpec(name=name, signature_name=signature)
    if version is not None:
        spec.version.value = version
    if label is not None:
        spec.version_label = label
    return spec


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    """The status and the message with which a call fails."""
    try:
        answer = call()
    except grpc.RpcError as error:
        return error.code(), error.details()
    raise AssertionError(f"it was answered: {answer}")
