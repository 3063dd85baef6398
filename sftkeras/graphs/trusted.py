"""Whether a SavedModel from elsewhere may be loaded: every operation that can run is in trusted_operations.txt.

Looks at what a loader runs and at what a caller can reach, through all functions that are called, and nowhere else:
what nothing calls does no harm. An operation that reads a file may read the model's own files alone: its variables, and
its assets. Nothing is run.

This file imports nothing of the package, and runs by itself: the process that answers from exports takes it so.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path, PurePosixPath
from typing import Any

from tensorflow.core.protobuf.meta_graph_pb2 import AssetFileDef, MetaGraphDef, SignatureDef
from tensorflow.core.protobuf.saved_model_pb2 import SavedModel

OPERATIONS = Path(__file__).with_name("trusted_operations.txt")

# The operations among them that read files, and which of their inputs names the file.
_READERS = {"InitializeTableFromTextFile": 1, "InitializeTableFromTextFileV2": 1, "RestoreV2": 0}

# Operations that call a function with their own inputs, one by one.
_CALLS = {"PartitionedCall", "StatefulPartitionedCall"}

_SERVED = {"serve"}  # the tags of the graph that a server loads

# Where a SavedModel says what runs when it is loaded (tensorflow/cc/saved_model/constants.h).
_INIT_SIGNATURE = "__saved_model_init_op"
_INIT_COLLECTIONS = ("saved_model_main_op", "legacy_init_op")
_ASSETS_COLLECTION = "saved_model_assets"

Names = frozenset[str]


class UntrustedGraphError(ValueError):
    """A graph that could reach outside of its model; says which operation does, and where it stands."""


@cache
def trusted_operations() -> Names:
    """The operations of the list."""
    lines = OPERATIONS.read_text(encoding="utf-8").splitlines()
    return frozenset(name for line in lines if not line.startswith("#") for name in line.split())


def check_served(folder: Path) -> None:
    """Checks the graph that a server loads from a folder; see `check_signatures`."""
    for meta_graph in SavedModel.FromString((folder / "saved_model.pb").read_bytes()).meta_graphs:
        if set(meta_graph.meta_info_def.tags) == _SERVED:
            check_signatures(meta_graph)


def check_signatures(meta_graph: MetaGraphDef) -> None:
    """Checks what a V1 loader, such as TensorFlow Serving's, runs and offers: signatures, initialisation, restoring.

    Raises:
        UntrustedGraphError: an operation that can run is not in the list, or reads a file that is not the model's own.
    """
    _check_assets(meta_graph)
    graph = _Graph(meta_graph)
    saver = meta_graph.saver_def
    assets = frozenset(_name(asset.tensor_info.name) for asset in _assets(meta_graph))
    if saver.restore_op_name:
        graph.check_from([saver.restore_op_name], frozenset([_name(saver.filename_tensor_name)]))
    # Only while a model is loaded are its assets fed with the paths of its own files.
    graph.check_from(_initial_operations(meta_graph), assets)
    for name, signature in meta_graph.signature_def.items():
        if name != _INIT_SIGNATURE or signature.method_name:
            graph.check_from(_tensors(signature), frozenset())


def check_functions(meta_graph: MetaGraphDef) -> None:
    """Checks what `tf.saved_model.load` runs and offers: the functions of the model's objects.

    Raises:
        UntrustedGraphError: as `check_signatures`.
    """
    _check_assets(meta_graph)
    graph, objects = _Graph(meta_graph), meta_graph.object_graph_def
    for name, function in objects.concrete_functions.items():
        # What a function captures are its last arguments.
        captured = zip(reversed(graph.arguments(name)), reversed(function.bound_inputs), strict=False)
        own = (argument for argument, node in captured if objects.nodes[node].WhichOneof("kind") == "asset")
        graph.check_function(name, frozenset(own))


def _check_assets(meta_graph: MetaGraphDef) -> None:
    for asset in _assets(meta_graph):
        path = PurePosixPath(asset.filename.replace("\\", "/"))
        if path.is_absolute() or ".." in path.parts:
            raise UntrustedGraphError(f"its asset {asset.filename!r} is outside of its folder")


def _assets(meta_graph: MetaGraphDef) -> Iterator[AssetFileDef]:
    yield from meta_graph.asset_file_def
    if _ASSETS_COLLECTION in meta_graph.collection_def:  # as TensorFlow 1 keeps them
        for asset in meta_graph.collection_def[_ASSETS_COLLECTION].any_list.value:
            yield AssetFileDef.FromString(asset.value)


def _initial_operations(meta_graph: MetaGraphDef) -> Iterator[str]:
    if _INIT_SIGNATURE in meta_graph.signature_def:
        yield from _tensors(meta_graph.signature_def[_INIT_SIGNATURE])
    for collection in _INIT_COLLECTIONS:
        if collection in meta_graph.collection_def:
            yield from meta_graph.collection_def[collection].node_list.value


def _tensors(signature: SignatureDef) -> Iterator[str]:
    """The names of all tensors of a signature, whatever these are parts of."""
    for info in (*signature.inputs.values(), *signature.outputs.values()):
        match info.WhichOneof("encoding"):
            case "name":
                yield info.name
            case "coo_sparse":
                sparse = info.coo_sparse
                yield from (sparse.values_tensor_name, sparse.indices_tensor_name, sparse.dense_shape_tensor_name)
            case "composite_tensor":
                yield from (component.name for component in info.composite_tensor.components)


def _name(tensor: str) -> str:
    """The node or the argument that a tensor, or a control input, comes from."""
    return tensor.removeprefix("^").partition(":")[0]


@dataclass(frozen=True)
class _Body:
    """Nodes that can run.

    Attributes:
        place: where they stand, for messages.
        nodes: by name.
        own_files: the nodes and arguments that hold the path of a file of the model itself.
        variables: the nodes of variables that no other node stands for.
    """

    place: str
    nodes: Mapping[str, Any]
    own_files: Names
    variables: Names = frozenset()

    def is_own_file(self, tensor: str) -> bool:
        """Whether a tensor is the path of a file of the model itself."""
        name: str | None = _name(tensor)
        seen: set[str] = set()
        while name is not None and name in self.nodes and name not in {*self.own_files, *seen}:
            seen.add(name)
            name = self._source(self.nodes[name])
        return name in self.own_files

    def _source(self, node: Any) -> str | None:
        """Source of a node's value, if it hands on one without changing it."""
        match node.op:
            case "Identity":
                return _name(node.input[0])
            case "ReadVariableOp":  # as TensorFlow 2 keeps the path of an asset
                return self._assigned(_name(node.input[0]), {_name(it) for it in node.input[1:]})
        return None

    def _assigned(self, variable: str, before: set[str]) -> str | None:
        """Return the source of a variable's value after the nodes `before`, if that is certain."""
        users = [node for node in self.nodes.values() if variable in map(_name, node.input)]
        assignments = [node for node in users if node.op == "AssignVariableOp"]
        harmless = {"AssignVariableOp", "ReadVariableOp", "VarIsInitializedOp"}
        certain = variable in self.variables and len(assignments) == 1 and {node.op for node in users} <= harmless
        return _name(assignments[0].input[1]) if certain and assignments[0].name in before else None


