"""The REST server: TensorFlow Serving's documented examples, routes and statuses, and the bounds of a request."""

from __future__ import annotations

import asyncio
import gzip
import http.client
import json
import socket
import ssl
import threading
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from certificates import Authority
from grpc import StatusCode
from half_plus_two import write_half_plus_two
from rest_client import Reply, Running, running, serving
from tensorflow.core.framework.types_pb2 import DT_FLOAT
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

from sftkeras.serving.errors import ServingError
from sftkeras.serving.rest_server import RestOptions, RestServer
from sftkeras.serving.security import Certificates, Token

MODEL = "/v1/models/half_plus_two"
SECRET = "a secret of some length"


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = tmp_path_factory.mktemp("models")
    write_half_plus_two(models / "half_plus_two" / "123")
    write_half_plus_two(models / "half_plus_two" / "122", plus=3)
    with serving(models) as it:
        yield it


def message(reply: Reply) -> str:
    assert reply.headers["Content-Type"] == "application/json"
    [(key, text)] = reply.json.items()
    assert key == "error"
    return text


# The examples of tensorflow_serving/g3doc/api_rest.md and http_rest_api_handler_test.cc.


@pytest.mark.parametrize(
    ("call", "body", "answer"),
    [
        (":predict", {"instances": [1.0, 2.0, 5.0]}, {"predictions": [2.5, 3.0, 4.5]}),
        (":predict", {"instances": [[1.0, 2.0], [3.0, 4.0]]}, {"predictions": [[2.5, 3.0], [3.5, 4.0]]}),
        ("/versions/123:predict", {"instances": [1.0, 2.0]}, {"predictions": [2.5, 3.0]}),
        ("/versions/122:predict", {"instances": [1.0, 2.0]}, {"predictions": [3.5, 4.0]}),
        (":predict", {"signature_name": "serving_default", "inputs": [3.0, 4.0]}, {"outputs": [3.5, 4.0]}),
        (":regress", {"signature_name": "regress_x_to_y", "examples": [{"x": 80.0}]}, {"results": [42.0]}),
        (":classify", {"signature_name": "classify_x_to_y", "examples": [{"x": 20.0}]}, {"results": [[["", 12.0]]]}),
    ],
)
def test_documented_calls_are_answered(rest: Running, call: str, body: Any, answer: Any) -> None:
    reply = rest.ask("POST", MODEL + call, body)
    assert (reply.status, reply.json) == (200, answer)
    assert reply.headers["Content-Type"] == "application/json"
    assert "Server" not in reply.headers


@pytest.mark.parametrize(
    ("body", "answer"),
    [
        ({"inputs": []}, {"outputs": []}),
        ({"inputs": {"x": [[], []]}}, {"outputs": [[], []]}),
        ({"instances": [[], []]}, {"predictions": [[], []]}),
        ({"instances": [{"x": [[]]}]}, {"predictions": [[[]]]}),
        ({"instances": []}, "No values in 'instances' array"),
        ({"inputs": [[], [1.0]]}, "Encountered list at unexpected size: 1 at level: 1 expected size: 0"),
        ({"instances": [[], [1.0]]}, "Expecting tensor size: 0 but got: 1"),
        ({"inputs": {}}, "Missing named input: x in 'inputs' object."),
    ],
)
def test_empty_lists_are_answered_as_cpp_answers_them(rest: Running, body: Any, answer: Any) -> None:
    reply = rest.ask("POST", MODEL + ":predict", body)
    if isinstance(answer, str):
        assert reply.status == 400
        assert message(reply).endswith(answer)
    else:
        assert (reply.status, reply.json) == (200, answer)


def test_several_named_tensors(rest: Running) -> None:
    instances = [{"image": {"b64": "/9g="}, "n": [1, 2]}, {"image": "abc", "n": [-3, 0]}]
    reply = rest.ask("POST", MODEL + ":predict", {"signature_name": "several", "instances": instances[1:]})
    assert reply.json == {
        "predictions": [{"image_bytes": {"b64": "YWJj"}, "name": "abc", "sum": -3, "positive": [False, False]}]
    }
    reply = rest.ask("POST", MODEL + ":predict", {"signature_name": "several", "instances": instances})
    assert b'"name": "\xff\xd8"' in reply.body  # as the C++ server passes bytes on, which are no UTF-8


