"""JSON answers: `response_format` through the official client, by a random decoder that would write anything."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
from openai_calls import error_of
from rest_client import Running, serving

CHAT = "/v1/chat/completions"
QUESTION: list[Any] = [{"role": "user", "content": "?"}]
DRAWN: dict[str, Any] = {"model": "tiny", "messages": QUESTION, "temperature": 1.5, "max_tokens": 64}
FILM = {
    "type": "object",
    "properties": {"ok": {"type": "boolean"}, "n": {"enum": [1, "b"]}},
    "required": ["ok", "n"],
    "additionalProperties": False,
}


def schema_format(schema: Any, **more: Any) -> dict[str, Any]:
    return {"type": "json_schema", "json_schema": {"name": "film", "schema": schema, **more}}


@pytest.fixture(scope="module")
def rest(tiny_generating_version: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = tmp_path_factory.mktemp("models")
    shutil.copytree(tiny_generating_version, models / "tiny" / "1")
    with serving(models) as it:
        yield it


def test_answers_fit_their_schema_whole_and_streamed(client: openai.OpenAI) -> None:
    options: Any = {**DRAWN, "n": 6, "seed": 1, "response_format": schema_format(FILM, strict=True)}
    answer = client.chat.completions.create(**options)
    texts = [choice.message.content or "" for choice in answer.choices]
    for text in texts:
        found = json.loads(text)
        assert list(found) == ["ok", "n"]
        assert found["ok"] in (True, False)
        assert found["n"] in (1, "b")
    assert {choice.finish_reason for choice in answer.choices} == {"stop"}
    assert len(set(texts)) > 1
    streamed = [""] * 6
    for chunk in client.chat.completions.create(**options, stream=True):
        for choice in chunk.choices:
            streamed[choice.index] += choice.delta.content or ""
    assert streamed == texts


def test_an_answer_that_is_ended_by_itself_is_an_object(client: openai.OpenAI) -> None:
    ended = 0
    for seed in range(4):
        answer = client.chat.completions.create(**DRAWN, n=8, seed=seed * 8, response_format={"type": "json_object"})
        for choice in answer.choices:
            if choice.finish_reason == "stop":
                ended += 1
                assert isinstance(json.loads(choice.message.content or ""), dict)
    assert ended


def test_other_texts_beside_it_are_what_they_were(client: openai.OpenAI) -> None:
    alone = client.chat.completions.create(**DRAWN, seed=3).choices[0].message.content
    held = client.chat.completions.create(**DRAWN, seed=3, response_format={"type": "json_object"}, stream=True)
    assert client.chat.completions.create(**DRAWN, seed=3).choices[0].message.content == alone
    held.close()


@pytest.mark.parametrize(
    ("form", "param", "reason", "message"),
    [
        ("json", "response_format", "invalid_type", "expected an object"),
        ({"type": "xml"}, "response_format.type", "invalid_value", "'json_schema'"),
        ({"type": "text", "schema": {}}, "response_format.schema", "unknown_parameter", "Unknown"),
        ({"type": "json_schema"}, "response_format.json_schema", "missing_required_parameter", "Missing"),
        (schema_format(3), "response_format.json_schema.schema", "invalid_type", "expected an object"),
        (schema_format({"type": "strin"}), "response_format", "invalid_json_schema", "'film': Invalid type: strin"),
        (schema_format({"not": {}}), "response_format", "invalid_json_schema", 'Unimplemented keys: ["not"]'),
        (schema_format({"$ref": "https://a.org/b.json"}), "response_format", "invalid_json_schema", "does not fetch"),
        (schema_format({"enum": ["a" * 70_000]}), "response_format", "invalid_json_schema", "may have 65536"),
        (
            schema_format({"$defs": {"a": {"$ref": "#/$defs/a"}}, "$ref": "#/$defs/a"}),
            None,
            None,
            "held to this schema",
        ),
    ],
)
def test_what_cannot_be_kept_to_is_refused(
    rest: Running, form: Any, param: str | None, reason: str | None, message: str
) -> None:
    for stream in (False, True):
        error = error_of(rest.ask("POST", CHAT, {**DRAWN, "response_format": form, "stream": stream}), 400)
        assert (error["param"], error["code"]) == (param, reason)
        assert message in error["message"]


def test_a_stop_string_would_cut_json_off(rest: Running) -> None:
    error = error_of(rest.ask("POST", CHAT, {**DRAWN, "response_format": {"type": "json_object"}, "stop": "a"}), 400)
    assert error["param"] == "stop"
