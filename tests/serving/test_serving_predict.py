"""Predict and GetModelMetadata through a real channel: answers, and the C++ server's words for what is wrong."""

from __future__ import annotations

from typing import Any

import grpc
import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.framework.tensor_pb2 import TensorProto
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest, SignatureDefMap
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tiny_served import MODEL, TYPES, RunningServer, model_spec, predict_request, refusal

from sftkeras.serving.batching_parameters import BatchingParameters
from sftkeras.serving.grpc_server import GrpcOptions

INVALID, NOT_FOUND = grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND


def refused(server: RunningServer, request: PredictRequest) -> tuple[grpc.StatusCode, str]:
    return refusal(lambda: server.prediction.Predict(request, timeout=300))


def test_answers_come_as_typed_values_and_say_who_answered(server: RunningServer) -> None:
    response = server.predict("good", "très")
    assert response.model_spec == model_spec(signature="serving_default", version=1)
    assert list(response.outputs["length"].float_val) == [4, 5]
    assert list(response.outputs["shout"].string_val) == [b"GOOD", "TRèS".encode()]
    assert not response.outputs["length"].tensor_content
    assert [size.size for size in response.outputs["length"].tensor_shape.dim] == [2]


def test_every_type_comes_in_the_field_that_tensorflow_reads(server: RunningServer) -> None:
    given = [0.0, 1.0, 100.0]
    response = server.prediction.Predict(predict_request({"number": given}, signature="types"))
    for dtype in TYPES:
        proto = response.outputs[dtype.name]
        assert not proto.tensor_content
        np.testing.assert_array_equal(tf.make_ndarray(proto), tf.cast(given, dtype).numpy())


def test_numbers_come_as_raw_bytes_where_that_is_asked_for(models: Any) -> None:
    with RunningServer(models, grpc_options=GrpcOptions(port=0, tensor_content=True)) as server:
        response = server.predict("good", "bad")
    assert np.frombuffer(response.outputs["length"].tensor_content, np.float32).tolist() == [5, 4]
    assert list(response.outputs["shout"].string_val) == [b"GOOD", b"BAD"]


def test_the_output_filter_chooses(server: RunningServer) -> None:
    request = predict_request({"text": ["a"]}, outputs=("shout",))
    assert set(server.prediction.Predict(request).outputs) == {"shout"}


def test_a_run_without_rows_is_answered_too(server: RunningServer) -> None:
    response = server.prediction.Predict(predict_request({"number": 4.0}, signature="single", dtype=tf.float32))
    assert tf.make_ndarray(response.outputs["double"]) == 8


def test_no_rows_give_no_answers(server: RunningServer) -> None:
    request = predict_request({"text": np.empty(0, object)}, dtype=tf.string)
    assert tf.make_ndarray(server.prediction.Predict(request).outputs["length"]).shape == (0,)


def test_a_request_larger_than_a_batch_comes_back_in_order(server: RunningServer) -> None:
    texts = ["x" * number for number in range(100)]
    assert list(server.predict(*texts).outputs["length"].float_val) == list(range(100))


def test_rows_that_only_the_model_can_fill_up_come_as_it_fills_them_up(server: RunningServer) -> None:
    texts = ["one", "two words", "now three words"] * 7
    response = server.prediction.Predict(predict_request({"text": texts}, signature="words"))
    rows = [["one", "(none)", "(none)"], ["two", "words", "(none)"], ["now", "three", "words"]] * 7
    assert tf.make_ndarray(response.outputs["words"]).astype(str).tolist() == rows


@pytest.mark.parametrize(
    ("spec", "code", "message"),
    [
        ({"name": "other"}, NOT_FOUND, "Servable not found for request: Latest(other)"),
        ({"version": 3}, NOT_FOUND, f"Servable not found for request: Specific({MODEL}, 3)"),
        ({"label": "canary"}, INVALID, "Unrecognized servable version label: canary"),
        ({"name": ""}, INVALID, "ModelSpec has no name specified."),
        (
            {"signature": "wrong"},
            grpc.StatusCode.FAILED_PRECONDITION,
            'Serving signature key "wrong" not found.',
        ),
    ],
)
def test_what_is_not_there_is_named(
    server: RunningServer, spec: dict[str, Any], code: grpc.StatusCode, message: str
) -> None:
    assert refused(server, predict_request({"text": ["a"]}, **spec)) == (code, message)


def test_a_request_without_a_model_is_refused(server: RunningServer) -> None:
    assert refused(server, PredictRequest()) == (INVALID, "Missing ModelSpec")


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        (
            predict_request({}),
            "input size does not match signature: 0!=1 len({}) != len({text}). Sent extra: {}. "
            "Missing but required: {text}.",
        ),
        (
            predict_request({"text": ["a"], "pair": ["b"]}),
            "input size does not match signature: 2!=1 len({pair,text}) != len({text}). Sent extra: {pair}. "
            "Missing but required: {}.",
        ),
        (
            predict_request({"txt": ["a"]}),
            "Signature input alias: text(feed name: text:0) not found in request and no default value provided. Inputs "
            "expected to be in the request {txt}, or default input alias set: ",
        ),
        (predict_request({"text": [1.0]}), "Expects arg[0] to be string but float is provided"),
        (predict_request({"text": [["a"]]}), 'input "text" has shape [1,1], but the signature takes [?]'),
        (
            predict_request({"text": ["a"]}, outputs=("label",)),
            "output tensor alias not found in signature: label Outputs expected to be in the set {length,shout}.",
        ),
        (predict_request({"text": ["a"]}, outputs=("shout", "shout")), "duplicate output tensor alias: shout"),
    ],
)
def test_inputs_that_do_not_fit_are_named(server: RunningServer, request_: PredictRequest, message: str) -> None:
    assert refused(server, request_) == (INVALID, message)


