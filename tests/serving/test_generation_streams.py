"""Streams of a served version: what one gets does not depend on the others, and equals what `generate` gives."""

from __future__ import annotations

import asyncio
import shutil
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import aclosing
from pathlib import Path

import numpy as np
import pytest
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tiny_chat import write_tiny_decoder
from tiny_generating import write_tiny_export

from sftkeras.serving.errors import ServingError
from sftkeras.serving.generation.limits import GenerationLimits
from sftkeras.serving.generation.requests import GenerationRequest, Piece
from sftkeras.serving.model_config import find_models
from sftkeras.serving.model_store import ModelStore
from sftkeras.serving.runs import make_run
from sftkeras.serving.served_version import ServedVersion

MODEL = "writer"
PROMPTS = ("hello", "the quick brown fox", "a", "hello hello", "one two three four five six seven", "hello, world")


@pytest.fixture(scope="module")
def export(once: Callable[[str, Callable[[Path], object]], Path]) -> Path:
    def write(folder: Path) -> None:
        write_tiny_export(write_tiny_decoder(folder / "decoder"), folder / "export", "causal_lm")

    return once("tiny_generating_export", write) / "export"


@pytest.fixture(scope="module")
def version(export: Path) -> Iterator[ServedVersion]:
    # Of so few pages that not all streams of a test have room at once.
    version = ServedVersion(MODEL, 1, export, GenerationLimits(slots=4, cache_bytes=10 * 16 * 128))
    version.load()
    assert version.error is None, version.error
    yield version
    version.unload()


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


def test_a_version_that_is_replaced_ends_the_streams_it_began(export: Path, tmp_path: Path) -> None:
    shutil.copytree(export, tmp_path / "models" / MODEL / "1")
    store = ModelStore(lambda: find_models(tmp_path / "models"), poll_seconds=0.05)
    store.start()

    async def run() -> tuple[list[Piece], list[int]]:
        with store.use(ModelSpec(name=MODEL)) as first:
            stream = first.generating.stream(REQUESTS[0])
            pieces = [await anext(stream)]
            shutil.copytree(export, tmp_path / "2")
            (tmp_path / "2").rename(tmp_path / "models" / MODEL / "2")
            limit = time.monotonic() + 600
            while store.available() != {MODEL: [2]}:
                assert time.monotonic() < limit
                await asyncio.sleep(0.02)
            pieces += [piece async for piece in stream]
            with store.use(ModelSpec(name=MODEL)) as second:
                return pieces, ids(await all_pieces(second, REQUESTS[0]))

    pieces, of_second = asyncio.run(run())
    assert pieces[-1].finish_reason
    assert ids(pieces) == of_second
    store.close()


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
