"""Streams of a served version: what one gets does not depend on the others, and equals what `generate` gives."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import grpc
import numpy as np
import pytest
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest, PredictResponse

from sftkeras.serving.answering import Answering
from sftkeras.serving.batching import Batcher
from sftkeras.serving.batching_parameters import BatchingParameters
from sftkeras.serving.errors import ServingError
from sftkeras.serving.generation.grpc_messages import SERVICE
from sftkeras.serving.generation.limits import GenerationLimits
from sftkeras.serving.generation.requests import GenerationRequest, Piece
from sftkeras.serving.grpc_server import GrpcOptions, GrpcServer
from sftkeras.serving.metrics import Metrics
from sftkeras.serving.model_config import find_models
from sftkeras.serving.model_store import ModelStore
from sftkeras.serving.runs import make_run
from sftkeras.serving.served_version import ServedVersion
from sftkeras.serving.tensors import to_array, to_proto

MODEL = "writer"
PROMPTS = ("hello", "the quick brown fox", "a", "hello hello", "one two three four five six seven", "hello, world")


@pytest.fixture(scope="module")
def models(tiny_generating_version: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of models with version 1 of one that generates."""
    models = tmp_path_factory.mktemp("models")
    shutil.copytree(tiny_generating_version, models / MODEL / "1")
    return models


@pytest.fixture(scope="module")
def store(models: Path) -> Iterator[ModelStore]:
    # Of so few pages that not all streams of a test have room at once.
    limits = GenerationLimits(slots=4, cache_bytes=10 * 16 * 128)
    store = ModelStore(lambda: find_models(models), poll_seconds=0.05, generation=limits)
    store.start()
    yield store
    store.close()


@pytest.fixture(scope="module")
def version(store: ModelStore) -> Iterator[ServedVersion]:
    """Version 1, which stays loaded."""
    with store.use(ModelSpec(name=MODEL)) as version:
        yield version


async def all_pieces(version: ServedVersion, request: GenerationRequest) -> list[Piece]:
    async with aclosing(version.generating.stream(request)) as stream:
        return [piece async for piece in stream]


def streamed(version: ServedVersion, requests: Sequence[GenerationRequest]) -> list[list[Piece]]:
    """The pieces of requests that are made at the same time."""

    async def run() -> list[list[Piece]]:
        return await asyncio.gather(*(all_pieces(version, request) for request in requests))

    return asyncio.run(run())


def ids(pieces: Sequence[Piece]) -> list[int]:
    return [token.id for piece in pieces for token in piece.tokens]


def text(pieces: Sequence[Piece]) -> str:
    return "".join(piece.text for piece in pieces)


REQUESTS = [
    *(GenerationRequest(prompt, max_new_tokens=20) for prompt in PROMPTS),
    *(
        GenerationRequest(prompt, max_new_tokens=20, temperature=0.9, seed=number, top_k=40, top_p=0.9)
        for number, prompt in enumerate(PROMPTS)
    ),
    *(GenerationRequest(prompt, max_new_tokens=20, repetition_penalty=1.5) for prompt in PROMPTS),
]


def test_a_stream_gets_the_same_tokens_alone_and_among_others(version: ServedVersion) -> None:
    together = streamed(version, REQUESTS)
    alone = [streamed(version, [request])[0] for request in REQUESTS]
    assert [ids(pieces) for pieces in together] == [ids(pieces) for pieces in alone]
    assert all(piece.finish_reason is None for pieces in together for piece in pieces[:-1])
    assert all(pieces[-1].new_tokens <= 20 for pieces in together)


def test_streams_equal_what_the_export_generates(version: ServedVersion) -> None:
    for request, pieces in zip(REQUESTS, streamed(version, REQUESTS), strict=True):
        expected = generated(version, request)
        tokens = expected["token_ids"][0]
        assert ids(pieces) == tokens[tokens >= 0].tolist()
        assert text(pieces).encode() == expected["text"][0]
        assert pieces[-1].prompt_tokens == expected["prompt_tokens"][0]
        assert pieces[-1].finish_reason == ("stop" if expected["ended"][0] else "length")