def test_status_of_all_versions_and_of_one(rest: Running) -> None:
    one, other = (
        {"version": version, "state": "AVAILABLE", "status": {"error_code": "OK", "error_message": ""}}
        for version in ("123", "122")
    )
    assert rest.ask("GET", MODEL).json == {"model_version_status": [one, other]}
    reply = rest.ask("GET", MODEL + "/versions/123")
    assert reply.json == {"model_version_status": [one]}
    assert reply.body.startswith(b'{\n "model_version_status": [\n  {\n   "version": "123",\n   "state": "AVAILABLE",')


def test_metadata_has_the_signatures(rest: Running) -> None:
    found = rest.ask("GET", MODEL + "/metadata").json
    assert found["model_spec"] == {"name": "half_plus_two", "signature_name": "", "version": "123"}
    signatures = found["metadata"]["signature_def"]["signature_def"]
    assert signatures["regress_x_to_y"]["method_name"] == "tensorflow/serving/regress"
    image = signatures["several"]["inputs"]["image"]
    assert (image["dtype"], image["tensor_shape"]["dim"][0]) == ("DT_STRING", {"size": "-1", "name": ""})


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("POST", "/v1/models/half:predict", 404, "Servable not found for request: Latest(half)"),
        ("POST", MODEL + "/versions/7:predict", 404, "Servable not found for request: Specific(half_plus_two, 7)"),
        ("POST", MODEL + "/labels/canary:predict", 400, "Unrecognized servable version label: canary"),
        ("GET", "/v1/models/half", 404, "Could not find any versions of model half"),
        ("GET", "/v1/models/versions/1", 400, "Missing model name in request."),
        ("GET", "/v1/foo", 400, "Malformed request: GET /v1/foo"),
        ("POST", "/v1/models", 400, "Malformed request: POST /v1/models"),
        ("GET", MODEL + ":predict", 400, f"Malformed request: GET {MODEL}:predict"),
        ("POST", MODEL + ":explain", 400, f"Malformed request: POST {MODEL}:explain"),
        ("PUT", MODEL, 400, f"Malformed request: PUT {MODEL}"),
        ("POST", MODEL + ":predict?a=1", 400, f"Malformed request: POST {MODEL}:predict?a=1"),
        ("POST", MODEL + "/versions/x:predict", 400, f"Malformed request: POST {MODEL}/versions/x:predict"),
        ("POST", f"{MODEL}/versions/{2**64}:predict", 400, f"Failed to convert version: {2**64} to numeric."),
        ("GET", "/v1/models/%ff", 400, "Failed to decode model name:%ff"),
        ("GET", "/elsewhere", 404, "Not Found"),
        ("POST", "/", 404, "Not Found"),
        ("POST", "/monitoring/prometheus/metrics", 405, "Method Not Allowed"),
    ],
)
def test_routes_refuse_in_cpp_words(rest: Running, method: str, path: str, status: int, expected: str) -> None:
    reply = rest.ask(method, path, {"instances": [1]} if method == "POST" else None)
    assert (reply.status, message(reply)) == (status, expected)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b"", "JSON Parse error: The document is empty"),
        (b"instances = [1, 2]", "JSON Parse error: Invalid value. at offset: 0"),
        ({"instances": ["a"]}, "is not of expected type: float"),
        ({"signature_name": "no", "instances": [1]}, 'Serving signature name: "no" not found in signature def'),
        (b'{"instances": ["' + b"\xff" + b'"]}', "JSON Parse error: Invalid encoding in string. at offset: 16"),
    ],
)
def test_bad_bodies_are_the_callers_mistake(rest: Running, body: Any, expected: str) -> None:
    reply = rest.ask("POST", MODEL + ":predict", body)
    assert reply.status == 400
    assert expected in message(reply)


def test_paths_know_no_case_and_names_may_be_escaped(rest: Running) -> None:
    assert rest.ask("GET", "/V1/Models/half%5Fplus_two").status == 200


