"""Inputs and outputs of a served model, read from its metadata, and checks of inputs before they are sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from google.protobuf.json_format import ParseDict, ParseError

from sftkeras.serving.client.errors import ClientError, InputError
from sftkeras.serving.client.messages import ModelSpec, SignatureDefMap
from sftkeras.serving.client.tensors import STRING, dtype_name, from_proto

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class TensorSpec:
    """A tensor that a signature takes or gives.

    Attributes:
        dtype: NumPy's name of the type, or `string`.
        shape: None for a size that may be any; None for all where not even the rank is known.
    """

    dtype: str
    shape: tuple[int | None, ...] | None

    @property
    def batched(self) -> bool:
        """Whether its first dimension may have any size, so that rows can be sent in several calls."""
        return bool(self.shape) and self.shape[0] is None  # type: ignore[index]

    def array(self, value: Any, name: str) -> np.ndarray:
        """Gives a value as an array that fits; strings as bytes.

        Raises:
            InputError: it does not fit.
        """
        try:
            array = np.asarray(value, object) if self.dtype == STRING else np.asarray(value)
        except ValueError as error:
            raise InputError(f"input {name}: its rows differ in shape") from error
        if self.shape is not None and not _fits(array.shape, self.shape):
            raise InputError(f"input {name} has shape {array.shape}, but the model takes {_shown(self.shape)}")
        return _as_bytes(array, name) if self.dtype == STRING else _as_numbers(array, self.dtype, name)


@dataclass(frozen=True)
class Signature:
    """A function of the model.

    Attributes:
        method: which of TensorFlow Serving's calls it is for, such as tensorflow/serving/predict.
        inputs: the tensors it takes.
        outputs: the tensors it gives.
        defaults: values of inputs that may be left out.
    """

    method: str
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    defaults: Mapping[str, np.ndarray] = field(default_factory=dict)

    @property
    def batched(self) -> bool:
        """Whether the rows of its inputs can be sent in several calls."""
        return all(spec.batched for spec in (*self.inputs.values(), *self.outputs.values()))


@dataclass(frozen=True)
class Contract:
    """Inputs and outputs of a version of a model.

    Attributes:
        model: its name.
        version: its number.
        signatures: its functions.
    """

    model: str
    version: int | None
    signatures: dict[str, Signature]

    def signature(self, name: str) -> Signature:
        """Gives a signature.

        Raises:
            InputError: the model has none of this name.
        """
        if name not in self.signatures:
            raise InputError(f"the model {self.model} has no signature {name}; it has {_listed(self.signatures)}")
        return self.signatures[name]

    def checked(self, inputs: Mapping[str, Any], signature: str) -> Arrays:
        """Gives the inputs as arrays of the right types and shapes.

        Raises:
            InputError: a name is wrong or missing, a value does not fit, or the numbers of rows differ.
        """
        function = self.signature(signature)
        wanted = function.inputs
        if unknown := set(inputs) - set(wanted):
            raise InputError(f"{signature} has no input {_listed(unknown)}; it takes {_listed(wanted)}")
        if missing := set(wanted) - set(inputs) - set(function.defaults):
            raise InputError(f"{signature} also needs the input {_listed(missing)}")
        arrays = {name: wanted[name].array(value, name) for name, value in inputs.items()}
        rows = {name: len(array) for name, array in arrays.items() if wanted[name].batched}
        if len(set(rows.values())) > 1:
            counts = ", ".join(f"{name} has {count}" for name, count in rows.items())
            raise InputError(f"the inputs differ in their numbers of rows: {counts}")
        for name in set(wanted) - set(inputs):  # sent too: over REST TensorFlow Serving takes no request without them
            value, every = function.defaults[name], next(iter(rows.values()), 1)
            arrays[name] = np.repeat(value, every, axis=0) if wanted[name].batched and len(value) == 1 else value
        return arrays


def contract_from_proto(response: Any) -> Contract:
    """Reads a `GetModelMetadataResponse`.

    Raises:
        ClientError: INTERNAL if it holds no signatures.
    """
    if "signature_def" not in response.metadata:
        raise ClientError("INTERNAL", "the server's metadata holds no signatures")
    return _contract(response.model_spec, SignatureDefMap.FromString(response.metadata["signature_def"].value))


def contract_from_json(answer: Any) -> Contract:
    """Reads the metadata that the REST interface returns.

    Raises:
        ClientError: INTERNAL if it is something else.
    """
    try:
        model_spec = ParseDict(answer["model_spec"], ModelSpec(), ignore_unknown_fields=True)
        signatures = ParseDict(answer["metadata"]["signature_def"], SignatureDefMap(), ignore_unknown_fields=True)
    except (AttributeError, KeyError, TypeError, ValueError, ParseError) as error:
        raise ClientError("INTERNAL", f"the server's metadata is not understood ({error!r})") from error
    return _contract(model_spec, signatures)


def _contract(model_spec: Any, signatures: Any) -> Contract:
    found = signatures.signature_def
    return Contract(
        model_spec.name,
        model_spec.version.value if model_spec.HasField("version") else None,
        {
            name: Signature(
                found[name].method_name,
                _specs(found[name].inputs),
                _specs(found[name].outputs),
                {input: from_proto(found[name].defaults[input]) for input in sorted(found[name].defaults)},
            )
            for name in sorted(found)
            if not name.startswith("__")  # of TensorFlow's own bookkeeping
        },
    )


def _specs(tensors: Any) -> dict[str, TensorSpec]:
    return {name: _spec(tensors[name].dtype, tensors[name].tensor_shape) for name in sorted(tensors)}


def _spec(dtype: int, shape: Any) -> TensorSpec:
    sizes = None if shape.unknown_rank else tuple(dim.size if dim.size >= 0 else None for dim in shape.dim)
    return TensorSpec(dtype_name(dtype), sizes)


def _fits(found: tuple[int, ...], wanted: tuple[int | None, ...]) -> bool:
    return len(found) == len(wanted) and all(size in (None, given) for given, size in zip(found, wanted, strict=True))


def _shown(shape: tuple[int | None, ...]) -> str:
    return "(" + ", ".join("any" if size is None else str(size) for size in shape) + ")"


def _listed(names: Any) -> str:
    return ", ".join(sorted(names)) or "none"


def _as_bytes(array: np.ndarray, name: str) -> np.ndarray:
    found = np.empty(array.shape, object)
    for place, value in np.ndenumerate(array):
        if not isinstance(value, str | bytes):
            raise InputError(f"input {name} takes strings, not {type(value).__name__}")
        # A lone surrogate, which no UTF-8 can hold, becomes a question mark.
        found[place] = value.encode("utf-8", "replace") if isinstance(value, str) else value
    return found


def _as_numbers(array: np.ndarray, dtype: str, name: str) -> np.ndarray:
    try:
        wanted = np.dtype(dtype)
    except TypeError:
        raise InputError(f"input {name} is of type {dtype}, which this client cannot send") from None
    if array.size == 0:
        return array.astype(wanted)
    integers = array.dtype.kind in "iu" and wanted.kind in "iu"
    if not integers and not np.can_cast(array.dtype, wanted, "same_kind"):
        raise InputError(f"input {name} takes {dtype}, not {array.dtype.name}")
    converted = array.astype(wanted)
    if integers and (converted != array).any():
        raise InputError(f"input {name} takes {dtype}, which {array[converted != array][0]} exceeds")
    return converted
