from __future__ import annotations

import asyncio
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import canned_server
import numpy as np
import pytest
from canned_server import Canned
from grpc import StatusCode
from tiny_served import wait_until

from sftkeras.serving.client import (
    AsyncClient,
    Client,
    ClientError,
    DeadlineError,
    InputError,
    Retries,
    TensorSpec,
    UnavailableError,
)
from sftkeras.serving.client.batches import CallBatches

TEXTS = ["good film", "a poor one", "so good, so very good", "?"]
QUICK = Retries(first=0.02)

Connect = Callable[..., AbstractContextManager[Client]]


class AwaitedClient:
    """An `AsyncClient` whose calls are waited for, so that one test can judge both clients."""

    def __init__(self, make: Callable[[], AsyncClient]) -> None:
        self._runner = asyncio.Runner()

        async def made() -> AsyncClient:
            return make()

        self._client = self._runner.run(made())

    def __enter__(self) -> AwaitedClient:
        return self

    def __exit__(self, *error: object) -> None:
        self._runner.run(self._client.close())
        self._runner.close()

    def __getattr__(self, name: str) -> Any:
        def wait(*arguments: Any, **named: Any) -> Any:
            return self._runner.run(getattr(self._client, name)(*arguments, **named))

        return wait


KINDS = ["grpc", "rest", "async grpc", "async rest"]


@pytest.fixture
def canned() -> Canned:
    return Canned()


@pytest.fixture(params=KINDS)
def connect(request: pytest.FixtureRequest, canned: Canned) -> Iterator[Connect]:
    """Makes clients of one kind, to a server that does what `canned` says."""
    protocol = request.param.split()[-1]
    serve = canned_server.grpc_server if protocol == "grpc" else canned_server.rest_server
    with serve(canned) as address:

        def make(model: str = "tiny", **choices: Any) -> Any:
            choices = {"retries": QUICK, "timeout": 300.0} | choices
            if request.param.startswith("async"):
                return AwaitedClient(lambda: getattr(AsyncClient, protocol)(address, model=model, **choices))
            return getattr(Client, protocol)(address, model=model, **choices)

        yield make


@contextmanager
def in_time(connect: Connect, timeout: float, **choices: Any) -> Iterator[Client]:
    """A client that has read the contract within the time for a call, which is longer on a slow machine."""
    for seconds in (timeout, 10 * timeout, 100 * timeout):
        with connect(timeout=seconds, **choices) as client:
            try:
                client.contract()
            except DeadlineError:
                continue
            yield client
            return
    pytest.fail("no call is answered in time")


def test_texts_are_answered_in_plain_python(connect: Connect) -> None:
    with connect() as client:
        answers = client.answer(TEXTS)
        assert client.answer([]) == []
    assert [answer["label"] for answer in answers] == ["good", "bad", "good", "bad"]
    assert answers[0]["probability"] == pytest.approx(0.9)
    assert answers[0]["probabilities"] == pytest.approx({"bad": 0.1, "good": 0.9})


def test_contract_is_read_from_the_server(connect: Connect) -> None:
    with connect() as client:
        contract = client.contract()
    assert (contract.model, contract.version, list(contract.signatures)) == ("tiny", 3, ["double", "serving_default"])
    signature = contract.signatures["serving_default"]
    assert signature.inputs["text"] == TensorSpec("string", (None,))
    assert signature.outputs["probabilities"] == TensorSpec("float32", (None, 2))


def test_any_signature_can_be_called(connect: Connect) -> None:
    with connect() as client:
        outputs = client.predict({"x": [[1, 2], [3, 4]]}, "double")
        texts = client.predict({"text": ["é".encode(), "good"]})
    np.testing.assert_array_equal(outputs["y"], [[2, 4], [6, 8]])
    assert outputs["y"].dtype == np.int32
    assert texts["label"].tolist() == [b"bad", b"good"]


def test_what_does_not_fit_is_not_sent(connect: Connect, canned: Canned) -> None:
    with connect() as client:
        with pytest.raises(InputError, match="has no input pair; it takes text"):
            client.answer(TEXTS, TEXTS)
        with pytest.raises(InputError, match="no signature tripel; it has double, serving_default"):
            client.predict({"x": []}, "tripel")
        with pytest.raises(InputError, match=r"shape \(3,\), but the model takes \(any, 2\)"):
            client.predict({"x": [1, 2, 3]}, "double")
    assert canned.calls == 0


def test_long_inputs_go_in_batches_of_like_length_and_come_back_in_order(connect: Connect, canned: Canned) -> None:
    texts = ["x" * (length % 7) + (" good" if length % 3 else "") for length in range(50)]
    with connect(batch_size=8) as client:
        answers = client.answer(texts)
    assert [answer["label"] == "good" for answer in answers] == ["good" in text for text in texts]
    assert sorted(len(batch) for batch in canned.batches) == [2, *[8] * 6]
    assert all(max(map(len, batch)) - min(map(len, batch)) <= 4 for batch in canned.batches)


def test_unavailable_server_is_asked_again_and_no_other_failure_is(connect: Connect, canned: Canned) -> None:
    canned.fail = lambda call: (StatusCode.UNAVAILABLE, "restarting") if call <= 2 else None
    with connect() as client:
        assert client.answer(["good"])[0]["label"] == "good"
        assert canned.calls == 3
        for status, kind in [
            (StatusCode.RESOURCE_EXHAUSTED, ClientError),
            (StatusCode.INVALID_ARGUMENT, ClientError),
            (StatusCode.UNAUTHENTICATED, ClientError),
            (StatusCode.UNAVAILABLE, UnavailableError),
        ]:
            canned.calls = 0
            canned.fail = lambda call, status=status: (status, "because")
            with pytest.raises(kind, match="because") as failed:
                client.answer(["good"])
            assert failed.value.status == status.name
            assert canned.calls == (5 if status is StatusCode.UNAVAILABLE else 1)


