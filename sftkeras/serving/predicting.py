"""Predict: the run that a request needs.

Rules, statuses and messages are those of TensorFlow Serving's C++ server: predict_util.cc in the folder
tensorflow_serving/servables/tensorflow of the repository tensorflow/serving, and GetInputValues in
tensorflow/cc/saved_model/util.cc of tensorflow/tensorflow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
import tensorflow as tf
from grpc import StatusCode
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef, TensorInfo

from sftkeras.serving.errors import ServingError, failed_precondition, invalid
from sftkeras.serving.runs import DEFAULT_SIGNATURE, EngineRun, Signatures, braced, check_tensor, make_run
from sftkeras.serving.tensors import to_array
from sftkeras.tasks.predictions import predictions_of

_PREDICT, _CLASSIFY, _REGRESS = (
    tf.saved_model.PREDICT_METHOD_NAME,
    tf.saved_model.CLASSIFY_METHOD_NAME,
    tf.saved_model.REGRESS_METHOD_NAME,
)


def predict_run(
    signatures: Signatures, name: str, inputs: Mapping[str, np.ndarray], output_filter: Sequence[str]
) -> tuple[EngineRun, dict[str, str]]:
    """The run that a Predict request needs.

    Returns:
        The run, and {name of an answer: name of the tensor that holds it}.

    Raises:
        ServingError: if there is no such signature, or names, types or shapes do not fit it.
    """
    signature = find_signature(signatures, name)
    if signature.method_name not in (_PREDICT, _CLASSIFY, _REGRESS):
        raise ServingError(
            StatusCode.INTERNAL,
            "Expected prediction signature method_name to be one of "
            f"{{{_PREDICT}, {_CLASSIFY}, {_REGRESS}}}. Was: {signature.method_name}",
        )
    _check_names(signature, inputs)
    arrays = []
    for number, (name, info) in enumerate(sorted(signature.inputs.items())):
        # What is missing here has a default of the model's own.
        array = inputs[name] if name in inputs else to_array(name, signature.defaults[name])
        check_tensor(number, name, info, array)
        arrays.append(array)
    outputs = _wanted_outputs(signature, output_filter)
    ranks = {name: len(info.tensor_shape.dim) for name, info in signature.outputs.items()}
    inputs_in_order = [info for _, info in sorted(signature.inputs.items())]
    run = make_run(inputs_in_order, arrays, list(outputs.values()), lists=predictions_of(ranks).lists)
    return run, {name: info.name for name, info in outputs.items()}


def find_signature(signatures: Signatures, name: str) -> SignatureDef:
    """Finds the signature that Predict means by `name`, which may be empty.

    Raises:
        ServingError: FAILED_PRECONDITION if there is none.
    """
    name = name or DEFAULT_SIGNATURE
    if name not in signatures:
        raise failed_precondition(f'Serving signature key "{name}" not found.')
    return signatures[name]


def _check_names(signature: SignatureDef, inputs: Mapping[str, np.ndarray]) -> None:
    given, known = set(inputs), set(signature.inputs)
    if len(given) > len(known) or (len(given) < len(known) and not signature.defaults):
        raise invalid(
            f"input size does not match signature: {len(given)}!={len(known)} len({braced(given)}) != "
            f"len({braced(known)}). Sent extra: {braced(given - known)}. "
            f"Missing but required: {braced(known - given)}."
        )
    for name in sorted(known - given - set(signature.defaults)):
        raise invalid(
            f"Signature input alias: {name}(feed name: {signature.inputs[name].name}) not found in request and no "
            f"default value provided. Inputs expected to be in the request {braced(given)}, or default input alias "
            f"set: {','.join(sorted(signature.defaults))}"
        )
    if given - known:
        raise invalid(
            f"Inputs contains invalid name. Used request inputs: {','.join(sorted(given & known))}, "
            f"request input: {','.join(sorted(given))}"
        )


def _wanted_outputs(signature: SignatureDef, output_filter: Sequence[str]) -> dict[str, TensorInfo]:
    wanted: dict[str, TensorInfo] = {}
    for name in output_filter:
        if name not in signature.outputs:
            raise invalid(
                f"output tensor alias not found in signature: {name} Outputs expected to be in the set "
                f"{braced(signature.outputs)}."
            )
        if name in wanted:
            raise invalid(f"duplicate output tensor alias: {name}")
        wanted[name] = signature.outputs[name]
    return wanted or dict(signature.outputs)
