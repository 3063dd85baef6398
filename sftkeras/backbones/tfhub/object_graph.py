"""The objects of a SavedModel, read from its files: variables, assets and how functions are called. Runs nothing.

Only what `module` asks for is decoded. The formats are TensorFlow's own: saved_object_graph.proto, struct.proto,
and trackable_object_graph.proto inside the checkpoint, which says where a variable's value is.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import tensorflow as tf
from google.protobuf.message import DecodeError
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel
from tensorflow.core.protobuf.trackable_object_graph_pb2 import TrackableObjectGraph

from sftkeras.graphs.trusted import check_functions

_CHECKPOINT_GRAPH = "_CHECKPOINTABLE_OBJECT_GRAPH"  # where a checkpoint keeps its own object graph
_VALUE = "VARIABLE_VALUE"


@dataclass(frozen=True)
class StoredVariable:
    """A variable whose value is in the checkpoint."""

    shape: tuple[int, ...]
    dtype: tf.DType
    checkpoint_key: str


@dataclass(frozen=True)
class StoredFunction:
    """A function of a SavedModel.

    Attributes:
        arguments: the names of its arguments.
        signatures: for each of its traces, its first input and its outputs: nests of lists, tuples and dicts with
            `tf.TensorSpec`, Python values, and None for what is of no concern here.
    """

    arguments: frozenset[str]
    signatures: list[tuple[Any, Any]]


class ObjectGraph:
    """The objects of a SavedModel and its checkpoint."""

    def __init__(self, folder: Path, meta_graph: Any, checkpoint_graph: TrackableObjectGraph) -> None:
        self._folder = folder
        self._meta_graph = meta_graph
        self._objects = meta_graph.object_graph_def
        self._stored = checkpoint_graph

    @classmethod
    def read(cls, folder: Path) -> ObjectGraph | None:
        """Reads the files; None if the SavedModel has no objects or several graphs, as TF1 writes it.

        Raises:
            OSError, ValueError, tf.errors.OpError: if a file is missing or damaged.
        """
        try:
            saved = SavedModel.FromString((folder / "saved_model.pb").read_bytes())
        except DecodeError as error:
            raise ValueError(f"saved_model.pb is damaged: {error}") from error
        if not saved.meta_graphs:
            raise ValueError("saved_model.pb is empty")
        meta_graph = saved.meta_graphs[0]
        if len(saved.meta_graphs) > 1 or not meta_graph.object_graph_def.nodes:
            return None
        checkpoint = tf.train.load_checkpoint(str(folder / "variables" / "variables"))
        return cls(folder, meta_graph, TrackableObjectGraph.FromString(checkpoint.get_tensor(_CHECKPOINT_GRAPH)))

    def check_trusted(self) -> None:
        """Raises UntrustedGraphError if what `tf.saved_model.load` runs or offers could reach outside of the model."""
        check_functions(self._meta_graph)

    @property
    def dropout_rates(self) -> frozenset[float]:
        """The rates of its dropout, what `tf.nn.dropout` compares random numbers to; a rate of 0 leaves no trace."""
        constants = (node for node in self._nodes() if node.op == "Const" and node.name.endswith("GreaterEqual/y"))
        return frozenset(float(tf.make_ndarray(it.attr["value"].tensor)) for it in constants if "dropout" in it.name)

    @property
    def root_attributes(self) -> frozenset[str]:
        """The names of the root's children."""
        return frozenset(self._children(0))

    def root_function(self, name: str) -> StoredFunction | None:
        """The function that hangs on the root by `name`."""
        node = self._root_child(name, "function")
        if node is None:
            return None
        arguments = _decode(node.function.function_spec.fullargspec)
        traces = [self._objects.concrete_functions[trace] for trace in node.function.concrete_functions]
        return StoredFunction(
            frozenset(argument for key in ("args", "kwonlyargs") for argument in arguments.get(key) or ()),
            [(_first_input(trace), _decode(trace.output_signature)) for trace in traces],
        )

    def root_variable(self, name: str) -> StoredVariable | None:
        """The variable that hangs on the root by `name`."""
        node = self._children(0).get(name)
        return None if node is None else self._variables_by_node.get(node)

    def root_asset(self, name: str) -> Path | None:
        """The file that hangs on the root by `name`."""
        node = self._root_child(name, "asset")
        if node is None:
            return None
        file = self._meta_graph.asset_file_def[node.asset.asset_file_def_index].filename
        path = self._folder / "assets" / Path(file).name
        if not path.is_file():
            raise FileNotFoundError(f"assets/{Path(file).name} is missing")
        return path

    @property
    def variables(self) -> Mapping[str, StoredVariable]:
        """All variables with a stored value, by name; of several of one name, the first."""
        named: dict[str, StoredVariable] = {}
        for node, variable in self._variables_by_node.items():
            named.setdefault(self._objects.nodes[node].variable.name.removesuffix(":0"), variable)
        return named

    @cached_property
    def _variables_by_node(self) -> dict[int, StoredVariable]:
        found = {}
        for node, key in self._checkpoint_keys():
            variable = self._objects.nodes[node].variable
            shape = tuple(size.size for size in variable.shape.dim)
            found[node] = StoredVariable(shape, tf.dtypes.as_dtype(variable.dtype), key)
        return found

    def _checkpoint_keys(self) -> Iterator[tuple[int, str]]:
        """Walks both graphs side by side, by the names of the children; yields each variable's node and key."""
        waiting, seen = [(0, 0)], {0}
        while waiting:
            node, stored = waiting.pop()
            if self._objects.nodes[node].WhichOneof("kind") == "variable":
                keys = [it.checkpoint_key for it in self._stored.nodes[stored].attributes if it.name == _VALUE]
                yield from ((node, key) for key in keys)
            in_checkpoint = {child.local_name: child.node_id for child in self._stored.nodes[stored].children}
            for name, child in self._children(node).items():
                if name in in_checkpoint and child not in seen:
                    seen.add(child)
                    waiting.append((child, in_checkpoint[name]))

    def _nodes(self) -> Iterator[Any]:
        graph = self._meta_graph.graph_def
        yield from graph.node
        for function in graph.library.function:
            yield from function.node_def

    def _children(self, node: int) -> dict[str, int]:
        return {child.local_name: child.node_id for child in self._objects.nodes[node].children}

    def _root_child(self, name: str, kind: str) -> Any:
        number = self._children(0).get(name)
        node = None if number is None else self._objects.nodes[number]
        return node if node is not None and node.WhichOneof("kind") == kind else None


def _first_input(trace: Any) -> Any:
    signature = _decode(trace.canonicalized_input_signature)  # (positional arguments, keyword arguments)
    positional = signature[0] if isinstance(signature, tuple) and signature else ()
    return positional[0] if isinstance(positional, tuple) and positional else None


def _decode(value: Any) -> Any:
    """A `StructuredValue` as Python's lists, tuples and dicts; a named tuple becomes a dict."""
    kind = value.WhichOneof("kind")
    content: Any = getattr(value, kind) if kind else None
    match kind:
        case "list_value":
            return [_decode(part) for part in content.values]
        case "tuple_value":
            return tuple(_decode(part) for part in content.values)
        case "dict_value":
            return {name: _decode(part) for name, part in content.fields.items()}
        case "named_tuple_value":
            return {pair.key: _decode(pair.value) for pair in content.values}
        case "tensor_spec_value":
            return tf.TensorSpec(tf.TensorShape(content.shape), tf.dtypes.as_dtype(content.dtype))
        case "string_value" | "bool_value":
            return content
    return None
