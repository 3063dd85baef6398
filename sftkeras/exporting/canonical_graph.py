"""Makes the graph of a SavedModel a function of the model alone, not of what the process traced before.

TensorFlow numbers every function it traces and every module it loads, and the numbers end up in the graph, in the names
and hence in the order of its functions. Here functions are numbered by their contents instead, and loads by their
order, so that exporting a model twice gives equal bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping

from tensorflow.core.framework.function_pb2 import FunctionDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.config_pb2 import ConfigProto
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tensorflow.core.protobuf.saved_object_graph_pb2 import SavedConcreteFunction

_NUMBER = re.compile(r"_\d+$")
_PLACEHOLDER = re.compile(r"_\d+(?=___redundant_placeholder)")
_LOAD = re.compile(rb"_load_\d+(_\d+)?$")


def canonicalise(graph: MetaGraphDef) -> None:
    """Renames and sorts the functions of `graph`, in place; those that do the same become one."""
    library = graph.graph_def.library
    functions = {function.signature.name: function for function in library.function}
    _forget_process(graph.graph_def.node, functions.values())
    _renumber_loads([*graph.graph_def.node, *(node for function in functions.values() for node in function.node_def)])
    names = _names_by_content(functions, graph.object_graph_def.concrete_functions)
    for nodes in (graph.graph_def.node, *(function.node_def for function in functions.values())):
        for reference in _references(nodes):
            reference.name = names[reference.name]
    renamed = {}
    for old, function in functions.items():
        function.signature.name = names[old]
        renamed[names[old]] = function.SerializeToString(deterministic=True)
    del library.function[:]
    library.function.extend(FunctionDef.FromString(renamed[name]) for name in sorted(renamed))
    _rename_saved_functions(graph, names)


def op_names(graph: MetaGraphDef) -> list[str]:
    """The operations that `graph` and its functions use: what a server must have linked in, sorted."""
    functions = graph.graph_def.library.function
    nodes = [*graph.graph_def.node, *(node for function in functions for node in function.node_def)]
    return sorted({node.op for node in nodes})


def _forget_process(nodes: Iterable[NodeDef], functions: Iterable[FunctionDef]) -> None:
    """Drops what holds nothing but process-wide numbers, and how many devices the process has.

    `_gradient_op_type` names a Python gradient that is not saved; without it a loader takes the operation's own. An
    argument that captures a resource has the resource's number as the name its user gave it.
    """
    for node in nodes:
        _forget_process_of_node(node)
    for function in functions:
        for node in function.node_def:
            _forget_process_of_node(node)
        for argument in function.arg_attr.values():
            if argument.attr["_user_specified_name"].s.isdigit():
                argument.attr.pop("_user_specified_name")
        _number_arguments(function)


def _forget_process_of_node(node: NodeDef) -> None:
    node.attr.pop("_gradient_op_type", None)
    if "config_proto" in node.attr:
        config = ConfigProto.FromString(node.attr["config_proto"].s)
        config.ClearField("device_count")
        node.attr["config_proto"].s = config.SerializeToString(deterministic=True)


def _number_arguments(function: FunctionDef) -> None:
    """Numbers arguments by their position: what a function captures inside of a scope ends in a process-wide number.

    What the condition of a loop does not look at has such a number inside of its name.
    """
    renamed = {}
    for position, argument in enumerate(function.signature.input_arg):
        name = _PLACEHOLDER.sub("", _NUMBER.sub(f"_argument{position}", argument.name))
        renamed[argument.name], argument.name = name, name
    for node in function.node_def:
        node.input[:] = [renamed.get(name, name) for name in node.input]
    for output, source in list(function.ret.items()):
        function.ret[output] = renamed.get(source, source)


def _renumber_loads(nodes: Iterable[NodeDef]) -> None:
    """Numbers the loads from zero: the shared name of a loaded resource, such as a table, ends in its load's number."""
    suffixed = {}
    for node in nodes:
        if match := _LOAD.search(node.attr["shared_name"].s) if "shared_name" in node.attr else None:
            suffixed[match[0]] = tuple(int(number) for number in re.findall(rb"\d+", match[0]))
    order = {suffix: number for number, suffix in enumerate(sorted(suffixed, key=suffixed.__getitem__))}
    for node in nodes:
        if "shared_name" in node.attr:
            name = node.attr["shared_name"].s
            node.attr["shared_name"].s = _LOAD.sub(lambda match: b"_load_%d" % order[match[0]], name)


def _names_by_content(
    functions: dict[str, FunctionDef], bindings: Mapping[str, SavedConcreteFunction]
) -> dict[str, str]:
    """Gives {old name: new name}: the name without its number, numbered by a hash of what the function does.

    Of two functions that do the same with different objects, such as two tables, `bindings` shows which has which.
    """
    digests: dict[str, str] = {}

    def digest(name: str) -> str:
        if name not in digests:
            content = FunctionDef()
            content.CopyFrom(functions[name])
            content.signature.name = ""
            for reference in _references(content.node_def):
                reference.name = digest(reference.name)
            binding = bindings[name].SerializeToString(deterministic=True) if name in bindings else b""
            digests[name] = hashlib.sha256(content.SerializeToString(deterministic=True) + binding).hexdigest()
        return digests[name]

    contents = {name: (_NUMBER.sub("", name), digest(name)) for name in functions}
    # No number twice, whatever stands before it: TensorFlow's fingerprint knows functions by their numbers alone.
    numbers = {content: number for number, content in enumerate(sorted(set(contents.values())))}
    return {name: f"{content[0]}_{numbers[content]}" for name, content in contents.items()}


def _references(nodes: Iterable[NodeDef]) -> Iterator:
    """Yields every mention of a function in the nodes' attributes (a `NameAttrList`)."""
    for node in nodes:
        for value in node.attr.values():
            if value.HasField("func"):
                yield value.func
            yield from value.list.func


def _rename_saved_functions(graph: MetaGraphDef, names: dict[str, str]) -> None:
    """Follows the new names in the part of the graph that `tf.saved_model.load` reads."""
    objects = graph.object_graph_def
    saved = {names[name]: function.SerializeToString() for name, function in objects.concrete_functions.items()}
    objects.concrete_functions.clear()
    for name, function in saved.items():
        objects.concrete_functions[name].MergeFromString(function)
    for node in objects.nodes:
        if node.HasField("bare_concrete_function"):
            bare = node.bare_concrete_function
            bare.concrete_function_name = names[bare.concrete_function_name]
        if node.HasField("function"):
            node.function.concrete_functions[:] = [names[name] for name in node.function.concrete_functions]