def test_log_probabilities_are_those_of_the_model(version: ServedVersion) -> None:
    request = GenerationRequest("hello", max_new_tokens=6, temperature=1.0, seed=3, top_log_probabilities=4)
    plain = GenerationRequest("a", max_new_tokens=6)
    (pieces, others) = streamed(version, [request, plain])
    tokens = [token for piece in pieces for token in piece.tokens]
    expected = generated(version, request)["log_probabilities"][0]
    np.testing.assert_allclose([token.log_probability for token in tokens], expected[: len(tokens)], atol=1e-5)
    for token in tokens:
        scores = [other.log_probability for other in token.top]
        assert len(scores) == 4
        assert scores == sorted(scores, reverse=True)
        assert scores[0] >= token.log_probability
    assert all(not token.top and not token.log_probability for piece in others for token in piece.tokens)


def test_a_stop_string_ends_a_stream_before_it(version: ServedVersion) -> None:
    whole = text(streamed(version, [REQUESTS[0]])[0])
    stop = whole[3:6]
    request = GenerationRequest(PROMPTS[0], max_new_tokens=20, stop=(stop,))
    (pieces,) = streamed(version, [request])
    assert text(pieces) == whole[: whole.index(stop)]
    assert pieces[-1].finish_reason == "stop"


def test_what_a_stream_holds_is_free_once_its_client_leaves(version: ServedVersion) -> None:
    async def leave_after_first() -> None:
        async with aclosing(version.generating.stream(GenerationRequest("hello", temperature=1.0))) as stream:
            async for _ in stream:
                return

    async def run() -> None:
        await asyncio.gather(*(leave_after_first() for _ in range(12)))

    asyncio.run(run())
    assert len(streamed(version, REQUESTS)) == len(REQUESTS)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"text": "hello " * 200}, "INVALID_ARGUMENT: The prompt has .* tokens"),
        ({"text": "hello " * 2000}, "INVALID_ARGUMENT: The prompt is longer"),
        ({"max_new_tokens": 0}, "INVALID_ARGUMENT: max_new_tokens"),
        ({"temperature": float("nan")}, "INVALID_ARGUMENT: temperature"),
        ({"top_p": 0.0}, "INVALID_ARGUMENT: top_p"),
        ({"stop": ("",)}, "INVALID_ARGUMENT: a string of stop"),
        ({"seed": 2**63}, "INVALID_ARGUMENT: seed"),
        ({"top_log_probabilities": 21}, "INVALID_ARGUMENT: at most 20"),
    ],
)
def test_what_cannot_be_generated_is_refused(version: ServedVersion, changes: dict, problem: str) -> None:
    with pytest.raises(ServingError, match=problem):
        streamed(version, [GenerationRequest(**{"text": "hello", **changes})])


def test_a_text_of_any_characters_is_tokenised(version: ServedVersion) -> None:
    (pieces,) = streamed(version, [GenerationRequest("\ud800 \x00 \ufdd0", max_new_tokens=2)])
    assert pieces[-1].new_tokens <= 2


