"""Makes the graph of a SavedModel a function of the model alone, not of what the process traced before.

TensorFlow numbers every function it traces, and the numbers end up in the graph, in the names and hence in the order of
its functions. Here functions are numbered by their contents instead, so that exporting a model twice gives equal bytes.
"""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Iterator

from tensorflow.core.framework.function_pb2 import FunctionDef
from tensorflow.core.framework.node_def_pb2 import NodeDef
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef


def canonicalise(graph: MetaGraphDef) -> None:
    """Renames and sorts the functions of `graph`, in place; those that do the same become one."""
    library = graph.graph_def.library
    functions = {function.signature.name: function for function in library.function}
    _forget_numbers(graph.graph_def.node, functions.values())
    names = _names_by_content(functions)
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


def _forget_numbers(nodes: Iterable[NodeDef], functions: Iterable[FunctionDef]) -> None:
    """Drops attributes that hold nothing but process-wide numbers.

    `_gradient_op_type` names a Python gradient that is not saved; without it a loader takes the operation's own. An
    argument that captures a resource has the resource's number as the name its user gave it.
    """
    for node in nodes:
        node.attr.pop("_gradient_op_type", None)
    for function in functions:
        for node in function.node_def:
            node.attr.pop("_gradient_op_type", None)
        for argument in function.arg_attr.values():
            if argument.attr["_user_specified_name"].s.isdigit():
                argument.attr.pop("_user_specified_name")


def _names_by_content(functions: dict[str, FunctionDef]) -> dict[str, str]:
    """Gives {old name: new name}: the name without its number, numbered by a hash of what the function does."""
    digests: dict[str, str] = {}

    def digest(name: str) -> str:
        if name not in digests:
            content = FunctionDef()
            content.CopyFrom(functions[name])
            content.signature.name = ""
            for reference in _references(content.node_def):
                reference.name = digest(reference.name)
            digests[name] = hashlib.sha256(content.SerializeToString(deterministic=True)).hexdigest()
        return digests[name]

    contents = {name: (re.sub(r"_\d+$", "", name), digest(name)) for name in functions}
    numbers: dict[tuple[str, str], int] = {}
    count: Counter[str] = Counter()
    for stem, content_digest in sorted(set(contents.values())):
        numbers[stem, content_digest] = count[stem]
        count[stem] += 1
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
