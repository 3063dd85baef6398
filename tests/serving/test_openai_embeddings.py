"""OpenAI's list of models and embeddings, through the official client, by a real export of a similarity model."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import openai
import pytest
import tensorflow as tf
from half_plus_two import write_half_plus_two
from openai_calls import client_of, error_of
from rest_client import Running, serving
from tiny_vectors import MAX_LENGTH, export_tiny_vectors

from sftkeras.backbones import load_backbone
from sftkeras.serving.engine import Engine
from sftkeras.serving.predicting import predict_run
from sftkeras.serving.security import Token

if TYPE_CHECKING:
    from conftest import Once

TEXTS = ["a warm film", "zwei Filme", "", "电影 🎬"]
EMBEDDINGS = "/v1/embeddings"


@pytest.fixture(scope="module")
def models(once: Once, tiny_bert_folder: Path) -> Path:
    def make(folder: Path) -> None:
        export_tiny_vectors(tiny_bert_folder, folder / "faq")
        write_half_plus_two(folder / "half_plus_two" / "1")

    return once("openai-vectors", make)


@pytest.fixture(scope="module")
def rest(models: Path) -> Iterator[Running]:
    with serving(models) as it:
        yield it


@pytest.fixture(scope="module")
def vectors(models: Path) -> np.ndarray:
    """What the export itself makes of TEXTS."""
    engine = Engine(models / "faq" / "1")
    texts = np.array([text.encode() for text in TEXTS], object)
    run, outputs = predict_run(engine.signatures, "", {"text": texts}, ["vector"])
    found = dict(zip(run.call.fetches, engine.run(run.call, run.arrays), strict=True))[outputs["vector"]]
    engine.close()
    return found


@pytest.fixture(scope="module")
def tokens(tiny_bert_folder: Path) -> int:
    """How many tokens TEXTS have, with the two special ones of each."""
    rows = load_backbone(tiny_bert_folder, max_length=MAX_LENGTH).tokenizer(tf.constant(TEXTS))
    return int(tf.reduce_sum(rows.row_lengths() + 2))


def test_models_that_can_be_asked_are_listed(client: openai.OpenAI, models: Path) -> None:
    [model] = client.models.list()
    created = json.loads((models / "faq" / "1" / "contract.json").read_text())["created"]
    assert (model.id, model.object, model.owned_by) == ("faq", "model", "sftkeras")
    assert str(np.datetime64(model.created, "s")) == created[:19]


def test_one_model_is_described_where_tensorflow_servings_status_is_not(rest: Running, client: openai.OpenAI) -> None:
    assert rest.ask("GET", "/v1/models/faq").json["model_version_status"][0]["state"] == "AVAILABLE"
    with client_of(rest, path="/openai/v1") as elsewhere:
        assert elsewhere.models.retrieve("faq") == next(iter(client.models.list()))
        assert elsewhere.models.retrieve("faq/versions/1").id == "faq/versions/1"
        for other in ("half_plus_two", "nothing", "faq/versions/2", "faq/versions/99999999999999999999"):
            with pytest.raises(openai.NotFoundError, match=r"does not exist.*GET /v1/models"):
                elsewhere.models.retrieve(other)


@pytest.mark.parametrize("encoding", [{}, {"encoding_format": "float"}, {"encoding_format": "base64"}])
def test_vectors_are_those_of_the_export(
    client: openai.OpenAI, vectors: np.ndarray, tokens: int, encoding: Any
) -> None:
    answer = client.embeddings.create(model="faq", input=TEXTS, **encoding)
    assert (answer.object, answer.model) == ("list", "faq")
    assert [one.index for one in answer.data] == [0, 1, 2, 3]
    assert (answer.usage.prompt_tokens, answer.usage.total_tokens) == (tokens, tokens)
    found = [one.embedding for one in answer.data]
    if encoding.get("encoding_format") == "base64":  # the client leaves decoding to who asks for it
        found = [np.frombuffer(base64.b64decode(one), "<f4") for one in found]
    np.testing.assert_allclose(found, vectors, atol=1e-6)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, atol=1e-6)


def test_one_text_and_a_version_by_number(client: openai.OpenAI, vectors: np.ndarray) -> None:
    answer = client.embeddings.create(model="faq/versions/1", input=TEXTS[0], dimensions=vectors.shape[1], user="me")
    np.testing.assert_allclose(answer.data[0].embedding, vectors[0], atol=1e-6)


def test_more_texts_than_a_batch_are_answered_in_order(client: openai.OpenAI, vectors: np.ndarray) -> None:
    answer = client.embeddings.create(model="faq", input=TEXTS * 10)
    np.testing.assert_allclose([one.embedding for one in answer.data], np.tile(vectors, (10, 1)), atol=1e-6)


@pytest.mark.parametrize(
    ("change", "param", "code", "message"),
    [
        ({"model": None}, "model", "missing_required_parameter", "Missing required parameter: 'model'."),
        ({"model": 3}, "model", "invalid_type", "expected a string, but got an integer"),
        ({"model": ""}, "model", "empty_string", "minimum length 1"),
        ({"input": None}, "input", "missing_required_parameter", "'input'"),
        ({"input": []}, "input", "empty_array", "empty array"),
        ({"input": {"a": 1}}, "input", "invalid_type", "a string or an array of strings, but got an object"),
        ({"input": ["a", None]}, "input[1]", "invalid_type", "expected a string, but got null"),
        ({"input": [1, 2]}, "input", "unsupported_value", "check_embedding_ctx_length=False"),
        ({"input": [[1], [2]]}, "input", "unsupported_value", "token numbers"),
        ({"encoding_format": "hex"}, "encoding_format", "invalid_value", "Supported values are: 'float', 'base64'."),
        ({"dimensions": 0}, "dimensions", "integer_below_min_value", ">= 1"),
        ({"dimensions": 1.0}, "dimensions", "invalid_type", "expected an integer, but got a decimal"),
        ({"dimensions": True}, "dimensions", "invalid_type", "got a boolean"),
        ({"dimensions": 3}, "dimensions", "unsupported_value", "a part of them is no vector"),
        ({"colour": "red"}, "colour", "unknown_parameter", "Unknown parameter: 'colour'."),
        ({"model": "half_plus_two"}, "model", "unsupported_model", "makes no vectors"),
    ],
)
def test_a_wrong_argument_is_named(rest: Running, change: Any, param: str, code: str, message: str) -> None:
    error = error_of(rest.ask("POST", EMBEDDINGS, {"model": "faq", "input": "a", **change}), 400)
    assert (error["type"], error["param"], error["code"]) == ("invalid_request_error", param, code)
    assert message in error["message"]


@pytest.mark.parametrize("model", ["no such", "faq/versions/2", "faq/labels/canary", "faq/versions/" + "9" * 30, "/"])
def test_a_model_that_is_not_there_is_not_found(rest: Running, model: str) -> None:
    error = error_of(rest.ask("POST", EMBEDDINGS, {"model": model, "input": "a"}), 404)
    assert (error["param"], error["code"]) == ("model", "model_not_found")


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", EMBEDDINGS, 405, None),
        ("DELETE", "/openai/v1/models", 405, None),
        ("POST", "/openai/v1/models/faq", 405, None),
        ("GET", "/openai/v1/assistants", 404, "unknown_url"),
        ("GET", "/openai/v1/models/%ff", 404, "model_not_found"),
    ],
)
def test_other_methods_and_paths_are_refused(rest: Running, method: str, path: str, status: int, code: Any) -> None:
    assert error_of(rest.ask(method, path, b"{}" if method == "POST" else None), status)["code"] == code


@pytest.mark.parametrize("body", [b"", b"[]", b'{"model": "faq", "input": "\xff"}', b'{"model": 1, "model": 2}', b"{"])
def test_a_body_that_is_no_object_is_refused(rest: Running, body: bytes) -> None:
    assert error_of(rest.ask("POST", EMBEDDINGS, body), 400)["type"] == "invalid_request_error"


def test_a_body_that_is_too_large_is_refused(models: Path) -> None:
    with serving(models, max_body_bytes=1000) as it:
        error = error_of(it.ask("POST", EMBEDDINGS, {"model": "faq", "input": "a" * 2000}), 413)
    assert "--max_request_bytes, which is 1000" in error["message"]


def test_the_token_is_the_api_key(models: Path, tmp_path: Path) -> None:
    secret = "a-secret-of-some-length"
    (tmp_path / "token").write_text(secret)
    with serving(models, token=Token(tmp_path / "token")) as it:
        with client_of(it, api_key=secret) as right:
            assert [model.id for model in right.models.list()] == ["faq"]
        with client_of(it, api_key="another") as wrong, pytest.raises(openai.AuthenticationError) as refused:
            wrong.embeddings.create(model="faq", input="a")
    assert (refused.value.code, refused.value.type) == ("invalid_api_key", "invalid_request_error")


def test_calls_show_in_the_metrics(rest: Running, client: openai.OpenAI) -> None:
    client.embeddings.create(model="faq", input="a")
    page = rest.metrics.page().decode()
    assert ':tensorflow:serving:request_latency_count{API="embeddings",entrypoint="REST",model_name="faq"}' in page
