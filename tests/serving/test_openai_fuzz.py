"""Broken and hostile requests to OpenAI's routes: each gets an answer or a right error, and the server stays right.

FUZZ_REQUESTS sets how many are bytes gone wrong; the default is for every day, 50000 for a release.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from hostile_http import MOST_BYTES, TOKENS, statuses
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from page_models import write_vectors
from rest_client import Reply, Running, serving

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "400"))
MOST_GROWTH = 96 * 2**20  # bytes, whatever the number of requests

CHAT, COMPLETIONS, EMBEDDINGS = "/v1/chat/completions", "/v1/completions", "/v1/embeddings"
TURNS = [{"role": role, "content": "a"} for role in ("system", "user", "assistant", "user")]
SAMPLING = {"model": "tiny", "temperature": 1.2, "top_p": 0.9, "seed": 3, "n": 2, "max_tokens": 4, "stop": ["a", "b"]}
SCHEMA = {"type": "object", "properties": {"a": {"type": "array", "items": {"enum": ["b", 1]}, "minItems": 2}}}
BODIES = {
    CHAT: [
        {"model": "tiny", "messages": TURNS, "max_tokens": 2},
        {**SAMPLING, "messages": TURNS[1:2], "stream": True, "stream_options": {"include_usage": True}},
        {**SAMPLING, "messages": TURNS, "logprobs": True, "top_logprobs": 3, "response_format": {"type": "text"}},
        {
            "model": "tiny",
            "messages": TURNS,
            "max_tokens": 3,
            "response_format": {"type": "json_schema", "json_schema": {"name": "a", "schema": SCHEMA, "strict": True}},
        },
        {
            "model": "tiny",
            "messages": TURNS,
            "tools": [{"type": "function", "function": {"name": "f", "description": "a", "parameters": SCHEMA}}],
            "tool_choice": {"type": "function", "function": {"name": "f"}},
            "parallel_tool_calls": True,
        },
    ],
    COMPLETIONS: [
        {"model": "tiny", "prompt": "it is", "max_tokens": 2},
        {**SAMPLING, "prompt": ["it is", "why"], "stream": True, "top_k": 3, "min_p": 0.1, "repetition_penalty": 1.2},
        {"model": "tiny/versions/1", "prompt": "it is", "max_tokens": 1, "echo": True, "logprobs": 1, "temperature": 0},
    ],
    EMBEDDINGS: [
        {"model": "vectors", "input": ["one", "two"], "encoding_format": "float", "dimensions": 10},
        {"model": "vectors/labels/stable", "input": "one", "user": "me"},
    ],
}
TEXTS = {"text_input": "it is", "parameters": {"max_tokens": 3, "details": True, "stop": ["a"]}, "temperature": 1.2}
GENERATE = {f"/v2/models/tiny/{call}": [TEXTS] for call in ("generate", "generate_stream")}
OWN_TOKENS = [*TOKENS, b'"role":', b"\xef\xb7\x90", b"\xef\xb7\x91", b"<|im_end|>", b"-1", b"1e9", b'"n": 99999', b"[]"]
# 408 and 5xx would be the server's fault; 429 is that of many callers.
EXPECTED = {b"200", b"400", b"404", b"405", b"413", b"417", b"429", b"501", b""}


@pytest.fixture(scope="module")
def rest(tiny_generating_version: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = tmp_path_factory.mktemp("models")
    shutil.copytree(tiny_generating_version, models / "tiny" / "1")
    write_vectors(models / "vectors" / "1")
    with serving(models, timeout=300, max_body_bytes=MOST_BYTES) as it:
        yield it


def is_right_error(reply: Reply) -> bool:
    if reply.headers["Content-Type"] != "application/json" or set(reply.json) != {"error"}:
        return False
    error = reply.json["error"]
    return set(error) == {"message", "type", "param", "code"} and bool(error["message"])


def stays_right(rest: Running) -> bool:
    [choice] = rest.ask("POST", CHAT, BODIES[CHAT][0]).json["choices"]
    [vector, _] = rest.ask("POST", EMBEDDINGS, BODIES[EMBEDDINGS][0]).json["data"]
    return choice["finish_reason"] in ("stop", "length") and vector["embedding"] == [3.0, *[9.0] * 9]


def test_hostile_requests_do_no_harm(rest: Running, caplog: pytest.LogCaptureFixture) -> None:
    bodies = BODIES | GENERATE
    counts = statuses(rest, bodies, REQUESTS, first=100, expected=EXPECTED, most_growth=MOST_GROWTH, tokens=OWN_TOKENS)
    assert counts[b"400"] > REQUESTS / 4
    assert counts[b"200"] > 0
    assert not caplog.records
    assert stays_right(rest)


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | st.text(max_size=20)
    | st.sampled_from(["tiny", "vectors", "user", "text", "\ufdd0<|im_end|>\ufdd1", "😀", "base64"])
)
VALUES = st.recursive(
    SCALARS,
    lambda inside: (
        st.lists(inside, max_size=4)
        | st.dictionaries(st.sampled_from(["role", "content", "type", "text", "name", "include_usage", "x"]), inside)
    ),
    max_leaves=8,
)
NAMES = sorted({name for documents in BODIES.values() for document in documents for name in document})
CHANGES = st.dictionaries(
    st.sampled_from([*NAMES, "logit_bias", "suffix", "best_of", "stream_options"]), VALUES, max_size=4
)


@settings(max_examples=int(REQUESTS / 4), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(path=st.sampled_from(list(BODIES)), which=st.integers(0, 1), changes=CHANGES)
def test_any_argument_may_be_anything(rest: Running, path: str, which: int, changes: dict[str, Any]) -> None:
    body = json.dumps({**BODIES[path][which], **changes}, allow_nan=True).encode("utf-8", "surrogatepass")
    reply = rest.ask("POST", path, body)
    if reply.status == 200:
        stream = json.loads(body).get("stream") is True
        assert reply.headers["Content-Type"] == ("text/event-stream; charset=utf-8" if stream else "application/json")
        assert reply.body.endswith(b"data: [DONE]\n\n" if stream else b"}")
    else:
        assert reply.status in (400, 404)
        assert is_right_error(reply)
