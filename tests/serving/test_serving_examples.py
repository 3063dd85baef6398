"""Classify, Regress and MultiInference through a real channel."""

from __future__ import annotations

import grpc
import pytest
import tensorflow as tf
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest, ClassificationResponse
from tensorflow_serving.apis.inference_pb2 import InferenceTask, MultiInferenceRequest
from tensorflow_serving.apis.input_pb2 import ExampleList, ExampleListWithContext, Input
from tensorflow_serving.apis.regression_pb2 import RegressionRequest
from tiny_served import RunningServer, model_spec, refusal

INVALID = grpc.StatusCode.INVALID_ARGUMENT
CLASSIFY, REGRESS = tf.saved_model.CLASSIFY_METHOD_NAME, tf.saved_model.REGRESS_METHOD_NAME


def example(**texts: str) -> tf.train.Example:
    features = {
        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[it.encode()])) for name, it in texts.items()
    }
    return tf.train.Example(features=tf.train.Features(feature=features))


def examples(*texts: str) -> Input:
    return Input(example_list=ExampleList(examples=[example(text=text) for text in texts]))


def classes(response: ClassificationResponse) -> list[list[tuple[str, float]]]:
    return [[(it.label, it.score) for it in row.classes] for row in response.result.classifications]


def test_classify_gives_labels_with_scores(server: RunningServer) -> None:
    request = ClassificationRequest(model_spec=model_spec(signature="classify"), input=examples("abc", "a"))
    response = server.prediction.Classify(request)
    assert classes(response) == [[("short", 0.25), ("long", 0.75)], [("short", 0.5), ("long", 0.5)]]
    assert response.model_spec == model_spec(signature="classify", version=1)


def test_regress_gives_a_number_each(server: RunningServer) -> None:
    request = RegressionRequest(model_spec=model_spec(signature="regress"), input=examples("abc", "a"))
    assert [it.value for it in server.prediction.Regress(request).result.regressions] == [3, 1]


def test_a_context_is_part_of_every_example(server: RunningServer) -> None:
    listed = ExampleListWithContext(context=example(text="of all"), examples=[example(), example(text="own")])
    request = RegressionRequest(
        model_spec=model_spec(signature="regress"), input=Input(example_list_with_context=listed)
    )
    assert [it.value for it in server.prediction.Regress(request).result.regressions] == [6, 3]


def test_several_heads_answer_one_input(server: RunningServer) -> None:
    tasks = [
        InferenceTask(model_spec=model_spec(signature="classify"), method_name=CLASSIFY),
        InferenceTask(model_spec=model_spec(signature="regress"), method_name=REGRESS),
    ]
    response = server.prediction.MultiInference(MultiInferenceRequest(tasks=tasks, input=examples("abc")))
    first, second = response.results
    assert [it.label for it in first.classification_result.classifications[0].classes] == ["short", "long"]
    assert [it.value for it in second.regression_result.regressions] == [3]
    assert second.model_spec == model_spec(signature="regress", version=1)


@pytest.mark.parametrize(
    ("signature", "message"),
    [
        ("none", "No signature was found with the name: none"),
        ("", f"Expected classification signature method_name to be {CLASSIFY}. Was: tensorflow/serving/predict"),
        ("regress", f"Expected classification signature method_name to be {CLASSIFY}. Was: {REGRESS}"),
    ],
)
def test_a_signature_of_another_kind_is_named(server: RunningServer, signature: str, message: str) -> None:
    request = ClassificationRequest(model_spec=model_spec(signature=signature), input=examples("a"))
    assert refusal(lambda: server.prediction.Classify(request)) == (INVALID, message)


def test_no_examples_are_refused(server: RunningServer) -> None:
    request = ClassificationRequest(model_spec=model_spec(signature="classify"))
    assert refusal(lambda: server.prediction.Classify(request)) == (INVALID, "Input is empty.")


def test_an_example_without_the_feature_is_named(server: RunningServer) -> None:
    bad = Input(example_list=ExampleList(examples=[example(other="a")]))
    request = RegressionRequest(model_spec=model_spec(signature="regress"), input=bad)
    code, message = refusal(lambda: server.prediction.Regress(request))
    assert code == INVALID
    assert "Feature: text (data type: string) is required but could not be found." in message


@pytest.mark.parametrize(
    ("tasks", "message"),
    [
        ([], "ModelSpec has no name specified."),
        ([("classify", CLASSIFY)] * 2, "Duplicate evaluation of signature: classify"),
        ([("none", CLASSIFY)], "Requested signature not found in model graph: none"),
    ],
)
def test_tasks_that_do_not_fit_are_named(server: RunningServer, tasks: list[tuple[str, str]], message: str) -> None:
    request = MultiInferenceRequest(
        tasks=[InferenceTask(model_spec=model_spec(signature=name), method_name=method) for name, method in tasks],
        input=examples("a"),
    )
    assert refusal(lambda: server.prediction.MultiInference(request)) == (INVALID, message)


def test_tasks_of_two_models_are_refused(server: RunningServer) -> None:
    specs = [model_spec(signature="classify"), model_spec("other", signature="regress")]
    tasks = [InferenceTask(model_spec=spec, method_name=CLASSIFY) for spec in specs]
    request = MultiInferenceRequest(tasks=tasks, input=examples("a"))
    message = "All ModelSpecs in a MultiInferenceRequest must access the same model name."
    assert refusal(lambda: server.prediction.MultiInference(request)) == (INVALID, message)


def test_a_method_of_another_kind_is_refused(server: RunningServer) -> None:
    task = InferenceTask(model_spec=model_spec(signature="classify"), method_name="tensorflow/serving/predict")
    request = MultiInferenceRequest(tasks=[task], input=examples("a"))
    assert refusal(lambda: server.prediction.MultiInference(request)) == (
        grpc.StatusCode.UNIMPLEMENTED,
        "Unsupported signature method_name: tensorflow/serving/predict",
    )
