"""Thousands of broken and hostile gRPC requests: each gets a status of its own, and the server stays alive, right and
small. The REST side has its own test.

FUZZ_REQUESTS sets how many; the default is for every day, 20000 for a release.
"""

from __future__ import annotations

import os
import random
import socket
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import Any

import psutil
import pytest
import tensorflow as tf
from google.protobuf.message import DecodeError
from hostile_http import mutated
from http2_calls import PREDICT, http2_call
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.inference_pb2 import InferenceTask, MultiInferenceRequest
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest
from test_serving_examples import examples
from tiny_served import AS_ADMIN, MODEL, RunningServer, model_spec, predict_request, wait_until

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "900"))
MOST_GROWTH = 128 * 2**20  # bytes, whatever their number: 8 at once may each say "16 MiB of this value"
TOGETHER = 200  # requests between two looks at the server

PREDICTION, MODELS = "/tensorflow.serving.PredictionService/", "/tensorflow.serving.ModelService/"
TASK = InferenceTask(model_spec=model_spec(signature="classify"), method_name=tf.saved_model.CLASSIFY_METHOD_NAME)
VALID = {
    PREDICT: [
        predict_request({"text": ["abc", "déjà-vu"]}),
        predict_request({"matrix": [[1.0, 2.0], [3.0, 4.0]]}, signature="numbers"),
        predict_request({"number": [1.0]}, signature="types", outputs=("int64", "bool")),
        predict_request({"number": 1.0}, signature="single", dtype=tf.float32),
    ],
    f"{PREDICTION}Classify": [
        ClassificationRequest(model_spec=model_spec(signature="classify", version=1), input=examples("a", "b"))
    ],
    f"{PREDICTION}Regress": [
        RegressionRequest(model_spec=model_spec(signature="regress", label="x"), input=examples("a"))
    ],
    f"{PREDICTION}MultiInference": [MultiInferenceRequest(tasks=[TASK], input=examples("a"))],
    f"{PREDICTION}GetModelMetadata": [
        GetModelMetadataRequest(model_spec=model_spec(), metadata_field=["signature_def"])
    ],
    f"{MODELS}GetModelStatus": [GetModelStatusRequest(model_spec=model_spec())],
    # Not a reload that could succeed: that would take the model away.
    f"{MODELS}HandleReloadConfigRequest": [ReloadConfigRequest()],
}
# What a server that is well may say to a caller that is not.
EXPECTED = {"OK", "INVALID_ARGUMENT", "NOT_FOUND", "FAILED_PRECONDITION", "UNIMPLEMENTED", "RESOURCE_EXHAUSTED"}
UNREADABLE = "INTERNAL Error parsing request proto"

PIECES = [b"\xff\xff\xff\xff\x0f", b"\xff" * 10, b"\x00", b"\x80" * 12, b"\x0a", b"\x7f", b"\xc3\x28", b"\n" * 300]
PIECES += [b"\xfa\xff\xff\xff\x0f\x03abc", b"\xf8\xff\x03\x01", b"\x0b\x0b\x0b", b"\x0c"]  # unknown fields and groups
TIMES = (1, 1, 2, 5, 20)

INPUTS = {"": "text", "serving_default": "text", "numbers": "matrix", "types": "number", "single": "number"}
SIZES = [0, 1, 1, 2, 3, -1, -(2**63), 2**20, 2**31, 2**32, 2**40, 2**62, 2**63 - 1]
DTYPES = [*range(-2, 33), 101, 107, 2**31 - 1, -(2**31)]
VALUES: dict[str, list[Any]] = {
    "float_val": [1.0, float("nan"), float("inf"), -1e38],
    "double_val": [1e308, float("-inf")],
    "int_val": [1, -(2**31), 2**31 - 1],
    "int64_val": [1, 2**63 - 1],
    "uint32_val": [2**32 - 1],
    "uint64_val": [2**64 - 1],
    "bool_val": [True],
    "half_val": [15360, 2**16, -1],
    "string_val": [b"abc", b"", b"\x00\xff\xfe", b"a" * 10_000],
    "scomplex_val": [1.0],
}

Asked = Callable[[RunningServer], str | bytes]
"""Sends one request; returns its status, or nothing where there is none to be read."""


# Requests whose bytes are broken.


def broken_requests(dice: random.Random) -> Iterator[Asked]:
    while True:
        method = dice.choice(list(VALID))
        content = mutated(dice.choice(VALID[method]).SerializeToString(deterministic=True), dice, PIECES, TIMES)
        yield lambda server, method=method, content=content: status_of(server, method, content)


def status_of(server: RunningServer, method: str, content: bytes) -> str:
    call = server.channel.unary_unary(method).future(content, timeout=300, metadata=AS_ADMIN)
    code = call.code().name
    assert call.details() is None or len(call.details()) <= 2000
    return f"{code} {call.details()}" if code == "INTERNAL" else code


# Requests that can be read, with tensors that make no sense.


def hostile_tensors(dice: random.Random) -> Iterator[Asked]:
    while True:
        request = PredictRequest(model_spec=model_spec(signature=dice.choice(list(INPUTS))))
        names = [INPUTS[request.model_spec.signature_name]]
        if dice.random() < 0.1:
            names += dice.choice([[""], ["text", "matrix", "number"], [f"input {place}" for place in range(50)]])
        for name in names:
            request.inputs[name].CopyFrom(hostile_tensor(dice))
        if dice.random() < 0.1:
            request.output_filter.extend(dice.choices(["shout", "length", "sum", "", "nothing", "\0" * 3000], k=3))
        content = request.SerializeToString()
        yield lambda server, content=content: status_of(server, PREDICT, content)


