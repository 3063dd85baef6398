"""The models that OpenAI's routes can ask: their names there, what each can do, and `GET /v1/models`."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from typing import Any

from tensorflow.core.framework.types_pb2 import DT_STRING
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef
from tensorflow_serving.apis.model_pb2 import ModelSpec

from sftkeras.serving.errors import ServingError
from sftkeras.serving.model_names import model_spec
from sftkeras.serving.model_store import ModelStore
from sftkeras.serving.openai.errors import unknown_model
from sftkeras.serving.runs import DEFAULT_SIGNATURE, Signatures
from sftkeras.serving.served_version import ServedVersion

TEXT, VECTOR = "text", "vector"

_NAME = re.compile(r"(.+?)(?:/versions/(\d+)|/labels/([^/:]+))?", re.ASCII | re.DOTALL)


def spec_of(model: str) -> ModelSpec:
    """Return what the store finds a version by.

    Args:
        model: NAME, which means its newest version, NAME/versions/NUMBER or NAME/labels/LABEL.

    Raises:
        RequestError: there can be no such model.
    """
    found = _NAME.fullmatch(model)
    try:
        return model_spec(*found.groups()) if found else model_spec(model)
    except ServingError:
        raise unknown_model(model) from None


@contextmanager
def used(store: ModelStore, model: str) -> Iterator[ServedVersion]:
    """Give the version that a request means, which stays loaded inside the block.

    Raises:
        RequestError: NOT_FOUND if there is none.
    """
    with ExitStack() as stack:
        try:
            version = stack.enter_context(store.use(spec_of(model)))
        except ServingError:
            raise unknown_model(model) from None
        yield version


def embeds(signatures: Signatures) -> bool:
    """Say whether a model makes a vector of each text."""
    signature = signatures.get(DEFAULT_SIGNATURE)
    return signature is not None and _takes_texts(signature) and _ranks(signature).get(VECTOR) == 2


def generates(version: ServedVersion) -> bool:
    """Say whether a model generates texts."""
    try:
        version.generating  # noqa: B018  it raises where there is none
    except ServingError:
        return False
    return True


def listed(store: ModelStore) -> list[dict[str, Any]]:
    """Return the models that can be asked, as `GET /v1/models` lists them."""
    found = []
    for name in store.available():
        try:
            found.append(described(store, name))
        except ServingError:  # it left meanwhile, or no route can ask it
            continue
    return found


def described(store: ModelStore, model: str) -> dict[str, Any]:
    """Return a model as OpenAI's API describes it.

    Raises:
        RequestError: there is none of this name that a route can ask.
    """
    with used(store, model) as version:
        if not (embeds(version.signatures) or generates(version)):
            raise unknown_model(model)
        return {"id": model, "object": "model", "created": version.created, "owned_by": "sftkeras"}


def _takes_texts(signature: SignatureDef) -> bool:
    inputs = dict(signature.inputs)
    return set(inputs) == {TEXT} and inputs[TEXT].dtype == DT_STRING and len(inputs[TEXT].tensor_shape.dim) == 1


def _ranks(signature: SignatureDef) -> dict[str, int]:
    return {name: len(info.tensor_shape.dim) for name, info in signature.outputs.items()}