def test_grpc_streams_the_same_text_and_refuses_what_is_wrong(version: ServedVersion, store: ModelStore) -> None:
    expected = streamed(version, [GenerationRequest("hello", max_new_tokens=9, temperature=0.8, seed=4)])[0]
    good = {"text": [b"hello"], "max_new_tokens": np.int32([9]), "temperature": np.float32([0.8]), "seed": [4]}
    wrong = {
        "text": [[b"hello"]],
        "seed": [0.5],
        "max_new_tokens": np.int32([1, 2]),
        "top_p": np.float32([2]),
        "stop": [b"no row"],
        "top": [1],
    }

    def request(**inputs: object) -> PredictRequest:
        protos = {name: to_proto(np.array(value, object if name == "stop" else None)) for name, value in inputs.items()}
        return PredictRequest(model_spec=ModelSpec(name=MODEL), inputs=protos)

    async def run() -> tuple[list[PredictResponse], list[grpc.StatusCode]]:
        metrics = Metrics()
        batcher = Batcher(BatchingParameters(), metrics)
        answering = Answering(store, batcher, metrics, request_seconds=100)
        server = GrpcServer(answering, GrpcOptions(port=0), metrics)
        async with grpc.aio.insecure_channel(f"127.0.0.1:{await server.start()}") as channel:
            generate = channel.unary_stream(
                f"/{SERVICE}/Generate",
                request_serializer=PredictRequest.SerializeToString,
                response_deserializer=PredictResponse.FromString,
            )
            leaving = generate(request(**good | {"max_new_tokens": np.int32([40])}))
            await leaving.read()
            leaving.cancel()
            responses = [response async for response in generate(request(**good))]
            codes = []
            for name, value in wrong.items():
                call = generate(request(**good | {name: value}))
                codes.append(await call.code())
        await server.stop(1)
        batcher.close(1)
        return responses, codes

    responses, codes = asyncio.run(run())
    outputs = [{name: to_array(name, proto) for name, proto in response.outputs.items()} for response in responses]
    assert b"".join(output["text"][0] for output in outputs).decode() == text(expected)
    assert [number for output in outputs for number in output["token_ids"][0].tolist()] == ids(expected)
    assert outputs[-1]["finish_reason"][0].decode() == expected[-1].finish_reason
    assert all((output["log_probabilities"] < 0).all() for output in outputs)
    assert responses[-1].model_spec.version.value == 1
    assert codes == [grpc.StatusCode.INVALID_ARGUMENT] * len(wrong)


def test_a_version_that_is_replaced_ends_the_streams_it_began(
    version: ServedVersion, store: ModelStore, models: Path, tmp_path: Path
) -> None:
    async def run() -> tuple[list[Piece], list[int]]:
        async with aclosing(version.generating.stream(REQUESTS[0])) as stream:
            pieces = [await anext(stream)]
            shutil.copytree(models / MODEL / "1", tmp_path / "2")
            (tmp_path / "2").rename(models / MODEL / "2")
            limit = time.monotonic() + 100
            while store.available() != {MODEL: [2]}:
                assert time.monotonic() < limit
                await asyncio.sleep(0.02)
            pieces += [piece async for piece in stream]
        with store.use(ModelSpec(name=MODEL)) as second:
            return pieces, ids(await all_pieces(second, REQUESTS[0]))

    pieces, of_second = asyncio.run(run())
    assert pieces[-1].finish_reason
    assert ids(pieces) == of_second


def generated(version: ServedVersion, request: GenerationRequest) -> dict[str, np.ndarray]:
    """What the signature `generate` gives for a request."""
    signature = version.signatures["generate"]
    inputs = {
        "text": np.array([request.text.encode()], object),
        "max_new_tokens": np.array([request.max_new_tokens], np.int32),
        "temperature": np.array([request.temperature], np.float32),
        "top_k": np.array([request.top_k], np.int32),
        "top_p": np.array([request.top_p], np.float32),
        "min_p": np.array([request.min_p], np.float32),
        "repetition_penalty": np.array([request.repetition_penalty], np.float32),
        "stop": np.array([[b""]], object),
        "seed": np.array([request.seed], np.int64),
    }
    names = sorted(signature.outputs)
    run = make_run(
        [signature.inputs[name] for name in inputs],
        list(inputs.values()),
        [signature.outputs[name] for name in names],
    )
    found = dict(zip(run.call.fetches, version.run(run), strict=True))
    return {name: found[signature.outputs[name].name] for name in names}