def hostile_tensor(dice: random.Random) -> TensorProto:
    dtype = dice.choice(DTYPES) if dice.random() < 0.4 else dice.choice([tf.string, tf.float32]).as_datatype_enum
    tensor = TensorProto(dtype=dtype)
    if dice.random() < 0.05:
        tensor.tensor_shape.unknown_rank = True
    for _ in range(dice.choice([0, 1, 1, 1, 2, 2, 3, 8, 255, 3000])):
        tensor.tensor_shape.dim.add(size=dice.choice(SIZES) if dice.random() < 0.7 else 1, name=dice.choice(["", "x"]))
    if dice.random() < 0.3:
        tensor.tensor_content = dice.randbytes(dice.choice([1, 3, 4, 5, 8, 1000]))
    for field in dice.sample(list(VALUES), dice.choice([0, 1, 1, 2])):
        getattr(tensor, field).extend(dice.choices(VALUES[field], k=dice.choice([1, 1, 2, 3, 100])))
    if dice.random() < 0.05:
        tensor.version_number = dice.choice([-1, 2**31 - 1])
    return tensor


# Connections that speak no HTTP/2, or stop in the middle of it.


def broken_frames(dice: random.Random) -> Iterator[Asked]:
    contents = [request.SerializeToString() for request in VALID[PREDICT]]
    while True:
        content = dice.choice(contents)
        stream = http2_call(content, length=dice.choice([None, None, None, 0, 2**32 - 1, len(content) + 1]))
        match dice.randrange(4):
            case 0:
                stream = stream[: dice.randrange(len(stream))]
            case 1:
                stream = dice.randbytes(dice.randrange(1, 200))
            case 2:
                stream = stream[:24] + mutated(
                    stream[24:], dice, PIECES, TIMES
                )  # a good preface, and what follows is not
            case 3:
                stream = mutated(stream, dice, PIECES, TIMES)
        yield lambda server, stream=stream: reply_to(server, stream)[:0]


def reply_to(server: RunningServer, stream: bytes, *, until: bytes = b"\0never", seconds: float = 0.05) -> bytes:
    """What comes back in a short time, or up to some bytes."""
    reply = b""
    with connected(server) as connection:
        try:
            connection.sendall(stream)
            connection.settimeout(seconds)
            while until not in reply and (more := connection.recv(4096)):
                reply += more
        except (ConnectionError, TimeoutError):
            pass
    return reply


def connected(server: RunningServer) -> socket.socket:
    limit = time.monotonic() + 120
    while True:
        try:
            return socket.create_connection(("127.0.0.1", server.port), timeout=300)
        except ConnectionRefusedError:  # for a moment, when it fell and is being replaced
            if time.monotonic() > limit:
                raise
            time.sleep(0.02)


def test_the_call_that_is_broken_is_right_when_whole(server: RunningServer) -> None:
    content = predict_request({"text": ["abc"]}).SerializeToString()
    reply = reply_to(server, http2_call(content), until=b"ABC", seconds=300)
    assert reply
    assert MODEL.encode() in reply
    assert b"ABC" in reply


@pytest.mark.parametrize("requests", [broken_requests, hostile_tensors, broken_frames])
def test_hostile_requests_do_no_harm(
    server: RunningServer, caplog: pytest.LogCaptureFixture, requests: Callable[[random.Random], Iterator[Asked]]
) -> None:
    process = psutil.Process()
    counts: Counter[str | bytes] = Counter()
    with ThreadPoolExecutor(8) as pool:
        asked = requests(random.Random(7))
        list(pool.map(lambda ask: ask(server), islice(asked, TOGETHER)))  # what grows once, grows here
        before = process.memory_info().rss
        for _ in range(0, REQUESTS // 3, TOGETHER):
            counts.update(pool.map(lambda ask: ask(server), islice(asked, TOGETHER)))
            unexpected = set(counts) - EXPECTED - {UNREADABLE, b""}
            assert not unexpected
            assert_right(server)
    grown = process.memory_info().rss - before
    print(dict(counts), f"{grown / 2**20:.1f} MiB more")
    assert grown < MOST_GROWTH
    # gRPC itself tells of methods whose names are not UTF-8, see below.
    assert not [
        record for record in caplog.records if record.name.startswith("sftkeras") and record.levelname == "ERROR"
    ]


def assert_right(server: RunningServer) -> None:
    request = predict_request({"text": ["abc", "boo"]})
    answer = server.prediction.Predict(request, timeout=300, wait_for_ready=True)
    assert list(answer.outputs["length"].float_val) == [3, 3]
    assert list(answer.outputs["shout"].string_val) == [b"ABC", b"BOO"]


def test_a_method_that_is_not_utf_8_does_not_end_the_server(
    server: RunningServer, caplog: pytest.LogCaptureFixture
) -> None:
    slow = server.prediction.Predict.future(predict_request({"steps": [300]}, dtype=tf.int32, signature="slow"))
    server.models.GetModelStatus(GetModelStatusRequest(model_spec=model_spec()), timeout=300)  # it has arrived by then
    with connected(server) as connection:
        connection.sendall(http2_call(b"", path=b"/\xe6"))
        wait_until(lambda: "fell and is replaced" in caplog.text)  # if never, grpcio is mended: _watch can go
    assert_right(server)
    assert slow.result(timeout=300)  # what had begun is answered


def test_what_cannot_be_read_is_told_so(server: RunningServer) -> None:
    """The bytes that protobuf refuses are those that get the status for it, no more and no fewer."""
    dice = random.Random(8)
    for _ in range(REQUESTS // 3):
        content = mutated(VALID[PREDICT][0].SerializeToString(deterministic=True), dice, PIECES, TIMES)
        try:
            PredictRequest.FromString(content)
            readable = True
        except DecodeError:
            readable = False
        assert (status_of(server, PREDICT, content) != UNREADABLE) == readable, content
