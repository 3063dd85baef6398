"""Hostile bytes over gRPC: each gets a status of its own, and the server answers on. The REST side has its own test."""

from __future__ import annotations

import os
import random

import grpc
import psutil
import tensorflow as tf
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.get_model_metadata_pb2 import GetModelMetadataRequest
from tensorflow_serving.apis.inference_pb2 import InferenceTask, MultiInferenceRequest
from tensorflow_serving.apis.model_management_pb2 import ReloadConfigRequest
from tensorflow_serving.apis.regression_pb2 import RegressionRequest
from test_serving_examples import examples
from tiny_served import RunningServer, model_spec, predict_request

ROUNDS = int(os.environ.get("SFTKERAS_FUZZ", "1500"))  # 25000 takes about a minute

PREDICTION, MODEL = "/tensorflow.serving.PredictionService/", "/tensorflow.serving.ModelService/"
TASK = InferenceTask(model_spec=model_spec(signature="classify"), method_name=tf.saved_model.CLASSIFY_METHOD_NAME)
VALID = {
    f"{PREDICTION}Predict": [
        predict_request({"text": ["abc", "déjà-vu"]}),
        predict_request({"matrix": [[1.0, 2.0], [3.0, 4.0]]}, signature="numbers"),
        predict_request({"number": [1.0]}, signature="types", outputs=("int64", "bool")),
        predict_request({"number": 1.0}, signature="single", dtype=tf.float32),
    ],
    f"{PREDICTION}Classify": [
        ClassificationRequest(model_spec=model_spec(signature="classify", version=1), input=examples("a", "b"))
    ],
    f"{PREDICTION}Regress": [
        RegressionRequest(model_spec=model_spec(signature="regress", label="x"), input=examples("a"))
    ],
    f"{PREDICTION}MultiInference": [MultiInferenceRequest(tasks=[TASK], input=examples("a"))],
    f"{PREDICTION}GetModelMetadata": [
        GetModelMetadataRequest(model_spec=model_spec(), metadata_field=["signature_def"])
    ],
    f"{MODEL}GetModelStatus": [GetModelMetadataRequest(model_spec=model_spec())],
    # Not a reload that could succeed: that would take the model away.
    f"{MODEL}HandleReloadConfigRequest": [ReloadConfigRequest()],
}
# What a server that is well may say to a caller that is not.
EXPECTED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.UNIMPLEMENTED,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
}


def mutated(content: bytes, dice: random.Random) -> bytes:
    """Some bytes changed, removed, repeated or put in."""
    changed = bytearray(content)
    for _ in range(dice.choice((1, 1, 2, 5, 20))):
        place = dice.randrange(len(changed) + 1)
        match dice.randrange(5):
            case 0:
                changed[place : place + 1] = bytes([dice.randrange(256)])
            case 1:
                del changed[place : place + dice.randrange(1, 9)]
            case 2:
                changed[place:place] = dice.randbytes(dice.randrange(1, 9))
            case 3:
                changed[place:place] = changed[: dice.randrange(len(changed) + 1)]
            case 4:
                changed[place : place + 5] = b"\xff\xff\xff\xff\x0f"
    return bytes(changed)


def test_hostile_bytes_get_a_status_and_change_nothing(server: RunningServer) -> None:
    dice = random.Random(7)
    calls = {method: server.channel.unary_unary(method) for method in VALID}
    memory = []
    for number in range(ROUNDS):
        method = dice.choice(list(VALID))
        content = mutated(dice.choice(VALID[method]).SerializeToString(), dice)
        call = calls[method].future(content, timeout=20)
        code = call.code()
        is_unreadable = code == grpc.StatusCode.INTERNAL and call.details() == "Error parsing request proto"
        assert code in EXPECTED or is_unreadable, (method, content, code, call.details())
        if number % 100 == 0:
            assert list(server.predict("abc").outputs["length"].float_val) == [3]
            memory.append(psutil.Process().memory_info().rss)
    later = memory[len(memory) // 2 :]
    assert max(later) - min(later) < 50e6