def test_compressed_requests_are_read(rest: Running) -> None:
    body = gzip.compress(json.dumps({"instances": [4.0]}).encode())
    reply = rest.ask("POST", MODEL + ":predict", body, {"Content-Encoding": "gzip"})
    assert reply.json == {"predictions": [4.0]}
    reply = rest.ask("POST", MODEL + ":predict", b"no gzip", {"Content-Encoding": "gzip"})
    assert (reply.status, message(reply)[:36]) == (400, "The request's body is not compressed")


def test_a_connection_is_kept_for_the_next_request(rest: Running) -> None:
    connection = http.client.HTTPConnection("127.0.0.1", rest.port, timeout=300)
    for number in (1, 2, 3):
        connection.request("POST", MODEL + ":predict", json.dumps({"instances": [number]}))
        assert json.loads(connection.getresponse().read()) == {"predictions": [number / 2 + 2]}
    connection.close()


def test_many_clients_get_their_own_answers(rest: Running) -> None:
    def ask(number: int) -> Any:
        return rest.ask("POST", MODEL + ":predict", {"instances": [number]}).json

    with ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(100)))
    assert answers == [{"predictions": [number / 2 + 2]} for number in range(100)]


def test_a_large_request_does_not_hold_up_small_ones(rest: Running) -> None:
    large = json.dumps({"instances": [[0.123456789] * 1000] * 250}).encode()
    waits = []
    with ThreadPoolExecutor(1) as pool:
        answer = pool.submit(rest.ask, "POST", MODEL + ":predict", large)
        while not answer.done():
            start = time.perf_counter()
            assert rest.ask("GET", MODEL).status == 200
            waits.append(time.perf_counter() - start)
    assert len(answer.result().json["predictions"]) == 250
    assert max(waits) < 0.4 * sum(waits)


def test_requests_show_in_the_metrics(rest: Running) -> None:
    rest.ask("POST", MODEL + ":predict", {"instances": [1]})
    rest.ask("POST", "/v1/models/guessed:predict", {"instances": [1]})
    reply = rest.ask("GET", "/monitoring/prometheus/metrics")
    text = reply.body.decode()
    assert reply.headers["Content-Type"].startswith("text/plain; version=0.0.4")
    assert ':tensorflow:serving:request_count{model_name="half_plus_two",status="OK"}' in text
    assert ':tensorflow:serving:request_count{model_name="(unknown)",status="NOT_FOUND"}' in text
    assert (
        ':tensorflow:serving:request_latency_count{API="predict",entrypoint="REST",model_name="half_plus_two"}' in text
    )
    assert 'sftkeras_model_version{model_name="half_plus_two",state="AVAILABLE",version="123"} 1' in text
    assert ":tensorflow:core:graph_runs " in text


# Bounds, with a stand-in whose answers come when the test says so.


class Slow:
    """Answers when it is let go."""

    def __init__(self) -> None:
        self.store = SimpleNamespace(models=lambda: ["slow"])
        self.started = threading.Semaphore(0)
        self.go: asyncio.Event | None = None
        self.failure: Exception | None = None
        self.timeouts: list[float | None] = []

    async def predict(self, spec: Any, inputs: Any, output_filter: Any = (), timeout: float | None = None) -> Any:
        self.timeouts.append(timeout)
        self.go = self.go or asyncio.Event()
        self.started.release()
        if self.failure:
            raise self.failure
        await self.go.wait()
        return spec, {"y": inputs["x"]}

    def signature(self, spec: Any) -> SignatureDef:
        return SignatureDef(inputs={"x": TensorInfo(dtype=DT_FLOAT)})

    def status(self, spec: Any) -> Any:
        raise ServingError(StatusCode.NOT_FOUND, "none")

    async def let_go(self) -> None:
        assert self.go
        self.go.set()


def ask_slow(it: Running, body: Any = None) -> Reply:
    return it.ask("POST", "/v1/models/slow:predict", body or {"instances": [1]})


