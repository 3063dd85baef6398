"""Chat and completions through the official client, whole and streamed, by a real export of a tiny random decoder."""

from __future__ import annotations

import json
import math
import re
import shutil
import socket
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import aclosing
from pathlib import Path
from typing import Any

import numpy as np
import openai
import pytest
from half_plus_two import write_half_plus_two
from openai_calls import error_of, events_of
from rest_client import Reply, Running, serving
from tiny_served import wait_until

from sftkeras.serving.engine import Engine
from sftkeras.serving.errors import overloaded
from sftkeras.serving.generation.requests import Generating, GenerationRequest, Piece
from sftkeras.serving.predicting import predict_run
from sftkeras.serving.served_version import ServedVersion
from sftkeras.text.marks import special

CHAT, COMPLETIONS = "/v1/chat/completions", "/v1/completions"
QUESTION: list[Any] = [{"role": "user", "content": "how is the film?"}]
# What the template of the tiny decoder makes of it.
RENDERED = (
    f"{special('<|im_start|>')}user\nhow is the film?{special('<|im_end|>')}\n{special('<|im_start|>')}assistant\n"
)
PROMPT = "the film is"
Run = Callable[..., dict[str, Any]]
DRAWN = {"temperature": 1.5, "seed": 7}


@pytest.fixture(scope="module")
def rest(tiny_generating_version: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = tmp_path_factory.mktemp("models")
    shutil.copytree(tiny_generating_version, models / "tiny" / "1")
    write_half_plus_two(models / "half_plus_two" / "1")
    with serving(models) as it:
        yield it


@pytest.fixture(scope="module")
def run(tiny_generating_version: Path) -> Iterator[Run]:
    """What a signature of the export gives for one row of texts."""
    engine = Engine(tiny_generating_version)

    def run(signature: str, **inputs: str) -> dict[str, Any]:
        arrays = {name: np.array([text.encode()], object) for name, text in inputs.items()}
        asked, outputs = predict_run(engine.signatures, signature, arrays, ())
        tensors = dict(zip(asked.call.fetches, engine.run(asked.call, asked.arrays), strict=True))
        return {name: tensors[tensor][0] for name, tensor in outputs.items()}

    yield run
    engine.close()


def logprobs_of(content: Any) -> list[float]:
    return [one.logprob for one in content]


def test_the_model_is_listed(client: openai.OpenAI) -> None:
    assert [model.id for model in client.models.list()] == ["tiny"]


def test_an_answer_is_that_of_the_exports_own_signature(run: Run, client: openai.OpenAI) -> None:
    expected = run("generate", text=RENDERED)
    answer = client.chat.completions.create(model="tiny", messages=QUESTION, logprobs=True)
    [choice] = answer.choices
    assert (answer.object, answer.model, answer.system_fingerprint) == ("chat.completion", "tiny", "tiny/versions/1")
    assert (choice.message.role, choice.message.content) == ("assistant", expected["text"].decode())
    assert choice.finish_reason == ("stop" if expected["ended"] else "length")
    assert answer.usage is not None
    assert answer.usage.prompt_tokens == expected["prompt_tokens"]
    assert answer.usage.completion_tokens == expected["new_tokens"]
    assert answer.usage.total_tokens == expected["prompt_tokens"] + expected["new_tokens"]
    assert choice.logprobs is not None
    tokens = [number for number in expected["token_ids"] if number >= 0]
    assert logprobs_of(choice.logprobs.content) == pytest.approx(expected["log_probabilities"][: len(tokens)], abs=1e-4)
    written = b"".join(bytes(one.bytes or ()) for one in choice.logprobs.content or ())
    assert written.decode("utf-8", "replace") == expected["text"].decode()


def test_predict_generates_with_the_options_that_are_left_out_and_within_a_bound(run: Run, rest: Running) -> None:
    def predict(**inputs: list[Any]) -> Reply:
        return rest.ask("POST", "/v1/models/tiny:predict", {"signature_name": "generate", "inputs": inputs})

    assert predict(text=[RENDERED]).json["outputs"]["text"] == [run("generate", text=RENDERED)["text"].decode()]
    assert predict(text=["a"] * 4, max_new_tokens=[2]).json["outputs"]["new_tokens"] == [2] * 4
    reply = predict(text=["a"] * 300)
    assert reply.status == 400
    assert "300 texts of up to 8 new tokens are 2400 tokens; one call may generate" in reply.json["error"]
    whole = rest.ask("POST", "/v1/models/tiny:predict", {"inputs": ["a"] * 300})
    assert "300 texts of up to 8 new tokens" in whole.json["error"]


@pytest.mark.parametrize("options", [{}, DRAWN, {**DRAWN, "max_tokens": 20, "n": 3, "top_p": 0.9}])
def test_streamed_answers_are_the_same(client: openai.OpenAI, options: Any) -> None:
    whole = client.chat.completions.create(model="tiny", messages=QUESTION, **options)
    texts, reasons, roles, usage = {}, {}, {}, None
    stream = client.chat.completions.create(
        model="tiny", messages=QUESTION, stream=True, stream_options={"include_usage": True}, **options
    )
    for chunk in stream:
        assert chunk.object == "chat.completion.chunk"
        assert usage is None  # it comes last
        usage = chunk.usage
        for choice in chunk.choices:
            assert choice.index not in reasons  # the reason ends a text
            if choice.delta.role:
                roles[choice.index] = choice.delta.role
            texts[choice.index] = texts.get(choice.index, "") + (choice.delta.content or "")
            if choice.finish_reason:
                reasons[choice.index] = choice.finish_reason
    assert texts == {choice.index: choice.message.content for choice in whole.choices}
    assert reasons == {choice.index: choice.finish_reason for choice in whole.choices}
    assert roles == {choice.index: "assistant" for choice in whole.choices}
    assert usage is not None
    assert whole.usage is not None
    assert (usage.prompt_tokens, usage.completion_tokens) == (whole.usage.prompt_tokens, whole.usage.completion_tokens)


def test_events_are_one_json_each_and_end_with_done(rest: Running) -> None:
    reply = rest.ask("POST", CHAT, {"model": "tiny", "messages": QUESTION, "stream": True})
    assert (reply.status, reply.headers["Content-Type"]) == (200, "text/event-stream; charset=utf-8")
    *events, last = events_of(reply)
    assert last == "[DONE]"
    objects = [json.loads(event) for event in events]
    assert len({one["id"] for one in objects}) == 1
    assert not any("usage" in one for one in objects)  # nobody asked
    assert objects[0]["choices"][0]["delta"] == {"role": "assistant", "content": "", "refusal": None}


def test_texts_are_functions_of_their_seeds(client: openai.OpenAI) -> None:
    def texts(**options: Any) -> list[str]:
        answer = client.completions.create(model="tiny", prompt=PROMPT, temperature=2, max_tokens=12, **options)
        return [choice.text for choice in answer.choices]

    first, second, third = texts(seed=5, n=3)
    assert len({first, second, third}) == 3
    assert texts(seed=6, n=2) == [second, third]
    assert texts(seed=2**63 - 1, n=2)[1] == texts(seed=-(2**63))[0]
    assert texts() != texts()


def test_a_text_ends_before_a_stop_string(client: openai.OpenAI) -> None:
    options: Any = {"model": "tiny", "prompt": PROMPT, "max_tokens": 12, **DRAWN}
    whole = client.completions.create(**options).choices[0].text
    stop = whole[4:6]
    [choice] = client.completions.create(**options, stop=[stop, "never, ever"]).choices
    assert choice.text == whole[: whole.index(stop)]
    assert choice.finish_reason == "stop"
    pieces = [chunk.choices[0].text for chunk in client.completions.create(**options, stop=stop, stream=True)]
    assert "".join(pieces) == choice.text


def test_the_probable_tokens_of_each_place(client: openai.OpenAI) -> None:
    answer = client.chat.completions.create(model="tiny", messages=QUESTION, logprobs=True, top_logprobs=4)
    logprobs = answer.choices[0].logprobs
    assert logprobs is not None
    for one in logprobs.content or ():
        top = logprobs_of(one.top_logprobs)
        assert len(top) == 4
        assert top == sorted(top, reverse=True)
        assert one.logprob == pytest.approx(top[0], abs=1e-5)  # of greedy decoding


def test_several_prompts_and_texts_of_each(client: openai.OpenAI) -> None:
    prompts = [PROMPT, "why?"]
    answer = client.completions.create(model="tiny", prompt=prompts, n=2, max_tokens=5, **DRAWN)
    assert [choice.index for choice in answer.choices] == [0, 1, 2, 3]
    for number, prompt in enumerate(prompts):
        alone = client.completions.create(model="tiny", prompt=prompt, n=2, max_tokens=5, **DRAWN)
        assert [one.text for one in alone.choices] == [one.text for one in answer.choices[2 * number : 2 * number + 2]]
    streamed = ["", "", "", ""]
    for chunk in client.completions.create(model="tiny", prompt=prompts, n=2, max_tokens=5, stream=True, **DRAWN):
        for choice in chunk.choices:
            streamed[choice.index] += choice.text
    assert streamed == [choice.text for choice in answer.choices]


@pytest.mark.parametrize("most", [0, 1])
@pytest.mark.parametrize("stream", [False, True])
def test_given_texts_are_scored(run: Run, client: openai.OpenAI, most: int, stream: bool) -> None:
    expected = run("score", prompt="", text=PROMPT)
    answer = client.completions.create(
        model="tiny", prompt=PROMPT, echo=True, logprobs=1, max_tokens=most, temperature=0, stream=stream
    )
    chunks = list(answer) if stream else [answer]
    found = [choice.logprobs for chunk in chunks for choice in chunk.choices if choice.logprobs]
    text = "".join(choice.text for chunk in chunks for choice in chunk.choices)
    tokens, scores, tops, offsets = (
        [value for one in found for value in getattr(one, name)]
        for name in ("tokens", "token_logprobs", "top_logprobs", "text_offset")
    )
    count = len(expected["token_ids"])
    assert "".join(tokens) == text
    assert text.startswith(PROMPT)
    assert scores[0] is None
    assert tops[0] is None
    assert scores[1:count] == pytest.approx(expected["log_probabilities"][1:], abs=1e-4)
    for place, top in enumerate(tops[1:count], 1):
        [[best, score]] = top.items()
        assert score == pytest.approx(expected["best_log_probabilities"][place], abs=1e-4)
        assert (best == tokens[place]) == (expected["best_token_ids"][place] == expected["token_ids"][place])
    assert offsets[:count] == [len("".join(tokens[:place])) for place in range(count)]
    assert len(tokens) - count == most


def test_the_token_that_ends_a_text_is_one_of_a_completions(client: openai.OpenAI) -> None:
    """lm-evaluation-harness drops the last token, which it asked for only because servers want one."""
    for seed in range(100):
        answer = client.completions.create(
            model="tiny", prompt=PROMPT, max_tokens=40, logprobs=1, temperature=2, seed=seed
        )
        [choice] = answer.choices
        assert choice.logprobs is not None
        assert answer.usage is not None
        assert len(choice.logprobs.tokens or ()) == answer.usage.completion_tokens
        if choice.finish_reason == "stop":
            assert (choice.logprobs.tokens or ())[-1] == ""
            assert (choice.logprobs.token_logprobs or ())[-1] < 0
            return
    pytest.fail("no text ended by itself")


def test_a_prompt_stands_before_its_continuation(client: openai.OpenAI) -> None:
    plain = client.completions.create(model="tiny", prompt=PROMPT, max_tokens=4)
    echoed = client.completions.create(model="tiny", prompt=PROMPT, max_tokens=4, echo=True)
    assert echoed.choices[0].text == PROMPT + plain.choices[0].text
    assert echoed.choices[0].logprobs is None


def test_parts_of_a_content_are_joined_and_a_developer_is_the_system(run: Run, client: openai.OpenAI) -> None:
    parts = [{"type": "text", "text": "how is "}, {"type": "text", "text": "the film?"}]
    messages: list[Any] = [{"role": "developer", "content": "be kind"}, {"role": "user", "content": parts}]
    answer = client.chat.completions.create(model="tiny", messages=messages)
    rendered = f"{special('<|im_start|>')}system\nbe kind{special('<|im_end|>')}\n{RENDERED}"
    assert answer.choices[0].message.content == run("generate", text=rendered)["text"].decode()


def test_an_answer_can_be_sent_back(client: openai.OpenAI) -> None:
    options: Any = {"model": "tiny", "max_tokens": 3}
    answer = client.chat.completions.create(messages=QUESTION, **options)
    said = answer.choices[0].message.model_dump()
    assert client.chat.completions.create(messages=[*QUESTION, said, *QUESTION], **options).choices


def test_no_caller_writes_a_special_token(client: openai.OpenAI) -> None:
    def prompt_tokens(content: str) -> int:
        messages: list[Any] = [{"role": "user", "content": content}]
        usage = client.chat.completions.create(model="tiny", messages=messages, max_tokens=1).usage
        assert usage is not None
        return usage.prompt_tokens

    written, marked = prompt_tokens("<|im_end|>"), prompt_tokens(special("<|im_end|>"))
    assert written > prompt_tokens("") + 1
    assert marked > prompt_tokens("") + 1


def test_a_model_of_another_kind_is_refused(rest: Running) -> None:
    for model, path, asked in (
        ("half_plus_two", CHAT, {"messages": QUESTION}),
        ("half_plus_two", COMPLETIONS, {"prompt": "a"}),
        ("tiny", "/v1/embeddings", {"input": "a"}),
    ):
        error = error_of(rest.ask("POST", path, {"model": model, **asked}), 400)
        assert (error["param"], error["code"]) == ("model", "unsupported_model")
    error = error_of(rest.ask("POST", CHAT, {"model": "other", "messages": QUESTION}), 404)
    assert error["code"] == "model_not_found"


def test_a_prompt_that_is_too_long_is_refused_before_the_stream(rest: Running) -> None:
    long = [{"role": "user", "content": "word " * 200}]
    for stream in (False, True):
        error = error_of(rest.ask("POST", CHAT, {"model": "tiny", "messages": long, "stream": stream}), 400)
        assert error["type"] == "invalid_request_error"
        assert "tokens" in error["message"]


WRONG: list[tuple[dict[str, Any], str, str]] = [
    ({"messages": None}, "messages", "missing_required_parameter"),
    ({"messages": []}, "messages", "empty_array"),
    ({"messages": "hello"}, "messages", "invalid_type"),
    ({"messages": ["hello"]}, "messages[0]", "invalid_type"),
    ({"messages": QUESTION * 2049}, "messages", "array_above_max_length"),
    ({"messages": [{"content": "a"}]}, "messages[0].role", "missing_required_parameter"),
    ({"messages": [{"role": "king", "content": "a"}]}, "messages[0].role", "invalid_value"),
    ({"messages": [{"role": "tool", "content": "a"}]}, "messages[0].tool_call_id", "missing_required_parameter"),
    (
        {"messages": [{"role": "tool", "content": "a", "tool_call_id": "1"}]},
        "messages[0].tool_call_id",
        "invalid_value",
    ),
    ({"messages": [{"role": "user"}]}, "messages[0].content", "missing_required_parameter"),
    ({"messages": [{"role": "user", "content": 3}]}, "messages[0].content", "invalid_type"),
    ({"messages": [{"role": "user", "content": [3]}]}, "messages[0].content[0]", "invalid_type"),
    (
        {"messages": [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "x"}}]}]},
        "messages[0].content[0].type",
        "invalid_value",
    ),
    ({"messages": [*QUESTION, {"role": "system", "content": "a"}]}, "messages[1]", "invalid_value"),
    ({"messages": [{**QUESTION[0], "mood": "glad"}]}, "messages[0].mood", "unknown_parameter"),
    (
        {"messages": [{"role": "assistant", "content": "a", "tool_calls": [{"id": "1"}]}]},
        "messages[0].tool_calls[0].type",
        "missing_required_parameter",
    ),
    ({"temperature": 2.5}, "temperature", "decimal_above_max_value"),
    ({"temperature": "hot"}, "temperature", "invalid_type"),
    ({"temperature": math.nan}, "temperature", "invalid_type"),
    ({"temperature": 10**400}, "temperature", "invalid_type"),
    ({"top_p": -0.1}, "top_p", "decimal_below_min_value"),
    ({"seed": 2**63}, "seed", "integer_above_max_value"),
    ({"seed": 10**4000}, "seed", "integer_above_max_value"),
    ({"n": 0}, "n", "integer_below_min_value"),
    ({"n": 17}, "n", "integer_above_max_value"),
    ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
    ({"max_tokens": 5, "max_completion_tokens": 5}, "max_completion_tokens", "invalid_value"),
    ({"stop": 3}, "stop", "invalid_type"),
    ({"stop": [""]}, "stop", "empty_string"),
    ({"stop": ["é" * 129]}, "stop", "array_above_max_length"),
    ({"stop": ["a"] * 17}, "stop", "array_above_max_length"),
    ({"stream": "yes"}, "stream", "invalid_type"),
    ({"stream_options": {"include_usage": True}}, "stream_options", "invalid_value"),
    ({"stream": True, "stream_options": {"more": 1}}, "stream_options.more", "unknown_parameter"),
    ({"logprobs": 3}, "logprobs", "invalid_type"),
    ({"top_logprobs": 3}, "top_logprobs", "invalid_value"),
    ({"logprobs": True, "top_logprobs": 21}, "top_logprobs", "integer_above_max_value"),
    ({"tools": [{"type": "function"}]}, "tools[0].function", "missing_required_parameter"),
    ({"tools": [{"type": "function", "function": {"name": "add"}}]}, "tools", "unsupported_parameter"),
    ({"tool_choice": "required"}, "tool_choice", "invalid_value"),
    ({"response_format": {"type": "grammar"}}, "response_format.type", "invalid_value"),
    ({"presence_penalty": 0.5}, "presence_penalty", "unsupported_parameter"),
    ({"logit_bias": {"3": 1}}, "logit_bias", "unsupported_parameter"),
    ({"prompt": "a"}, "prompt", "unknown_parameter"),
]


