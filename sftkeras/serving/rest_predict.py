"""The documents of the REST method predict: JSON ↔ tensors, in TensorFlow Serving's row and column format.

Pure functions. Formats and messages are those of the C++ server, tensorflow_serving/util/json_tensor.cc.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Mapping, Set
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from sftkeras.serving.errors import ServingError, invalid
from sftkeras.serving.json_values import array_of, checked_values, written_numbers
from sftkeras.serving.rest_json import encoded, is_base64, parse_object, quoted, shown, signature_name, unfit


@dataclass(frozen=True)
class InputTypes:
    """The inputs of a signature.

    Attributes:
        numbers: name → number of its tensorflow.DataType.
        optional: names of those with a default, which a request may leave out.
    """

    numbers: Mapping[str, int]
    optional: frozenset[str] = frozenset()

    @property
    def needed(self) -> list[str]:
        """Names of those that every request gives."""
        return [name for name in self.numbers if name not in self.optional]

    @property
    def bare(self) -> str:
        """The one that values without a name are for."""
        return next(iter(self.needed or self.numbers))


@dataclass(frozen=True)
class PredictBody:
    """Contents of a predict request.

    Attributes:
        signature: its name, "" for the default.
        inputs: name → array; strings are object arrays of bytes.
        rows: whether it came, and is to be answered, in row format.
    """

    signature: str
    inputs: dict[str, np.ndarray]
    rows: bool


def parse_predict(body: bytes, input_types: Callable[[str], InputTypes]) -> PredictBody:
    """Reads {"signature_name": …, "instances": […]} or {"signature_name": …, "inputs": …}.

    Args:
        body: the request's.
        input_types: gives the inputs of the signature of a name; what it raises is passed on.

    Raises:
        ServingError: INVALID_ARGUMENT for what does not fit the signature, UNIMPLEMENTED for a type that JSON lacks.
    """
    document = parse_object(body)
    signature = signature_name(document)
    types = input_types(signature)
    if not types.numbers:
        raise invalid(f"Failed to get input map for signature: {signature or 'DEFAULT'}")
    try:
        return _read(document, signature, types)
    except RecursionError:
        raise invalid("JSON Parse error: Arrays and objects are nested too deeply.") from None


def _read(document: dict[str, Any], signature: str, types: InputTypes) -> PredictBody:
    if "instances" in document and "inputs" in document:
        raise unfit(document, "Not formatted correctly expecting only one of 'inputs' or 'instances' keys to exist ")
    if "instances" in document:
        instances = document["instances"]
        if not isinstance(instances, list):
            raise unfit(document, "Excepting 'instances' to be an list/array")  # the C++ server's spelling
        if not instances:
            raise unfit(document, "No values in 'instances' array")
        return PredictBody(signature, _from_rows(instances, types), rows=True)
    if "inputs" in document:
        return PredictBody(signature, _from_columns(document["inputs"], types), rows=False)
    raise invalid("Missing 'inputs' or 'instances' key")


@dataclass
class _Column:
    """One input, gathered from the instances."""

    dtype: int
    shape: tuple[int, ...] | None = None  # of one instance
    size: int = 0  # values of one instance
    values: list[Any] = field(default_factory=list)

    def add(self, item: Any) -> None:
        shape, values = _flat(item, self.dtype)
        if self.shape is None:
            self.shape, self.size = shape, len(values)
        elif len(values) != self.size:
            raise invalid(f"Expecting tensor size: {self.size} but got: {len(values)}")
        elif shape != self.shape:
            raise invalid(f"Expecting shape {_shape_text(self.shape)} but got: {_shape_text(shape)}")
        self.values += values


def _from_rows(instances: list[Any], types: InputTypes) -> dict[str, np.ndarray]:
    if not isinstance(instances[0], dict) and len(types.needed) > 1:
        raise invalid(
            "instances is a plain list, but expecting list of objects as multiple input tensors required as per "
            "tensorinfo_map"
        )
    columns = {name: _Column(dtype) for name, dtype in types.numbers.items()}
    if _is_named(instances[0]):
        # What has a default may be left out, by all rows or by none.
        wanted = columns.keys() - (types.optional - instances[0].keys())
        for row, instance in enumerate(instances):
            _add_named(instance, row, columns, wanted)
    else:
        for row, instance in enumerate(instances):
            _add_plain(instance, row, columns[types.bare])
    return {
        name: array_of(column.values, (len(instances), *column.shape), column.dtype)
        for name, column in columns.items()
        # Left out, or bytes alone where several inputs are wanted: Predict has the defaults, and says what is missing.
        if column.shape is not None
    }


def _is_named(instance: Any) -> bool:
    return isinstance(instance, dict) and not is_base64(instance)


def _add_named(instance: Any, row: int, columns: dict[str, _Column], wanted: Set[str]) -> None:
    if not _is_named(instance):
        raise invalid(f"Expecting object but got list at item {row} of input list")
    for name, item in instance.items():
        try:
            if name not in columns:
                raise invalid(f"JSON object: does not have named input: {name}")
            columns[name].add(item)
        except ServingError as error:
            raise invalid(f"Failed to process element: {row} key: {name} of 'instances' list. Error: {error}") from None
    if instance.keys() != wanted:
        raise invalid(
            f"Failed to process element: {row} of 'instances' list. JSON object: {shown(instance)} keys must be equal "
            f"to: {','.join(sorted(wanted))}"
        )


def _add_plain(instance: Any, row: int, column: _Column) -> None:
    if _is_named(instance):
        raise invalid(f"Expecting value/list but got object at item {row} of input list")
    try:
        column.add(instance)
    except ServingError as error:
        raise invalid(f"Failed to process element: {row} of 'instances' list. Error: {error}") from None


def _from_columns(inputs: Any, types: InputTypes) -> dict[str, np.ndarray]:
    if _is_named(inputs):
        for name in types.needed:
            if name not in inputs:
                raise invalid(f"Missing named input: {name} in 'inputs' object.")
        items = {name: inputs[name] for name in types.numbers if name in inputs}
    elif len(types.needed) > 1:
        raise invalid(
            "inputs is a plain value/list, but expecting an object as multiple input tensors required as per "
            "tensorinfo_map"
        )
    else:
        items = {types.bare: inputs}
    arrays = {}
    for name, item in items.items():
        shape, values = _flat(item, types.numbers[name])
        arrays[name] = array_of(values, shape, types.numbers[name])
    return arrays


def _flat(item: Any, dtype: int) -> tuple[tuple[int, ...], list[Any]]:
    """The shape of nested lists, and their values checked against the type."""
    shape, inner = [], item
    while isinstance(inner, list):
        shape.append(len(inner))
        if not inner:
            break
        inner = inner[0]
    values: list[Any] = []
    _gather(item, 0, shape, values)
    return tuple(shape), checked_values(values, dtype)


def _gather(item: Any, level: int, shape: list[int], values: list[Any]) -> None:
    if not isinstance(item, list):
        if level != len(shape):
            raise invalid(
                f"JSON Value: {shown(item)} found at incorrect level: {level + 1} in the JSON DOM. Expected at level: "
                f"{len(shape)}"
            )
        values.append(item)
        return
    if level >= len(shape):
        raise invalid(f"Encountered list at unexpected level: {level} expected < {len(shape)}")
    if len(item) != shape[level]:
        raise invalid(
            f"Encountered list at unexpected size: {len(item)} at level: {level} expected size: {shape[level]}"
        )
    for inner in item:
        _gather(inner, level + 1, shape, values)


def _shape_text(shape: tuple[int, ...]) -> str:
    return f"[{','.join(map(str, shape))}]"


def render_predict(outputs: Mapping[str, np.ndarray], *, rows: bool) -> bytes:
    """Writes {"predictions": […]} in row format, {"outputs": …} in column format.

    One output is written bare, several by name; strings of an output whose name ends in `_bytes` as {"b64": "…"}.

    Raises:
        ServingError: INVALID_ARGUMENT if row format does not fit the outputs, or JSON lacks a type.
    """
    if not outputs:
        raise invalid("Cannot convert empty tensor map to JSON")
    outputs = dict(sorted(outputs.items()))  # the same order every time, where C++ has that of a hash table
    return encoded(_rows(outputs) if rows else _columns(outputs))


def _rows(outputs: Mapping[str, np.ndarray]) -> str:
    """Laid out as the C++ server does: one instance's values on a line."""
    count = _batch_size(outputs)
    lines = {name: [_line(item) for item in _items(name, array)] for name, array in outputs.items()}
    if len(lines) == 1:
        body = ", ".join(next(iter(lines.values())))
    else:
        keys = {name: quoted(name) for name in lines}
        instances = (
            ",\n".join(f"{' ' * 12}{keys[name]}: {lines[name][row]}" for name in lines) for row in range(count)
        )
        body = ",".join(f"\n        {{\n{instance}\n        }}" for instance in instances)
    return f'{{\n    "predictions": [{body}\n    ]\n}}' if count else '{\n    "predictions": []\n}'