def test_more_requests_than_allowed_are_turned_away() -> None:
    slow = Slow()
    with running(slow, max_requests=3) as it, ThreadPoolExecutor(3) as pool:
        open_ones = [pool.submit(ask_slow, it) for _ in range(3)]
        assert all(slow.started.acquire(timeout=300) for _ in open_ones)
        reply = ask_slow(it)
        assert (reply.status, reply.headers["Retry-After"]) == (429, "1")
        assert "try again" in message(reply)
        it.do(slow.let_go())
        assert [one.result().status for one in open_ones] == [200] * 3
        assert ask_slow(it).status == 200
        assert (
            b'sftkeras_refused_requests_total{entrypoint="REST",status="RESOURCE_EXHAUSTED"} 1.0' in it.metrics.page()
        )


@pytest.mark.parametrize("packed", [False, True])
def test_a_body_that_is_too_large_is_refused(packed: bool) -> None:
    body = json.dumps({"instances": [1.0] * 100_000}).encode()
    headers = {"Content-Encoding": "gzip"} if packed else {}
    with running(Slow(), max_body_bytes=10_000) as it:
        sent = gzip.compress(body) if packed else body
        assert len(sent) < 10_000 or not packed
        reply = it.ask("POST", "/v1/models/slow:predict", sent, headers)
        assert reply.status == 413
        assert message(reply) == "The request is larger than --max_request_bytes, which is 10000"


def test_a_body_that_does_not_come_is_not_waited_for() -> None:
    with (
        running(Slow(), timeout=0.3) as it,
        socket.create_connection(("127.0.0.1", it.port), timeout=300) as connection,
    ):
        connection.sendall(b"POST /v1/models/slow:predict HTTP/1.1\r\nHost: a\r\nContent-Length: 100\r\n\r\n{")
        assert connection.recv(1000).startswith(b"HTTP/1.1 504 ")


def test_what_is_left_of_the_time_goes_to_the_model() -> None:
    slow = Slow()
    slow.failure = ServingError(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
    with running(slow, timeout=500) as it:
        reply = ask_slow(it)
    assert (reply.status, message(reply)) == (504, "Deadline Exceeded")
    assert slow.timeouts[0] is not None
    assert 100 < slow.timeouts[0] < 500


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (StatusCode.CANCELLED, 499),
        (StatusCode.NOT_FOUND, 404),
        (StatusCode.RESOURCE_EXHAUSTED, 429),
        (StatusCode.FAILED_PRECONDITION, 400),
        (StatusCode.UNIMPLEMENTED, 501),
        (StatusCode.UNAVAILABLE, 503),
        (StatusCode.INTERNAL, 500),
    ],
)
def test_statuses_become_those_of_http(code: StatusCode, status: int) -> None:
    slow = Slow()
    slow.failure = ServingError(code, "why")
    with running(slow) as it:
        reply = ask_slow(it)
    assert (reply.status, message(reply)) == (status, "why")


def test_a_fault_of_ours_is_answered_500_and_logged(caplog: pytest.LogCaptureFixture) -> None:
    slow = Slow()
    slow.failure = KeyError("a secret detail")
    with running(slow) as it:
        reply = ask_slow(it)
    assert reply.status == 500
    assert "secret" not in message(reply)
    assert "a secret detail" in caplog.text


def accepts(port: int) -> bool:
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True


def test_stopping_lets_open_requests_end_and_takes_no_new_ones() -> None:
    slow = Slow()
    with running(slow) as it, ThreadPoolExecutor(1) as pool:
        waiting = http.client.HTTPConnection("127.0.0.1", it.port, timeout=300)
        waiting.connect()
        open_one = pool.submit(ask_slow, it)
        assert slow.started.acquire(timeout=300)
        stopping = asyncio.run_coroutine_threadsafe(it.server.stop(grace=300), it.loop)
        while accepts(it.port):
            time.sleep(0.01)
        waiting.request("POST", "/v1/models/slow:predict", b'{"instances": [1]}')
        assert waiting.getresponse().status == 503
        it.do(slow.let_go())
        assert open_one.result().status == 200
        stopping.result(300)


def test_stopping_does_not_wait_for_ever() -> None:
    slow = Slow()
    with running(slow) as it, ThreadPoolExecutor(1) as pool:
        open_one = pool.submit(ask_slow, it)
        assert slow.started.acquire(timeout=300)
        it.do(it.server.stop(grace=0.2))
        assert open_one.exception(10) is not None