class _Graph:
    """The nodes and functions of a meta graph."""

    def __init__(self, meta_graph: MetaGraphDef) -> None:
        self._nodes = {node.name: node for node in meta_graph.graph_def.node}
        library = meta_graph.graph_def.library
        self._functions = {function.signature.name: function for function in library.function}
        self._gradients: dict[str, list[str]] = {}
        for gradient in library.gradient:
            self._gradients.setdefault(gradient.function_name, []).append(gradient.gradient_func)
        self._variables = self._single_variables()
        self._registered = [gradient.gradient_func for gradient in library.registered_gradients]
        self._checked: set[tuple[str, Names]] = set()

    def arguments(self, name: str) -> list[str]:
        """The names of a function's arguments, one for each tensor; none if one of them stands for several."""
        if name not in self._functions:
            return []
        arguments = self._functions[name].signature.input_arg
        several = any(argument.number_attr or argument.type_list_attr for argument in arguments)
        return [] if several else [argument.name for argument in arguments]

    def check_from(self, tensors: Iterable[str], own_files: Names) -> None:
        """Checks the nodes of the main graph by which these tensors are computed, and what they call."""
        reached, waiting = {}, [_name(tensor) for tensor in tensors]
        while waiting:
            name = waiting.pop()
            if name not in reached and name in self._nodes:
                reached[name] = self._nodes[name]
                waiting += map(_name, self._nodes[name].input)
        self._check([_Body("its main graph", reached, own_files, self._variables)])

    def check_function(self, name: str, own_files: Names) -> None:
        """Checks a function, and what it calls."""
        self._check(self._body(name, own_files))

    def _check(self, bodies: Iterable[_Body]) -> None:
        waiting = [*bodies, *(body for name in self._registered for body in self._body(name))]
        while waiting:
            body = waiting.pop()
            for node in body.nodes.values():
                if node.op not in self._functions:
                    _check_node(node, body)
                waiting += self._called(node, body)

    def _single_variables(self) -> Names:
        inner = (node for function in self._functions.values() for node in function.node_def)
        handles = [node for node in (*self._nodes.values(), *inner) if node.op == "VarHandleOp"]
        shared = Counter(_shared_name(node) for node in handles)
        return frozenset(node.name for node in handles if shared[_shared_name(node)] == 1)

    def _body(self, name: str, own_files: Names = frozenset()) -> Iterator[_Body]:
        """The body of a function, and those that may run in its place; nothing if they have been looked at."""
        if name not in self._functions or (name, own_files) in self._checked:
            return
        self._checked.add((name, own_files))
        function = self._functions[name]
        yield _Body(f"its function {name}", {node.name: node for node in function.node_def}, own_files)
        for other in (*self._gradients.get(name, ()), *self._stand_ins(function)):
            yield from self._body(other)

    def _stand_ins(self, function: Any) -> Iterator[str]:
        """Functions that TensorFlow's optimizer may take instead, as it does with a recurrent layer's on a GPU
        (implementation_selector.cc)."""
        interface = function.attr["api_implements"].s if "api_implements" in function.attr else None
        if interface is not None:
            for name, other in self._functions.items():
                if "api_implements" in other.attr and other.attr["api_implements"].s == interface:
                    yield name
        for attribute in ("forward_function_name", "backward_function_name"):
            if attribute in function.attr:
                yield function.attr[attribute].s.decode("utf-8", "replace")

    def _called(self, node: Any, body: _Body) -> Iterator[_Body]:
        """Yield the functions that a node calls: by an attribute, or by its very name."""
        names = [function.name for value in node.attr.values() for function in (value.func, *value.list.func)]
        for name in (*filter(None, names), node.op):
            if name in self._functions:
                passes = node.op in _CALLS or name == node.op
                yield from self._body(name, self._own_arguments(name, node, body) if passes else frozenset())

    def _own_arguments(self, name: str, node: Any, body: _Body) -> Names:
        """The arguments of a function for which a call gives paths of the model's own files."""
        tensors = (tensor for tensor in node.input if not tensor.startswith("^"))
        pairs = zip(self.arguments(name), tensors, strict=False)
        return frozenset(argument for argument, tensor in pairs if body.is_own_file(tensor))


def _shared_name(handle: Any) -> str:
    return handle.attr["shared_name"].s.decode("utf-8", "replace") or handle.name


def _check_node(node: Any, body: _Body) -> None:
    if node.op not in trusted_operations():
        raise UntrustedGraphError(f"{body.place} runs the operation {node.op}")
    reads = _READERS.get(node.op)
    if reads is not None and not (len(node.input) > reads and body.is_own_file(node.input[reads])):
        raise UntrustedGraphError(f"{body.place} reads a file that is not the model's own, by {node.op}")
