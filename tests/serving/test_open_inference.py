"""The Open Inference Protocol: calls of its specification, Triton's client, binary data, generated texts, errors."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tritonclient.http as triton
from chromium import SECRET
from half_plus_two import write_half_plus_two
from openai_calls import events_of
from rest_client import Reply, Running, serving
from tiny_served import TYPES, write_version
from tritonclient.utils import InferenceServerException, np_to_triton_dtype

from sftkeras import __version__

HALF = "/v2/models/half_plus_two"
BOTH = [[1.0, 2.0], [3.0, 4.0]]
GENERATE, STREAM = "/v2/models/writes/generate", "/v2/models/writes/generate_stream"
PROMPT = {"text_input": "the film is"}
DRAWN = {"temperature": 1.5, "seed": 7, "max_tokens": 20}


@pytest.fixture(scope="module")
def rest(tiny_generating_version: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = tmp_path_factory.mktemp("models")
    write_half_plus_two(models / "half_plus_two" / "7")
    write_half_plus_two(models / "half_plus_two" / "3", plus=3)
    write_version(models / "tiny" / "1")
    shutil.copytree(tiny_generating_version, models / "writes" / "1")
    with serving(models) as it:
        yield it


@pytest.fixture(scope="module")
def peer(rest: Running) -> Iterator[triton.InferenceServerClient]:
    """Triton's client."""
    with triton.InferenceServerClient(f"127.0.0.1:{rest.port}") as it:
        yield it


def inputs_of(**arrays: np.ndarray) -> list[triton.InferInput]:
    found = []
    for name, array in arrays.items():
        found.append(triton.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype)))
        found[-1].set_data_from_numpy(array, binary_data=name != "text")
    return found


def tensor(name: str, datatype: str, shape: list[int], data: Any, **more: Any) -> dict[str, Any]:
    return {"name": name, "datatype": datatype, "shape": shape, "data": data, **more}


def error_of(reply: Reply) -> str:
    assert reply.headers["Content-Type"] == "application/json"
    [(key, message)] = reply.json.items()
    assert key == "error"
    return message


def test_tritons_client_finds_the_server_and_its_models_ready(peer: triton.InferenceServerClient) -> None:
    assert peer.is_server_live()
    assert peer.is_server_ready()
    assert peer.is_model_ready("half_plus_two")
    assert peer.is_model_ready("half_plus_two", "3")
    assert not peer.is_model_ready("half_plus_two", "5")
    assert not peer.is_model_ready("other")
    about = peer.get_server_metadata()
    assert (about["name"], about["version"], about["extensions"]) == (
        "sftkeras",
        __version__,
        ["binary_tensor_data", "generate"],
    )
    assert peer.get_model_metadata("tiny") == {
        "name": "tiny",
        "versions": ["1"],
        "platform": "tensorflow_savedmodel",
        "inputs": [{"name": "text", "datatype": "BYTES", "shape": [-1]}],
        "outputs": [
            {"name": "length", "datatype": "FP32", "shape": [-1]},
            {"name": "shout", "datatype": "BYTES", "shape": [-1]},
        ],
    }
    assert peer.get_model_metadata("half_plus_two", "3")["versions"] == ["7", "3"]


def test_tritons_client_is_answered_in_json_and_in_binary_data(peer: triton.InferenceServerClient) -> None:
    texts = np.array([b"a", "早安".encode(), b""], object)
    outputs = [triton.InferRequestedOutput("shout", binary_data=False), triton.InferRequestedOutput("length")]
    answer = peer.infer("tiny", inputs_of(text=texts), request_id="9", outputs=outputs)
    assert (answer.get_response()["id"], answer.get_response()["model_version"]) == ("9", "1")
    assert answer.as_numpy("shout").tolist() == ["A", "早安", ""]
    np.testing.assert_array_equal(answer.as_numpy("length"), np.array([1, 6, 0], np.float32))
    x = np.array(BOTH, np.float32)
    np.testing.assert_array_equal(peer.infer("half_plus_two", inputs_of(x=x), "3").as_numpy("y"), x / 2 + 3)
    images = np.array([b"\xff\xd8", b"abc"], object)
    n = np.array([[1, 2], [-3, 0]], np.int64)
    several = peer.infer("half_plus_two", inputs_of(image=images, n=n), parameters={"signature_name": "several"})
    assert several.as_numpy("image_bytes").tolist() == images.tolist()
    assert several.as_numpy("positive").tolist() == [[True, True], [False, False]]
    with pytest.raises(InferenceServerException, match="Servable not found for request: Latest"):
        peer.infer("other", inputs_of(x=x))