def test_a_broken_tensor_is_refused(server: RunningServer) -> None:
    request = predict_request({"text": ["a"]})
    request.inputs["text"].CopyFrom(TensorProto(dtype=tf.string.as_datatype_enum))
    request.inputs["text"].tensor_shape.dim.add().size = 10**12
    code, message = refused(server, request)
    assert code == INVALID
    assert message.startswith("tensor parsing error: text")


def test_a_request_that_is_no_protobuf_is_refused(server: RunningServer) -> None:
    call = server.channel.unary_unary("/tensorflow.serving.PredictionService/Predict")
    assert refusal(lambda: call(b"\xff\xff\xff")) == (grpc.StatusCode.INTERNAL, "Error parsing request proto")


def test_a_failing_operation_gives_its_status_and_message(server: RunningServer) -> None:
    code, message = refusal(lambda: server.predict("boom"))
    assert code == INVALID
    assert message.startswith("assertion failed: [a text says boom]")


def test_a_deadline_is_kept(server: RunningServer) -> None:
    request = predict_request({"steps": [1_000]}, dtype=tf.int32, signature="slow")
    assert refusal(lambda: server.prediction.Predict(request, timeout=0.2))[0] == grpc.StatusCode.DEADLINE_EXCEEDED


def test_metadata_has_the_signatures(server: RunningServer) -> None:
    request = GetModelMetadataRequest(model_spec=model_spec(), metadata_field=["signature_def"])
    response = server.prediction.GetModelMetadata(request)
    assert response.model_spec == model_spec(version=1)
    signatures = SignatureDefMap()
    assert response.metadata["signature_def"].Unpack(signatures)
    assert signatures.signature_def["serving_default"].inputs["text"].dtype == tf.string.as_datatype_enum


def test_metadata_of_another_kind_is_refused(server: RunningServer) -> None:
    for fields, message in (
        ([], "GetModelMetadataRequest must specify at least one metadata_field"),
        (["weights"], "Metadata field weights is not supported"),
    ):
        request = GetModelMetadataRequest(model_spec=model_spec(), metadata_field=fields)
        assert refusal(lambda request=request: server.prediction.GetModelMetadata(request)) == (INVALID, message)


def test_what_is_too_much_is_refused_and_the_server_goes_on(models: Any) -> None:
    with RunningServer(models, grpc_options=GrpcOptions(port=0, max_message_bytes=10_000)) as server:
        code, message = refusal(lambda: server.predict("x" * 15_000))
        assert code == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert message.endswith("bytes; --max_request_bytes is 10000")
        assert refusal(lambda: server.predict("x" * 30_000))[0] == grpc.StatusCode.RESOURCE_EXHAUSTED
        assert refusal(lambda: server.predict(*["x"] * 1025)) == (
            INVALID,
            "Task size 1025 is larger than maximum input batch size 1024",
        )
        assert list(server.predict("abc").outputs["length"].float_val) == [4]


def slow(steps: int) -> PredictRequest:
    return predict_request({"steps": [steps]}, dtype=tf.int32, signature="slow")


def test_more_requests_than_are_worked_on_at_once_are_refused(models: Any) -> None:
    with RunningServer(models, grpc_options=GrpcOptions(port=0, max_requests=2)) as server:
        calls = [server.prediction.Predict.future(slow(200), timeout=300) for _ in range(8)]
        outcomes = {(call.code(), call.details()) for call in calls}
        refused = (grpc.StatusCode.RESOURCE_EXHAUSTED, "more than 2 requests at once")
        assert outcomes == {(grpc.StatusCode.OK, ""), refused}
        assert list(server.predict("abc").outputs["length"].float_val) == [4]


def test_a_full_queue_refuses(models: Any) -> None:
    small = BatchingParameters(num_batch_threads=1, max_execution_batch_size=1, max_enqueued_batches=2)
    with RunningServer(models, batching=small) as server:
        calls = [server.prediction.Predict.future(slow(100), timeout=300) for _ in range(8)]
        codes = [call.code() for call in calls]
        assert set(codes) == {grpc.StatusCode.OK, grpc.StatusCode.RESOURCE_EXHAUSTED}
        assert list(server.predict("abc").outputs["length"].float_val) == [4]


def test_a_request_without_a_deadline_gets_the_servers(models: Any) -> None:
    with RunningServer(models, request_seconds=0.2) as server:
        assert refusal(lambda: server.prediction.Predict(slow(1000)))[0] == grpc.StatusCode.DEADLINE_EXCEEDED


def test_one_bad_request_among_many_fails_alone(server: RunningServer) -> None:
    texts = ["boom" if number % 10 == 3 else f"text {number}" for number in range(60)]
    calls = [server.prediction.Predict.future(predict_request({"text": [text]}), timeout=300) for text in texts]
    for text, call in zip(texts, calls, strict=True):
        if text == "boom":
            assert call.code() == INVALID
        else:
            assert list(call.result().outputs["length"].float_val) == [len(text)]