@pytest.mark.parametrize(("change", "param", "code"), WRONG)
def test_a_wrong_argument_of_a_chat_is_named(rest: Running, change: Any, param: str, code: str) -> None:
    error = error_of(rest.ask("POST", CHAT, {"model": "tiny", "messages": QUESTION, **change}), 400)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert param in error["message"] or code == "invalid_value"


@pytest.mark.parametrize(
    ("change", "param", "code"),
    [
        ({"prompt": None}, "prompt", "missing_required_parameter"),
        ({"prompt": []}, "prompt", "empty_array"),
        ({"prompt": {"a": 1}}, "prompt", "invalid_type"),
        ({"prompt": [1, 2]}, "prompt", "unsupported_value"),
        ({"prompt": [[1, 2]]}, "prompt", "unsupported_value"),
        ({"prompt": ["a", None]}, "prompt[1]", "invalid_type"),
        ({"prompt": ["a"] * 33, "n": 2}, "prompt", "array_above_max_length"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value"),
        ({"logprobs": 6}, "logprobs", "integer_above_max_value"),
        ({"logprobs": 2, "echo": True}, "logprobs", "unsupported_value"),
        ({"best_of": 2}, "best_of", "unsupported_value"),
        ({"suffix": "end"}, "suffix", "unsupported_parameter"),
        ({"messages": QUESTION}, "messages", "unknown_parameter"),
    ],
)
def test_a_wrong_argument_of_a_completion_is_named(rest: Running, change: Any, param: str, code: str) -> None:
    error = error_of(rest.ask("POST", COMPLETIONS, {"model": "tiny", "prompt": PROMPT, **change}), 400)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)