def test_every_type_is_written(peer: triton.InferenceServerClient) -> None:
    number = np.array([0, 1], np.float32)
    answer = peer.infer("tiny", inputs_of(number=number), parameters={"signature_name": "types"})
    found = {output["name"]: output["datatype"] for output in answer.get_response()["outputs"]}
    assert found == {
        "float64": "FP64",
        "float16": "FP16",
        "bfloat16": "BF16",
        **{dtype.name: dtype.name.upper() for dtype in TYPES if "float" not in dtype.name},
    }
    for name in found.keys() - {"bfloat16"}:
        np.testing.assert_array_equal(answer.as_numpy(name).astype(np.float32), number)


@pytest.mark.parametrize(("data", "shape"), [(BOTH, [2, 2]), ([1.0, 2.0, 3, 4], [2, 2]), ([], [0, 2]), ([2.0], [])])
def test_values_come_nested_or_flat_and_go_flat(rest: Running, data: Any, shape: list[int]) -> None:
    more = {"parameters": {"content_type": "np"}}
    reply = rest.ask("POST", HALF + "/infer", {"id": "42", "inputs": [tensor("x", "FP32", shape, data, **more)]})
    assert (reply.status, reply.headers["Content-Type"]) == (200, "application/json")
    expected = (np.array(data).ravel() / 2 + 2).tolist()
    assert reply.json == {
        "model_name": "half_plus_two",
        "model_version": "7",
        "id": "42",
        "outputs": [tensor("y", "FP32", shape, expected)],
    }


def ask(**changes: Any) -> dict[str, Any]:
    return {"inputs": [tensor("x", "FP32", [1], [1.0]) | changes]}


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "Missing required parameter: 'inputs'."),
        ({"inputs": {}}, "Invalid type for 'inputs': expected an array of objects, but got an object instead."),
        (ask(datatype="FP8"), "Invalid value: 'FP8'. Supported values are: 'BOOL', 'UINT8'"),
        (ask(datatype="INT32"), "is not of expected type: int32"),
        (ask(datatype="FP64"), "Expects arg[0] to be float but double is provided"),
        (ask(datatype="FP16"), "input 'x': values of FP16 cannot be sent in JSON; send them as binary data"),
        (ask(shape=[2]), "input 'x': 1 values do not fill the shape [2]"),
        (ask(shape=[-1]), "Invalid type for 'inputs[0].shape': expected an array of sizes from 0 to"),
        (ask(shape=[1] * 65), "'inputs[0].shape' has 65 dimensions; at most 64 can be"),
        (ask(data=[[1.0], 2.0], shape=[2]), "JSON Value: [\n    1.0\n] Type: Array is not of expected type: float"),
        (ask(name="z"), "Signature input alias: x(feed name: serving_default_x:0) not found in request"),
        (ask(x=1), "Unknown parameter: 'inputs[0].x'."),
        ({"inputs": [*ask()["inputs"] * 2]}, "input 'x' is given twice"),
        (ask(parameters={"binary_data_size": 4}), "input 'x': its binary_data_size is 4, of which 0 bytes were sent"),
        ({**ask(), "outputs": [{"name": "z"}]}, "output tensor alias not found in signature: z"),
        ({**ask(), "parameters": {"priority": 1}}, "Unknown parameter: 'parameters.priority'."),
        ({**ask(), "parameters": {"signature_name": "no"}}, 'Serving signature key "no" not found.'),
        ({**ask(), "id": 3}, "Invalid type for 'id': expected a string, but got an integer instead."),
    ],
)
def test_wrong_requests_are_refused(rest: Running, body: Any, expected: str) -> None:
    reply = rest.ask("POST", HALF + "/infer", body)
    assert reply.status == 400
    assert expected in error_of(reply)


def binary(rest: Running, datatype: str, shape: list[int], data: bytes, **header: str) -> Reply:
    parameters = {"binary_data_size": len(data)}
    named = [{"name": "image", "datatype": datatype, "shape": shape, "parameters": parameters}]
    document = json.dumps({"inputs": named, "parameters": {"signature_name": "several"}}).encode()
    headers = {"Inference-Header-Content-Length": str(len(document)), **header}
    return rest.ask("POST", HALF + "/infer", document + data, headers)


