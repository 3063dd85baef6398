"""The client and the embedded server, each without knowledge of the other."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from certificates import Authority
from test_serve_command import served
from tiny_served import MODEL, TYPES, RunningServer, publish

from sftkeras.serving.client import TLS, AsyncClient, Client, ClientError, InputError, UnavailableError
from sftkeras.serving.grpc_server import GrpcOptions

TEXTS = ["abc", "", "déjà-vu", "\x00", "x" * 5000]
LENGTHS = [len(text.encode()) for text in TEXTS]


@pytest.fixture
def client(server: RunningServer) -> Iterator[Client]:
    with Client.grpc(server.address, model=MODEL) as client:
        yield client


def test_server_answers_as_its_contract_says(client: Client) -> None:
    contract = client.contract()
    assert (contract.model, contract.version) == (MODEL, 1)
    assert set(contract.signatures) >= {"serving_default", "numbers", "types", "single", "classify", "regress"}
    outputs = client.predict({"text": TEXTS})
    assert outputs["length"].tolist() == LENGTHS
    assert outputs["shout"].tolist()[:2] == [b"ABC", b""]


def test_every_type_arrives(client: Client) -> None:
    outputs = client.predict({"number": [0.0, 1.0, 3.0]}, "types")
    for dtype in TYPES:
        found = outputs[dtype.name]
        assert found.dtype == (np.float32 if dtype.name == "bfloat16" else dtype.as_numpy_dtype)
        np.testing.assert_array_equal(found, np.array([0.0, 1.0, 3.0]).astype(found.dtype))


def test_number_without_rows_is_one_call(client: Client) -> None:
    assert client.predict({"number": 2.5}, "single")["double"] == 5.0


def test_failures_have_the_servers_words(client: Client, server: RunningServer) -> None:
    with pytest.raises(ClientError, match="a text says boom") as failed:
        client.predict({"text": ["boom"]})
    assert failed.value.status == "INVALID_ARGUMENT"
    with pytest.raises(InputError, match="also needs the input text"):
        client.predict({})
    with Client.grpc(server.address, model=MODEL, version=8) as other, pytest.raises(ClientError) as failed:
        other.contract()
    assert failed.value.status == "NOT_FOUND"


def test_a_request_that_is_too_large_names_the_setting(models: Path) -> None:
    with RunningServer(models, grpc_options=GrpcOptions(port=0, max_message_bytes=10_000)) as server:
        for size in (15_000, 100_000):  # refused by the server, and by gRPC
            with Client.grpc(server.address, model=MODEL) as client, pytest.raises(ClientError) as failed:
                client.predict({"text": ["x" * size]})
            assert failed.value.status == "RESOURCE_EXHAUSTED"
            assert "--max_request_bytes" in failed.value.message


def test_clients_in_asyncio_are_batched_and_answered_in_order(server: RunningServer) -> None:
    texts = [f"{number}" * (number % 9) for number in range(300)]

    async def ask() -> dict[str, np.ndarray]:
        async with AsyncClient.grpc(server.address, model=MODEL, batch_size=7, concurrency=8) as client:
            return await client.predict({"text": texts})

    assert asyncio.run(ask())["length"].tolist() == [len(text) for text in texts]


def test_one_request_that_fails_takes_no_other_with_it(server: RunningServer) -> None:
    requests = [[f"{number}"] * (1 + number % 12) for number in range(40)]
    requests[20] = ["fine", "boom", *["fine"] * 10]

    async def ask() -> list[Any]:
        async with AsyncClient.grpc(server.address, model=MODEL, concurrency=len(requests)) as client:
            calls = (client.predict({"text": texts}) for texts in requests)
            return await asyncio.gather(*calls, return_exceptions=True)

    found = asyncio.run(ask())
    assert isinstance(found.pop(20), ClientError)
    del requests[20]
    assert [answers["length"].tolist() for answers in found] == [[len(text) for text in texts] for texts in requests]


def test_client_goes_on_while_versions_come_and_go(models: Path, written: Callable[[float], Path]) -> None:
    with RunningServer(models) as server, Client.grpc(server.address, model=MODEL) as client:
        found = client.predict({"text": ["abc"]})["length"].tolist()
        publish(written(0.0), models / MODEL, 2)
        while client.predict({"text": ["abc"]})["length"].tolist() == found:
            pass
        assert (found, client.predict({"text": ["abc"]})["length"].tolist()) == ([4], [3])


def test_both_protocols_answer_alike_behind_mutual_tls_and_a_token(models: Path, tmp_path: Path) -> None:
    authority = Authority.make(tmp_path / "authority")
    certificate, key = authority.issue("server")
    own = authority.issue("client")
    (tmp_path / "token").write_text("a-secret-of-some-length\n")
    words = [f"--models={models}", f"--tls_certificate={certificate}", f"--tls_key={key}"]
    words += [f"--tls_client_ca={authority.certificate}", f"--token_file={tmp_path / 'token'}"]
    with served(tmp_path, *words) as it:
        addresses = (f"localhost:{it.port('gRPC')}", f"https://localhost:{it.port('REST')}")

        def clients(**choices: Any) -> Iterator[Client]:
            for make, address in zip((Client.grpc, Client.rest), addresses, strict=True):
                with make(address, model=MODEL, timeout=300, **choices) as client:  # type: ignore[operator]
                    yield client

        tls = TLS(authority.certificate, *own)
        large = ["x" * 500_000] * 20  # more than gRPC's own bound of 4 MiB
        for client in clients(tls=tls, token="a-secret-of-some-length"):
            assert client.predict({"text": large})["length"].tolist() == [500_001] * 20
        over_grpc, over_rest = (
            (
                client.contract(),
                client.predict({"text": TEXTS}),
                client.predict({"matrix": [[0.5, 1.5]]}, "numbers"),
                client.predict({"text": []}, "words"),  # JSON's empty list shows no second dimension
            )
            for client in clients(tls=tls, token="a-secret-of-some-length")
        )
        assert over_grpc[0] == over_rest[0]
        for found, expected in zip(over_rest[1:], over_grpc[1:], strict=True):
            assert set(found) == set(expected)
            for name, array in found.items():
                assert (array.dtype, array.shape) == (expected[name].dtype, expected[name].shape)
                np.testing.assert_array_equal(array, expected[name])
        for client in clients(tls=tls, token="another-secret-of-a-length"):
            with pytest.raises(ClientError) as refused:
                client.contract()
            assert refused.value.status == "UNAUTHENTICATED"
        for client in clients(tls=TLS(authority.certificate), token="a-secret-of-some-length"):
            with pytest.raises(UnavailableError):
                client.contract()
