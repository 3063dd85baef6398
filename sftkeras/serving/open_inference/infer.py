"""`POST /v2/models/NAME/infer`: what a request may hold, and its answer, in JSON and with binary data behind it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from tensorflow_serving.apis.model_pb2 import ModelSpec

from sftkeras.serving.errors import invalid
from sftkeras.serving.json_values import MOST_DIMENSIONS
from sftkeras.serving.open_inference.tensors import (
    DATATYPES,
    output_datatype,
    read_bytes,
    read_values,
    written_bytes,
    written_values,
)
from sftkeras.serving.openai.fields import Fields
from sftkeras.serving.rest_json import encoded, parse_object, quoted

_MOST = 2**31 - 1
_LONGEST_TIMEOUT = 2**63 - 1  # microseconds
# MLServer's clients name the Python type that values came from. These two change nothing.
_CONTENT_TYPES = ("str", "np")


@dataclass(frozen=True)
class InferRequest:
    """Tensors that a model is to answer.

    Attributes:
        id: of the request, which its answer repeats; None for none.
        signature: name of the signature, "" for the default.
        inputs: name → array; strings are object arrays of bytes.
        outputs: names of the wanted outputs; none means all.
        binary: for outputs by name, whether they are to be binary data.
        all_binary: the same for those that are not named.
        seconds: longest time for the answer; None for the server's own.
    """

    id: str | None
    signature: str
    inputs: Mapping[str, np.ndarray]
    outputs: tuple[str, ...]
    binary: Mapping[str, bool]
    all_binary: bool
    seconds: float | None

    def is_binary(self, output: str) -> bool:
        """Say whether an output is to be binary data."""
        return self.binary.get(output, self.all_binary)


class _Binary:
    """The binary data of a request, which its inputs take in their order."""

    def __init__(self, data: bytes) -> None:
        self._data, self._place = data, 0

    def take(self, name: str, size: int) -> bytes:
        taken = self._data[self._place : self._place + size]
        self._place += size
        if len(taken) < size:
            raise invalid(f"input '{name}': its binary_data_size is {size}, of which {len(taken)} bytes were sent")
        return taken

    def end(self) -> None:
        if self._place < len(self._data):
            raise invalid(f"{len(self._data) - self._place} bytes of binary data belong to no input")


def parse_infer(body: bytes, json_bytes: int | None) -> InferRequest:
    """Read the body of a request.

    Args:
        body: of the request.
        json_bytes: how many of them are the JSON document, before the binary data; None for all.

    Raises:
        ServingError: INVALID_ARGUMENT for what is wrong.
    """
    if json_bytes is not None and json_bytes > len(body):
        raise invalid(f"Inference-Header-Content-Length is {json_bytes}, more than the body's {len(body)} bytes")
    fields = Fields(parse_object(body if json_bytes is None else body[:json_bytes]))
    identity = fields.optional_text("id")
    parameters = _parameters(fields)
    binary = _Binary(b"" if json_bytes is None else body[json_bytes:])
    inputs: dict[str, np.ndarray] = {}
    for place in _objects(fields, "inputs", needed=True):
        name = place.text("name")
        if name in inputs:
            raise invalid(f"input '{name}' is given twice")
        inputs[name] = _tensor(name, place, binary)
    binary.end()
    outputs: dict[str, bool | None] = {}
    for place in _objects(fields, "outputs", needed=False):
        wanted = _parameters(place)
        outputs[place.text("name")] = wanted.flag("binary_data") if wanted.given("binary_data") is not None else None
        wanted.end()
        place.end()
    timeout = parameters.integer("timeout", 1, _LONGEST_TIMEOUT)
    request = InferRequest(
        id=identity,
        signature=parameters.optional_text("signature_name") or "",
        inputs=inputs,
        outputs=tuple(outputs),
        binary={name: chosen for name, chosen in outputs.items() if chosen is not None},
        all_binary=parameters.flag("binary_data_output"),
        seconds=None if timeout is None else timeout / 1e6,
    )
    parameters.end()
    fields.end()
    return request


def render_infer(asked: InferRequest, answered: ModelSpec, outputs: Mapping[str, np.ndarray]) -> tuple[bytes, int]:
    """Write an answer.

    Args:
        asked: the request.
        answered: which version gave it.
        outputs: name → array.

    Returns:
        The body, and how many of its bytes are the JSON document.

    Raises:
        ServingError: INVALID_ARGUMENT for values that JSON lacks.
    """
    members = [f'"model_name":{quoted(answered.name)}', f'"model_version":"{answered.version.value}"']
    if asked.id is not None:
        members.append(f'"id":{quoted(asked.id)}')
    written, binary = [], []
    for name in asked.outputs or sorted(outputs):
        array = outputs[name]
        head = f'"name":{quoted(name)},"datatype":"{output_datatype(array)}","shape":{list(array.shape)}'
        if asked.is_binary(name):
            binary.append(written_bytes(array))
            written.append(f'{{{head},"parameters":{{"binary_data_size":{len(binary[-1])}}}}}')
        else:
            written.append(f'{{{head},"data":{written_values(name, array)}}}')
    members.append(f'"outputs":[{",".join(written)}]')
    document = encoded(f"{{{','.join(members)}}}")
    return b"".join((document, *binary)), len(document)


def _parameters(fields: Fields) -> Fields:
    """The members of `parameters`, which may be left out."""
    given = fields.given("parameters")
    return fields.members("parameters", {} if given is None else given)


def _objects(fields: Fields, name: str, *, needed: bool) -> list[Fields]:
    given = fields.required(name) if needed else fields.given(name) or []
    if not isinstance(given, list):
        raise fields.wrong_type(name, "an array of objects", given)
    return [fields.members(f"{name}[{number}]", one) for number, one in enumerate(given)]


def _tensor(name: str, fields: Fields, binary: _Binary) -> np.ndarray:
    shape = _shape(fields)
    fields.required("datatype")
    datatype = fields.choice("datatype", DATATYPES) or ""
    parameters = _parameters(fields)
    size = parameters.integer("binary_data_size", 0, _MOST)
    parameters.choice("content_type", _CONTENT_TYPES)
    parameters.end()
    if size is None:
        data = fields.required("data")
        if not isinstance(data, list):
            raise fields.wrong_type("data", "an array", data)
        array = read_values(name, data, shape, datatype)
    else:
        array = read_bytes(name, binary.take(name, size), shape, datatype)
    fields.end()
    return array


def _shape(fields: Fields) -> tuple[int, ...]:
    given: Any = fields.required("shape")
    if not isinstance(given, list) or not all(type(size) is int and 0 <= size <= _MOST for size in given):
        raise fields.wrong_type("shape", f"an array of sizes from 0 to {_MOST}", given)
    if len(given) > MOST_DIMENSIONS:
        raise invalid(f"'{fields.name('shape')}' has {len(given)} dimensions; at most {MOST_DIMENSIONS} can be")
    return tuple(given)
