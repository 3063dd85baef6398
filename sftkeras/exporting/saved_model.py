"""Writes a text model as a SavedModel: each weight once, the same bytes each time, readable by every loader."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import tensorflow as tf
from google.protobuf.message import Message
from tensorflow.core.protobuf.fingerprint_pb2 import FingerprintDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

from sftkeras.backbones.dense.rounded_weights import RoundedWeights
from sftkeras.exporting.canonical_graph import canonicalise
from sftkeras.exporting.signatures import METHODS, trace_signatures
from sftkeras.internals.keras import all_layers
from sftkeras.internals.tensorflow import serialised_fingerprint
from sftkeras.tasks import TextModel
from sftkeras.tasks.generating import Generating


class _Written(NamedTuple):
    """Parts of a SavedModel.

    Attributes:
        signatures: traced, by their names.
        weights: the variables that they read, each once.
        resources: what else they read.
        defaults: of each signature, values of inputs that a request may leave out.
    """

    signatures: dict[str, tf.types.experimental.ConcreteFunction]
    weights: list[tf.Variable]
    resources: list[Any]
    defaults: Mapping[str, Mapping[str, tf.Tensor]] = {}


def write_saved_model(
    text_model: TextModel, folder: Path, generating: Generating | None = None, kept: RoundedWeights | None = None
) -> tuple[MetaGraphDef, int]:
    """Writes `saved_model.pb`, `fingerprint.pb`, `variables/` and `assets/` into `folder`.

    Args:
        text_model: the model, in float32.
        folder: is there.
        generating: functions of a model that generates; None offers the predictions of the task.
        kept: weights that are in use in place of the network's, if some are.

    Returns:
        The graph as written, and the size in bytes of the parameters the signatures use.

    Raises:
        ValueError: a layer does not compute in float32, the precision of all that is not kept in another.
    """
    _check_precision(text_model)
    written = _predicting(text_model, kept) if generating is None else _generating(generating)
    # A module over the raw variables: one that tracked the Keras model would hold its variables a second time, which
    # the loader of TensorFlow Serving does not find.
    module = tf.Module()
    module.weights = weights = written.weights
    module.resources = written.resources
    # Gradients are for training; without them the graph is smaller.
    options = tf.saved_model.SaveOptions(experimental_custom_gradients=False)
    tf.saved_model.save(module, str(folder), signatures=written.signatures, options=options)
    graph = _finish(folder, written.defaults)
    return graph, sum(weight.dtype.size * weight.shape.num_elements() for weight in weights)


def describe_signatures(graph: MetaGraphDef) -> dict[str, Any]:
    """Gives {signature: {method, inputs, outputs}}, each tensor as {dtype, shape}, null for any size."""

    def describe(tensors: Any) -> dict[str, Any]:
        return {
            name: {
                "dtype": tf.dtypes.as_dtype(tensors[name].dtype).name,
                "shape": [size.size if size.size >= 0 else None for size in tensors[name].tensor_shape.dim],
            }
            for name in sorted(tensors)
        }

    return {
        name: {
            "method": graph.signature_def[name].method_name,
            "inputs": describe(graph.signature_def[name].inputs),
            "outputs": describe(graph.signature_def[name].outputs),
        }
        for name in sorted(graph.signature_def)
        if not name.startswith("__")  # of TensorFlow's own bookkeeping
    }


def _predicting(text_model: TextModel, kept: RoundedWeights | None) -> _Written:
    signatures = trace_signatures(text_model)
    rounded = kept.variables if kept else []
    return _Written(signatures, _captured_weights(text_model, rounded, signatures), _resources(text_model))


def _generating(generating: Generating) -> _Written:
    signatures = {
        name: tf.function(each.function, autograph=False).get_concrete_function(**each.inputs)
        for name, each in generating.signatures.items()
    }
    captured = {id(variable) for function in signatures.values() for variable in function.variables}
    weights = [weight for weight in generating.weights if id(weight) in captured]
    if len(weights) != len(captured):
        raise ValueError("the signatures read variables that do not belong to the decoder")
    defaults = {
        name: {key: tf.constant(value, each.inputs[key].dtype) for key, value in each.defaults.items()}
        for name, each in generating.signatures.items()
    }
    return _Written(signatures, weights, list(generating.resources), defaults)


def _check_precision(text_model: TextModel) -> None:
    for layer in all_layers(text_model.network):
        if layer.compute_dtype != "float32":
            raise ValueError(f"{layer.name} computes in {layer.compute_dtype}; build the model in float32 to export it")


def _captured_weights(
    text_model: TextModel, rounded: Sequence[tf.Variable], signatures: dict[str, Any]
) -> list[tf.Variable]:
    """The variables that the signatures read, in the order of the network and rounded ones last: no seeds, no unused
    pooler."""
    captured = {id(variable) for function in signatures.values() for variable in function.variables}
    weights = [*(variable.value for variable in text_model.network.variables), *rounded]
    weights = [weight for weight in weights if id(weight) in captured]
    if len(weights) != len(captured):
        raise ValueError("the signatures read variables that do not belong to the network")
    return weights


def _resources(text_model: TextModel) -> list[Any]:
    """Resources of the signatures besides weights, such as lookup tables and the files these are filled from.

    The features and each layer of the network name theirs in an attribute `resources`, a sequence of trackable objects.
    """
    owners = [text_model.features, *all_layers(text_model.network)]
    return [resource for owner in owners for resource in getattr(owner, "resources", ())]


def _finish(folder: Path, defaults: Mapping[str, Mapping[str, tf.Tensor]]) -> MetaGraphDef:
    """Rewrites the graph in its canonical form, with the method names and defaults that Serving looks for, and renews
    its fingerprint."""
    path = folder / "saved_model.pb"
    saved = SavedModel.FromString(path.read_bytes())
    (graph,) = saved.meta_graphs
    for name, method in METHODS.items():
        if name in graph.signature_def:
            graph.signature_def[name].method_name = method
    for name, values in defaults.items():
        for key, value in values.items():
            graph.signature_def[name].defaults[key].CopyFrom(tf.make_tensor_proto(value))
    canonicalise(graph)
    _write(path, saved)
    fingerprint = FingerprintDef.FromString(serialised_fingerprint(folder))
    # A random number by default. The same for the same contents, as the rest of the fingerprint.
    fingerprint.uuid = ""
    digest = hashlib.sha256(fingerprint.SerializeToString(deterministic=True)).digest()
    fingerprint.uuid = str(int.from_bytes(digest[:8], "big"))
    _write(folder / "fingerprint.pb", fingerprint)
    return graph


def _write(path: Path, message: Message) -> None:
    path.write_bytes(message.SerializeToString(deterministic=True))