@pytest.mark.parametrize(
    ("datatype", "shape", "data", "expected"),
    [
        ("BYTES", [1], b"\2\0\0\0a", "input 'image': its binary data ends within an element"),
        ("BYTES", [1], b"\1\0\0", "input 'image': its binary data ends within an element"),
        ("BYTES", [2], b"\1\0\0\0a", "input 'image': 1 elements of BYTES do not make 2"),
        ("INT64", [1], b"\0" * 9, "input 'image': 9 bytes of INT64 do not fill the shape [1]"),
        ("BOOL", [2], b"\0\2", "input 'image': a byte of BOOL is 0 or 1"),
    ],
)
def test_wrong_binary_data_is_refused(
    rest: Running, datatype: str, shape: list[int], data: bytes, expected: str
) -> None:
    assert error_of(binary(rest, datatype, shape, data)) == expected


def test_the_length_of_the_document_is_held_against_the_body(rest: Running) -> None:
    header = "Inference-Header-Content-Length"
    for length, expected in (("x", "must be a number of bytes"), ("9999", "more than the body's"), ("3", "JSON Parse")):
        reply = binary(rest, "BYTES", [1], b"\1\0\0\0a", **{header: length})
        assert (reply.status, expected in error_of(reply)) == (400, True)
    body = json.dumps(ask()).encode()
    reply = rest.ask("POST", HALF + "/infer", body + b"ab", {header: str(len(body))})
    assert error_of(reply) == "2 bytes of binary data belong to no input"


def test_what_json_cannot_hold_is_to_be_asked_for_as_binary_data(rest: Running) -> None:
    n = tensor("n", "INT64", [1, 2], [1, 2])
    image = tensor("image", "BYTES", [1], [{"b64": "/9g="}])
    body: dict[str, Any] = {"inputs": [image, n], "parameters": {"signature_name": "several"}}
    expected = "output 'image_bytes' holds bytes that are not UTF-8; ask for binary data"
    assert error_of(rest.ask("POST", HALF + "/infer", body)) == expected
    asked = [{"name": "image_bytes", "parameters": {"binary_data": True}}, {"name": "sum"}]
    reply = rest.ask("POST", HALF + "/infer", {**body, "outputs": asked})
    document, data = (int(reply.headers["Inference-Header-Content-Length"]), b"\2\0\0\0\xff\xd8")
    assert reply.headers["Content-Type"] == "application/octet-stream"
    assert reply.body[document:] == data
    bytes_out, sums = json.loads(reply.body[:document])["outputs"]
    assert bytes_out == {
        "name": "image_bytes",
        "datatype": "BYTES",
        "shape": [1],
        "parameters": {"binary_data_size": 6},
    }
    assert sums == tensor("sum", "INT64", [1], [3])


@pytest.mark.parametrize(
    ("method", "path", "status", "expected"),
    [
        ("GET", "/v2/health", 404, "Not Found: GET /v2/health"),
        ("POST", "/v2", 405, "Not allowed to POST on /v2; use GET"),
        ("GET", HALF + "/infer", 405, f"Not allowed to GET on {HALF}/infer; use POST"),
        ("GET", "/v2/models/other", 404, "Servable not found for request: Latest(other)"),
        ("GET", "/v2/models/other/ready", 404, "Servable not found for request: Latest(other)"),
        ("GET", HALF + "/versions/canary", 400, "Unrecognized servable version label: canary"),
        ("POST", HALF + "/generate", 400, "The model half_plus_two version 7 does not generate text"),
    ],
)
def test_other_calls_are_refused(rest: Running, method: str, path: str, status: int, expected: str) -> None:
    reply = rest.ask(method, path, PROMPT if method == "POST" else None)
    assert (reply.status, error_of(reply)) == (status, expected)


def test_a_model_that_is_not_loaded_is_not_ready(rest: Running) -> None:
    reply = rest.ask("GET", HALF + "/versions/5/ready")
    assert (reply.status, reply.json) == (503, {"name": "half_plus_two", "ready": False})


def test_probes_need_no_token_and_all_else_does(guarded: Running) -> None:
    assert guarded.ask("GET", "/v2/health/live").json == {"live": True}
    assert guarded.ask("GET", "/v2/health/ready").json == {"ready": True}
    for path in ("/v2", HALF, HALF + "/ready"):
        assert guarded.ask("GET", path).status == 401
    assert guarded.ask("GET", "/v2", headers={"Authorization": f"Bearer {SECRET}"}).status == 200