def test_arguments_that_ask_for_nothing_are_taken(client: openai.OpenAI) -> None:
    options: Any = {
        "frequency_penalty": 0,
        "presence_penalty": 0.0,
        "logit_bias": {},
        "response_format": {"type": "text"},
        "tool_choice": "none",
        "store": False,
        "user": "me",
        "metadata": {"a": "b"},
        "extra_body": {"top_k": 5, "min_p": 0.1, "repetition_penalty": 1.1},
    }
    answer = client.chat.completions.create(model="tiny", messages=QUESTION, max_completion_tokens=2, **options)
    assert answer.usage is not None
    assert answer.usage.completion_tokens <= 2


@pytest.mark.parametrize("stream", [False, True])
def test_a_client_that_goes_away_ends_its_texts(rest: Running, stream: bool) -> None:
    def cancelled() -> float:
        page = rest.metrics.page().decode()
        found = re.search(r':tensorflow:serving:request_count{model_name="tiny",status="CANCELLED"} (\S+)', page)
        return float(found[1]) if found else 0.0

    body = json.dumps({"model": "tiny", "prompt": PROMPT, "n": 16, "max_tokens": 50, "stream": stream, **DRAWN})
    request = f"POST {COMPLETIONS} HTTP/1.1\r\nHost: a\r\nContent-Length: {len(body)}\r\n\r\n{body}"
    before = cancelled()
    while cancelled() == before:  # a server may be quicker than the client is gone
        with socket.create_connection(("127.0.0.1", rest.port), timeout=300) as connection:
            connection.sendall(request.encode())
            if stream:
                assert connection.recv(15) == b"HTTP/1.1 200 OK"
        wait_until(lambda: rest.server._admission.open == 0)


class Failing:
    """Generates as a version does, and fails after the first piece."""

    def __init__(self, version: Generating) -> None:
        self._version = version

    async def stream(self, request: GenerationRequest, seconds: float | None = None) -> AsyncGenerator[Piece, None]:
        async with aclosing(self._version.stream(request, seconds)) as pieces:
            yield await anext(pieces)
        raise overloaded("no more")


def test_what_fails_in_a_stream_is_its_last_event(
    rest: Running, client: openai.OpenAI, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = ServedVersion.generating
    monkeypatch.setattr(ServedVersion, "generating", property(lambda version: Failing(real.__get__(version))))
    body = {"model": "tiny", "prompt": PROMPT, "max_tokens": 20, "stream": True}
    *_, last = events_of(rest.ask("POST", COMPLETIONS, body))
    error = {"message": "no more", "type": "requests", "param": None, "code": "rate_limit_exceeded"}
    assert json.loads(last) == {"error": error}
    with pytest.raises(openai.APIError, match="no more"):
        list(client.completions.create(**body))
    assert error_of(rest.ask("POST", COMPLETIONS, {**body, "stream": False}), 429) == error
