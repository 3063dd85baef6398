"""Facts about the server and its models, as the Open Inference Protocol tells them, and whether they are ready."""

from __future__ import annotations

from typing import Any

from tensorflow.core.protobuf.meta_graph_pb2 import TensorInfo
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus
from tensorflow_serving.apis.model_pb2 import ModelSpec

from sftkeras import __version__
from sftkeras.serving.answering import Answering
from sftkeras.serving.errors import ServingError
from sftkeras.serving.open_inference.tensors import datatype_of

_EXTENSIONS = ("binary_tensor_data", "generate")
_PLATFORM = "tensorflow_savedmodel"  # Triton's word


def server_metadata() -> dict[str, Any]:
    """Return what `GET /v2` answers."""
    return {"name": "sftkeras", "version": __version__, "extensions": _EXTENSIONS}


def model_metadata(answering: Answering, spec: ModelSpec) -> dict[str, Any]:
    """Return the versions of a model that can be asked, and the tensors of one's default signature.

    Raises:
        ServingError: there is no such model or version, or it has no default signature.
    """
    signature = answering.signature(spec)
    versions = answering.status(ModelSpec(name=spec.name)).model_version_status
    return {
        "name": spec.name,
        "versions": [str(it.version) for it in versions if it.state == ModelVersionStatus.AVAILABLE],
        "platform": _PLATFORM,
        "inputs": [_tensor(name, info) for name, info in sorted(signature.inputs.items())],
        "outputs": [_tensor(name, info) for name, info in sorted(signature.outputs.items())],
    }


def server_is_ready(answering: Answering) -> bool:
    """Say whether each model has a version that can be asked."""
    return not answering.store.failures()


def model_is_ready(answering: Answering, spec: ModelSpec) -> bool:
    """Say whether a version can be asked.

    Raises:
        ServingError: NOT_FOUND if the server has no model of this name.
    """
    try:
        with answering.store.use(spec):
            return True
    except ServingError:
        if spec.name not in answering.store.models():
            raise
        return False


def _tensor(name: str, info: TensorInfo) -> dict[str, Any]:
    """One tensor; a size that varies is -1, and so is a rank that does."""
    shape = [-1] if info.tensor_shape.unknown_rank else [dimension.size for dimension in info.tensor_shape.dim]
    return {"name": name, "datatype": datatype_of(info.dtype), "shape": shape}