@pytest.mark.parametrize("body", [PROMPT, {**PROMPT, "parameters": DRAWN}, {**PROMPT, **DRAWN, "bad_words": ""}])
def test_texts_are_those_of_openais_route(rest: Running, body: dict[str, Any]) -> None:
    options = DRAWN if len(body) > 1 else {}
    asked = {"model": "writes", "prompt": PROMPT["text_input"], **options}
    [expected] = rest.ask("POST", "/v1/completions", asked).json["choices"]
    whole = rest.ask("POST", GENERATE, body)
    assert whole.json == {"model_name": "writes", "model_version": "1", "text_output": expected["text"]}
    reply = rest.ask("POST", STREAM, body)
    assert reply.headers["Content-Type"] == "text/event-stream; charset=utf-8"
    events = [json.loads(event) for event in events_of(reply)]
    assert "".join(event["text_output"] for event in events) == expected["text"]
    assert {(event["model_name"], event["model_version"]) for event in events} == {("writes", "1")}


def test_details_have_the_tokens_and_the_reason_of_the_end(rest: Running) -> None:
    asked = {"model": "writes", "prompt": PROMPT["text_input"], "logprobs": 0, **DRAWN}
    [expected] = rest.ask("POST", "/v1/completions", asked).json["choices"]
    body = {**PROMPT, "parameters": {**DRAWN, "details": True}}
    answer = rest.ask("POST", GENERATE, body).json
    reason = {"stop": "eos_token", "length": "length"}[expected["finish_reason"]]
    assert answer["details"]["finish_reason"] == reason
    scores = [token["logprob"] for token in answer["details"]["logprobs"]]
    assert scores == pytest.approx(expected["logprobs"]["token_logprobs"][: len(scores)])
    events = [json.loads(event) for event in events_of(rest.ask("POST", STREAM, body))]
    assert "".join(event["text_output"] for event in events) == answer["text_output"]
    tokens = [event["details"]["token"] for event in events if event["details"]["token"]]
    assert tokens[: len(scores)] == answer["details"]["logprobs"]
    assert [event["details"]["finish_reason"] for event in events] == [None] * (len(events) - 1) + [reason]
    stop = answer["text_output"][4:6]
    cut = rest.ask("POST", GENERATE, {**PROMPT, "parameters": {**DRAWN, "details": True, "stop": [stop]}}).json
    assert cut["details"]["finish_reason"] == "stop_sequence"
    assert cut["text_output"] == answer["text_output"][: answer["text_output"].index(stop)]


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({}, "Missing required parameter: 'text_input'."),
        ({"text_input": 3}, "Invalid type for 'text_input': expected a string, but got an integer instead."),
        ({**PROMPT, "parameters": 3}, "Invalid type for 'parameters': expected an object, but got an integer instead."),
        ({**PROMPT, "temperature": 5}, "Invalid 'temperature': decimal above maximum value."),
        ({**PROMPT, "parameters": {"top_q": 1}}, "Unknown parameter: 'top_q'."),
        ({**PROMPT, "seed": 1, "parameters": {"seed": 1}}, "'seed' is given twice, beside 'parameters' and in it"),
        ({**PROMPT, "stream": True}, "'stream' can only be false here; ask /generate or /generate_stream"),
        ({**PROMPT, "exclude_input_in_output": False}, "the prompt is never part of text_output"),
        ({**PROMPT, "bad_words": "no"}, "Unsupported parameter: 'bad_words' is not supported by this server."),
        ({"text_input": "a" * 100_000}, "The prompt is longer than"),
    ],
)
def test_wrong_requests_for_texts_are_refused(rest: Running, body: Any, expected: str) -> None:
    reply = rest.ask("POST", GENERATE, body)
    assert reply.status == 400
    assert expected in error_of(reply)
    if "stream" not in body:
        assert expected in error_of(rest.ask("POST", STREAM, body))


def test_metrics_count_these_calls(rest: Running) -> None:
    rest.ask("POST", HALF + "/infer", ask())
    rest.ask("POST", GENERATE, PROMPT)
    page = rest.metrics.page().decode()
    for api, model in (("infer", "half_plus_two"), ("generate", "writes")):
        assert f'API="{api}",entrypoint="REST",model_name="{model}"' in page