def test_retries_end_with_the_time_for_the_call(connect: Connect, canned: Canned) -> None:
    canned.fail = lambda call: (StatusCode.UNAVAILABLE, "restarting")
    with in_time(connect, 0.4, retries=Retries(attempts=1000, first=0.05, longest=0.1)) as client:
        began = time.monotonic()
        with pytest.raises((UnavailableError, DeadlineError)):
            client.answer(["good"])
        assert time.monotonic() - began < 60  # of the 100 s that all attempts would take


def test_answer_that_takes_too_long_is_given_up(connect: Connect, canned: Canned) -> None:
    ended = threading.Event()
    canned.before = lambda call: ended.wait(300)
    clients = 0
    try:
        while not canned.calls and clients < 4:  # on a slow machine, a call needs more time to arrive
            clients += 1
            with connect(timeout=0.03 * 10**clients) as client, pytest.raises(DeadlineError):
                client.answer(["good"])
    finally:
        ended.set()
    assert 1 <= canned.calls <= clients


def test_token_version_and_label_are_sent(connect: Connect, canned: Canned) -> None:
    with connect(token="secret", version=7) as client:
        client.answer(["good"])
    with connect(label="canary") as client:
        client.answer(["good"])
    assert canned.headers[0]["authorization"] == "Bearer secret"
    assert "authorization" not in canned.headers[1]
    assert "7" in canned.asked[0]
    assert "canary" in canned.asked[1]


def test_unknown_model_is_named(connect: Connect) -> None:
    with connect("other") as client, pytest.raises(ClientError, match="Servable not found") as failed:
        client.contract()
    assert failed.value.status == "NOT_FOUND"


@pytest.mark.parametrize("kind", ["grpc", "rest"])
def test_server_that_is_not_there_is_unavailable(kind: str) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        make = Client.grpc if kind == "grpc" else Client.rest
        address = address if kind == "grpc" else f"http://{address}"
        with make(address, model="tiny", retries=QUICK, timeout=300) as client, pytest.raises(UnavailableError):
            client.answer(["good"])


def test_server_that_comes_back_is_found_again(canned: Canned) -> None:
    with canned_server.grpc_server(canned) as address:
        port = int(address.rpartition(":")[2])
        client = Client.grpc(address, model="tiny", retries=Retries(attempts=20, first=0.05, longest=0.2))
        client.answer(["good"])
    with client, canned_server.grpc_server(canned, port):
        assert client.answer(["good"])[0]["label"] == "good"


@pytest.mark.parametrize("kind", ["grpc", "rest"])
def test_asyncio_client_has_a_bounded_number_of_calls_under_way(kind: str, canned: Canned) -> None:
    def with_two_others(call: int) -> None:
        wait_until(lambda: canned.most_under_way >= 3)
        time.sleep(0.1)  # in which a fourth could come

    canned.before = with_two_others
    serve = canned_server.grpc_server if kind == "grpc" else canned_server.rest_server

    async def ask(address: str) -> None:
        make = AsyncClient.grpc if kind == "grpc" else AsyncClient.rest
        async with make(address, model="tiny", batch_size=2, concurrency=3) as client:
            answers = await client.answer([f"good {number}" for number in range(20)])
            assert [answer["label"] for answer in answers] == ["good"] * 20

    with serve(canned) as address:
        asyncio.run(ask(address))
    assert (canned.calls, canned.most_under_way) == (10, 3)


def test_failed_part_stops_the_others(canned: Canned) -> None:
    failed = threading.Event()
    canned.before = lambda call: call <= 2 or failed.wait(300)
    canned.fail = lambda call: (StatusCode.INVALID_ARGUMENT, "bad text") if call == 2 else None

    async def ask(address: str) -> None:
        async with AsyncClient.grpc(address, model="tiny", batch_size=1, concurrency=2) as client:
            with pytest.raises(ClientError, match="bad text"):
                await client.answer(["good"] * 40)

    with canned_server.grpc_server(canned) as address:
        try:
            asyncio.run(ask(address))
        finally:
            failed.set()
    assert canned.calls < 10


def test_settings_that_contradict_are_refused() -> None:
    with pytest.raises(ValueError, match="not both"):
        Client.grpc("localhost:1", model="tiny", version=1, label="canary")
    with pytest.raises(ValueError, match="positive"):
        Client.grpc("localhost:1", model="tiny", batch_size=0)
    with pytest.raises(ValueError, match="token"):
        Client.grpc("localhost:1", model="tiny", token="two\nlines")
    for url in ("localhost:1", "http://", "http://l:http", "ftp://localhost"):
        with pytest.raises(ValueError, match="is no address"):
            Client.rest(url, model="tiny")
    assert "secret" not in repr(Client.grpc("localhost:1", model="tiny", token="secret")._settings)


def test_parts_whose_rows_differ_in_shape_are_not_mixed_up() -> None:
    batches = CallBatches([{}, {}], np.arange(2))
    with pytest.raises(ClientError, match="send no more rows than batch_size") as failed:
        batches.join([{"spans": np.zeros([1, 2])}, {"spans": np.zeros([1, 3])}])
    assert failed.value.status == "FAILED_PRECONDITION"