def test_a_taken_port_is_an_error() -> None:
    with running(Slow()) as it:

        async def again() -> None:
            await RestServer(Slow(), RestOptions(port=it.port), it.metrics).start()  # type: ignore[arg-type]

        with pytest.raises(OSError, match="address already in use"):
            it.do(again())


@pytest.fixture
def token(tmp_path: Path) -> Token:
    file = tmp_path / "token"
    file.write_text(SECRET)
    return Token(file)


@pytest.mark.parametrize("path", ["/v1/models/slow", "/v1/foo", "/monitoring/prometheus/metrics", "/page/models", "/x"])
def test_without_the_token_nothing_is_said(token: Token, path: str) -> None:
    with running(Slow(), token=token) as it:
        for headers in ({}, {"Authorization": f"Bearer {SECRET}x"}, {"Authorization": f"Basic {SECRET}"}):
            reply = it.ask("GET", path, headers=headers)
            assert (reply.status, message(reply)) == (401, "Missing or wrong token: send Authorization: Bearer TOKEN")
        assert it.ask("GET", path, headers={"Authorization": f"Bearer {SECRET}"}).status != 401


def test_the_pages_own_files_need_no_token(token: Token) -> None:
    with running(Slow(), token=token) as it:
        assert it.ask("GET", "/").status == 200


def test_https_and_certificates_of_clients(tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    certificates = Certificates(*authority.issue("server"), client_ca=authority.certificate)
    trusting = ssl.create_default_context(cafile=str(authority.certificate))
    with running(Slow(), ssl_context=certificates.http_context()) as it:
        url = f"https://localhost:{it.port}/"
        with pytest.raises(OSError):  # noqa: PT011  how it is turned away depends on who notices first
            urllib.request.urlopen(url, context=trusting, timeout=300)
        trusting.load_cert_chain(*authority.issue("client"))
        with urllib.request.urlopen(url, context=trusting, timeout=300) as response:
            assert response.status == 200
        with pytest.raises(OSError):  # noqa: PT011  plain HTTP gets no answer, however it is turned away
            urllib.request.urlopen(it.url, timeout=300)


# Hostile requests.


@pytest.mark.parametrize(
    "sent",
    [
        b"\x00\x01\x02\x03\r\n\r\n",
        b"GET / HTTP/9.9\r\n\r\n",
        b"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nHost: a\r\nContent-Length: -1\r\n\r\n",
        b"POST /v1/models/half_plus_two:predict HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"GET /" + b"a" * 100_000 + b" HTTP/1.1\r\n\r\n",
        b"GET / HTTP/1.1\r\n" + b"".join(b"h%d: %d\r\n" % (it, it) for it in range(50_000)) + b"\r\n",
        b"GET /v1/models/%00%ff/../..//etc/passwd HTTP/1.1\r\nHost: a\r\n\r\n",
    ],
)
def test_broken_http_does_no_harm(rest: Running, sent: bytes, caplog: pytest.LogCaptureFixture) -> None:
    with socket.create_connection(("127.0.0.1", rest.port), timeout=300) as connection:
        try:
            connection.sendall(sent)
            connection.shutdown(socket.SHUT_WR)
            assert connection.recv(100)[:10] in (b"", b"HTTP/1.1 4", b"HTTP/1.0 4")
        except OSError:
            pass  # the server may hang up at once
    assert not caplog.records
    assert rest.ask("POST", MODEL + ":predict", {"instances": [0]}).json == {"predictions": [2.0]}


def test_numpy_warnings_are_no_answer(rest: Running) -> None:
    """Numbers at the edges of float32 go in and out as they are."""
    largest = float(np.finfo(np.float32).max)
    body = f'{{"instances": [{largest}, -{largest}, 1e-45, -0.0, NaN, -Infinity]}}'.encode()
    reply = rest.ask("POST", MODEL + ":predict", body)
    assert reply.body.split(b"[")[1].split(b"\n")[0] == b"1.70141173e+38, -1.70141173e+38, 2.0, 2.0, NaN, -Infinity"
