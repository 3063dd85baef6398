"""Names of models in HTTP requests: NAME, NAME/versions/NUMBER or NAME/labels/LABEL."""

from __future__ import annotations

from tensorflow_serving.apis.model_pb2 import ModelSpec

from sftkeras.serving.errors import invalid

_INT64_END = 2**63


def model_spec(name: str, version: str | None = None, label: str | None = None) -> ModelSpec:
    """Return what the store finds a version by.

    Args:
        name: of the model.
        version: its number, digits alone; None for the newest.
        label: of the version, instead of a number.

    Raises:
        ServingError: INVALID_ARGUMENT if there can be no such number.
    """
    spec = ModelSpec(name=name)
    if version:
        number = int(version.lstrip("0")[:20] or 0)
        if number >= _INT64_END:
            raise invalid(f"Failed to convert version: {version} to numeric.")
        spec.version.value = number
    if label:
        spec.version_label = label
    return spec
