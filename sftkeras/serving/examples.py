"""Classify, Regress and MultiInference: from tf.Examples to the run they need, and from its tensors to their results.

Rules, statuses and messages are those of TensorFlow Serving's C++ server: util.cc, classifier.cc, regressor.cc and
multi_inference.cc in the folder tensorflow_serving/servables/tensorflow of the repository tensorflow/serving.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import tensorflow as tf
from grpc import StatusCode
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo
from tensorflow_serving.apis.classification_pb2 import Class, ClassificationResult, Classifications
from tensorflow_serving.apis.inference_pb2 import InferenceTask
from tensorflow_serving.apis.input_pb2 import Input
from tensorflow_serving.apis.regression_pb2 import Regression, RegressionResult

from sftkeras.serving.errors import ServingError, failed_precondition, invalid
from sftkeras.serving.runs import (
    DEFAULT_SIGNATURE,
    EngineRun,
    Signatures,
    check_tensor,
    dtype_of,
    enum_name,
    make_run,
    shown,
)

_CLASSIFY, _REGRESS = tf.saved_model.CLASSIFY_METHOD_NAME, tf.saved_model.REGRESS_METHOD_NAME


@dataclass(frozen=True)
class ExampleSignature:
    """A signature that answers tf.Examples.

    Attributes:
        input: the tensor of serialized examples, [rows].
        outputs: by role; `classes` and `scores` make a classification, `outputs` a regression.
        regression: whether it gives numbers rather than classes.
    """

    input: TensorInfo
    outputs: dict[str, TensorInfo]
    regression: bool


def classification_head(signatures: Signatures, name: str) -> ExampleSignature:
    """Finds the signature that a Classify request means by `name`.

    Raises:
        ServingError: if there is none or it is not for classification.
    """
    return _classification_head(_find_for_examples(signatures, name))


def regression_head(signatures: Signatures, name: str) -> ExampleSignature:
    """As `classification_head`, for a Regress request."""
    return _regression_head(_find_for_examples(signatures, name))


def multi_inference_heads(signatures: Signatures, tasks: Iterable[InferenceTask]) -> list[ExampleSignature]:
    """Finds the signatures that the tasks of a MultiInference request mean; all read the same input.

    Raises:
        ServingError: if the tasks do not fit the model or one another.
    """
    models: set[str] = set()
    heads: dict[str, ExampleSignature] = {}
    for task in tasks:
        if not task.model_spec.name:
            raise invalid("Found ModelSpec with an empty model name.")
        models.add(task.model_spec.name)
        if len(models) > 1:
            raise invalid("All ModelSpecs in a MultiInferenceRequest must access the same model name.")
        name = task.model_spec.signature_name or DEFAULT_SIGNATURE
        if name in heads:
            raise invalid(f"Duplicate evaluation of signature: {name}")
        if name not in signatures:
            raise invalid(f"Requested signature not found in model graph: {name}")
        if task.method_name == _CLASSIFY:
            heads[name] = _classification_head(signatures[name])
        elif task.method_name == _REGRESS:
            heads[name] = _regression_head(signatures[name])
        else:
            raise ServingError(StatusCode.UNIMPLEMENTED, f"Unsupported signature method_name: {task.method_name}")
        if len({head.input.name for head in heads.values()}) > 1:
            raise invalid("Input tensor must be the same for all Signatures.")
    return list(heads.values())


def examples_run(heads: Sequence[ExampleSignature], examples: Input) -> EngineRun:
    """The run that answers tf.Examples with all the heads at once.

    Raises:
        ServingError: INVALID_ARGUMENT if there are no examples.
    """
    array = _serialized(examples)
    check_tensor(0, tf.saved_model.CLASSIFY_INPUTS, heads[0].input, array)
    return make_run([heads[0].input], [array], [info for head in heads for info in head.outputs.values()])


def read_head(
    head: ExampleSignature, outputs: Mapping[str, np.ndarray], rows: int
) -> ClassificationResult | RegressionResult:
    """Puts a head's outputs into the result of its protocol.

    Args:
        head: of the signature.
        outputs: what was fetched, by role.
        rows: how many examples there were.

    Raises:
        ServingError: INVALID_ARGUMENT if the model gives something else than the protocol wants.
    """
    if head.regression:
        return _regressions(outputs[tf.saved_model.REGRESS_OUTPUTS], rows)
    return _classifications(
        outputs.get(tf.saved_model.CLASSIFY_OUTPUT_CLASSES), outputs.get(tf.saved_model.CLASSIFY_OUTPUT_SCORES), rows
    )


def _find_for_examples(signatures: Signatures, name: str) -> SignatureDef:
    name = name or DEFAULT_SIGNATURE
    if name not in signatures:
        raise invalid(f"No signature was found with the name: {name}")
    return signatures[name]


def _classification_head(signature: SignatureDef) -> ExampleSignature:
    _check_method(signature, "classification", _CLASSIFY)
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) not in (1, 2):
        raise invalid(f"Expected one or two output Tensors, found {len(signature.outputs)}")
    classes, scores = tf.saved_model.CLASSIFY_OUTPUT_CLASSES, tf.saved_model.CLASSIFY_OUTPUT_SCORES
    roles = [role for role in (classes, scores) if role in signature.outputs]
    if tf.saved_model.CLASSIFY_INPUTS not in signature.inputs:
        raise failed_precondition(f"No classification inputs found in SignatureDef: {signature}")
    if not roles:
        raise failed_precondition(
            f'Expected classification signature outputs to contain at least one of "{classes}" or "{scores}". '
            f"Signature was: {signature}"
        )
    return _head(signature, roles, regression=False)


def _regression_head(signature: SignatureDef) -> ExampleSignature:
    _check_method(signature, "regression", _REGRESS)
    if len(signature.inputs) != 1:
        raise invalid("Expected one input Tensor.")
    if len(signature.outputs) != 1:
        raise invalid("Expected one output Tensor.")
    for kind, role, tensors in (
        ("inputs", tf.saved_model.REGRESS_INPUTS, signature.inputs),
        ("outputs", tf.saved_model.REGRESS_OUTPUTS, signature.outputs),
    ):
        if role not in tensors:
            raise failed_precondition(f"No regression {kind} found in SignatureDef: {signature}")
    return _head(signature, [tf.saved_model.REGRESS_OUTPUTS], regression=True)


def _check_method(signature: SignatureDef, kind: str, method: str) -> None:
    if signature.method_name != method:
        raise invalid(f"Expected {kind} signature method_name to be {method}. Was: {signature.method_name}")


def _head(signature: SignatureDef, roles: Sequence[str], *, regression: bool) -> ExampleSignature:
    (info,) = signature.inputs.values()
    return ExampleSignature(info, {role: signature.outputs[role] for role in roles}, regression)


def _serialized(examples: Input) -> np.ndarray:
    """The examples as bytes, [rows]. A context is merged into each by putting its bytes in front, as C++ does."""
    listed = getattr(examples, examples.WhichOneof("kind") or "example_list")
    context = listed.context.SerializeToString() if examples.HasField("example_list_with_context") else b""
    array = np.empty(len(listed.examples), object)
    array[:] = [context + example.SerializeToString() for example in listed.examples]
    if not array.size:
        raise invalid("Input is empty.")
    return array


def _classifications(classes: np.ndarray | None, scores: np.ndarray | None, rows: int) -> ClassificationResult:
    for name, array, dtype in (("classes", classes, tf.string), ("scores", scores, tf.float32)):
        if array is not None:
            _check_output(name, array, dtype, rows)
    if classes is not None and scores is not None and classes.shape[1] != scores.shape[1]:
        raise invalid(
            f"Tensors class and score should match in dim_size(1). Got {classes.shape[1]} vs. {scores.shape[1]}"
        )
    columns = itertools.repeat(itertools.repeat(None)) if classes is None or scores is None else ()
    labels = columns if classes is None else [[_text(label) for label in row] for row in classes]
    values = columns if scores is None else scores.tolist()
    return ClassificationResult(
        classifications=[
            Classifications(classes=[Class(label=label, score=score) for label, score in zip(*row)])  # noqa: B905
            for row in zip(labels, values)  # noqa: B905  one of the two may have no end
        ]
    )


def _text(label: bytes) -> str:
    return label.decode("utf-8", "replace")  # a field of the protocol that holds nothing else


def _check_output(name: str, array: np.ndarray, dtype: tf.DType, rows: int) -> None:
    if array.ndim != 2:
        raise invalid(f"Expected Tensor shape: [batch_size num_classes] but got {shown(array.shape)}")
    if dtype_of(array) != dtype.as_datatype_enum:
        raise invalid(
            f"Expected {name} Tensor of {enum_name(dtype.as_datatype_enum)}. Got: {enum_name(dtype_of(array))}"
        )
    if len(array) != rows:
        raise invalid(f"Expected {name} output batch size of {rows}. Got: {len(array)}")


def _regressions(values: np.ndarray, rows: int) -> RegressionResult:
    if values.ndim != 1 and (values.ndim != 2 or values.shape[1] != 1):
        raise invalid(
            f"Expected output Tensor shape to be either [batch_size] or [batch_size, 1] but got {shown(values.shape)}"
        )
    if len(values) != rows:
        raise invalid(f"Input batch size did not match output batch size: {rows} vs. {len(values)}")
    if values.dtype != np.float32:
        raise invalid(f"Expected output Tensor of DT_FLOAT.  Got: {enum_name(dtype_of(values))}")
    return RegressionResult(regressions=[Regression(value=value) for value in values.ravel()])
