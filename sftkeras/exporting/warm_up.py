"""Requests that TensorFlow Serving replays when it loads a version, so that the first user does not wait."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

import tensorflow as tf
from tensorflow_serving.apis.classification_pb2 import ClassificationRequest
from tensorflow_serving.apis.input_pb2 import ExampleList, Input
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.predict_pb2 import PredictRequest
from tensorflow_serving.apis.prediction_log_pb2 import ClassifyLog, PredictionLog, PredictLog, RegressLog
from tensorflow_serving.apis.regression_pb2 import RegressionRequest

from sftkeras.exporting.parity import Samples
from sftkeras.tasks.generating import Generating

FILE = Path("assets.extra", "tf_serving_warmup_requests")

_SENTENCE = "Warm-up: a sentence of ordinary length, as users write them. "
_BATCHES = (
    (_SENTENCE,),
    (_SENTENCE,) * 8,
    (_SENTENCE * 40,),  # as long as the model takes
)


def write_warm_up(version: Path, model_name: str, signatures: Iterable[str], *, pairs: bool) -> None:
    """Writes requests to each of `signatures` that takes texts, in batches of several sizes and lengths."""
    path = version / FILE
    path.parent.mkdir(exist_ok=True)
    with tf.io.TFRecordWriter(str(path)) as writer:
        for texts in _BATCHES:
            samples = Samples(texts, texts if pairs else None)
            for signature in signatures:
                if log := _log(ModelSpec(name=model_name, signature_name=signature), samples):
                    writer.write(log.SerializeToString(deterministic=True))


def write_generating_warm_up(version: Path, model_name: str, generating: Generating) -> None:
    """Writes requests to a model that generates, each for two tokens. All inputs are given: no server asks for more."""
    path = version / FILE
    path.parent.mkdir(exist_ok=True)
    signature = generating.signatures["generate"]
    with tf.io.TFRecordWriter(str(path)) as writer:
        for texts in _BATCHES:
            values = {**signature.defaults, "text": texts, "max_new_tokens": [2]}
            inputs = {
                name: tf.make_tensor_proto(
                    tf.constant([values[name][0]] * len(texts) if name != "text" else texts, spec.dtype)
                )
                for name, spec in signature.inputs.items()
            }
            request = PredictRequest(model_spec=ModelSpec(name=model_name, signature_name="generate"), inputs=inputs)
            log = PredictionLog(predict_log=PredictLog(request=request))
            writer.write(log.SerializeToString(deterministic=True))


def _log(spec: ModelSpec, samples: Samples) -> PredictionLog | None:
    examples = Input(example_list=ExampleList(examples=samples.examples()))
    if spec.signature_name == "serving_default":
        inputs = {name: tf.make_tensor_proto(texts) for name, texts in samples.inputs().items()}
        return PredictionLog(predict_log=PredictLog(request=PredictRequest(model_spec=spec, inputs=inputs)))
    if spec.signature_name == "classify":
        classification = ClassificationRequest(model_spec=spec, input=examples)
        return PredictionLog(classify_log=ClassifyLog(request=classification))
    if spec.signature_name == "regress":
        regression = RegressionRequest(model_spec=spec, input=examples)
        return PredictionLog(regress_log=RegressLog(request=regression))
    return None
