"""The answers of a text model's `serving_default`: which inputs texts are, and what to make of the outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from sftkeras.serving.client.contract import Arrays
from sftkeras.serving.client.tensors import object_array

SIGNATURE = "serving_default"


def text_inputs(texts: Sequence[str], pairs: Sequence[str] | None) -> dict[str, Any]:
    """Gives the inputs for texts, and for their second texts if there are any."""
    return {"text": texts} if pairs is None else {"text": texts, "pair": pairs}


def decoded(outputs: Arrays) -> Arrays:
    """Gives strings as str, not bytes."""
    return {name: _decoded(array) if array.dtype == object else array for name, array in outputs.items()}


def _decoded(array: np.ndarray) -> np.ndarray:
    return object_array([value.decode("utf-8", "replace") for value in array.ravel()]).reshape(array.shape)