def _batch_size(outputs: Mapping[str, np.ndarray]) -> int:
    count = -1
    for name, array in outputs.items():
        if not array.ndim:
            raise invalid(f"Tensor name: {name} has no shape information ")
        if count not in (-1, len(array)):
            raise invalid(f"Tensor name: {name} has inconsistent batch size: {len(array)} expecting: {count}")
        count = len(array)
    return count


def _columns(outputs: Mapping[str, np.ndarray]) -> str:
    if len(outputs) == 1:
        [(name, array)] = outputs.items()
        return f'{{\n    "outputs": {_block(_items(name, array), 1)}\n}}'
    members = ",\n".join(f"{' ' * 8}{quoted(name)}: {_block(_items(name, it), 2)}" for name, it in outputs.items())
    return f'{{\n    "outputs": {{\n{members}\n    }}\n}}'


def _items(name: str, array: np.ndarray) -> Any:
    """The array as nested lists of written values."""
    written = np.empty(array.size, object)
    written[:] = _written(name, array)
    return written.reshape(array.shape).tolist()


def _written(name: str, array: np.ndarray) -> list[str]:
    if array.dtype != object:
        return written_numbers(array)
    if name.endswith("_bytes"):
        return [f'{{"b64": "{base64.b64encode(value).decode()}"}}' for value in array.ravel()]
    return list(map(quoted, array.ravel()))


def _line(item: Any) -> str:
    return item if isinstance(item, str) else f"[{', '.join(map(_line, item))}]"


def _block(item: Any, depth: int) -> str:
    if isinstance(item, str) or not item:
        return item or "[]"
    indent = " " * 4 * (depth + 1)
    lines = ",\n".join(f"{indent}{_block(inner, depth + 1)}" for inner in item)
    return f"[\n{lines}\n{' ' * 4 * depth}]"
