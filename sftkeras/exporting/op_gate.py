"""Finds the releases of TensorFlow Serving that can load a graph: those that have all of its operations.

The table is server_operations.json, with its sources. A server of one's own making may link more. Importing this module
imports no TensorFlow.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.errors import SFTError

if TYPE_CHECKING:
    from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef

_TABLE = Path(__file__).with_name("server_operations.json")


@dataclass(frozen=True)
class ServerNeeds:
    """Requirements of a graph on its server.

    Attributes:
        minimum: the oldest release that can, of those in the table; None if none of them can.
        unknown: operations that no release links.
    """

    minimum: str | None
    unknown: tuple[str, ...] = ()

    def warning(self) -> SFTError | None:
        """Warning for users who want to serve the graph, if no release can."""
        if self.minimum:
            return None
        return SFTError("SFT513", newest=_servers()[-1], why=_why(self.unknown))


def server_needs(graph: MetaGraphDef) -> ServerNeeds:
    """Finds the oldest release of TensorFlow Serving that can load the graph."""
    for server in _servers():
        missing = _missing(server, graph)
        if not missing and _reads(server, graph):
            return ServerNeeds(server)
    return ServerNeeds(None, missing)


def known_release(server: str, flag: str = "--export.server") -> str:
    """Gives the release that a user means: 2.19.1 by itself, 2.19 by its oldest.

    Raises:
        SFTError: SFT514 if it is not in the table.
    """
    for known in _servers():
        if f"{known}.".startswith(f"{server}."):
            return known
    raise SFTError("SFT514", flag=flag, server=server, known=", ".join(_servers()))


def check_server(graph: MetaGraphDef, server: str) -> None:
    """Makes sure that a release in the table can load the graph.

    Raises:
        SFTError: SFT512 if it cannot.
    """
    missing = _missing(server, graph)
    if missing or not _reads(server, graph):
        minimum = server_needs(graph).minimum
        remedy = f"Serve it with {minimum} or newer." if minimum else "No release can."
        raise SFTError("SFT512", server=server, why=_why(missing), remedy=remedy)


@cache
def _table() -> dict[str, Any]:
    return json.loads(_TABLE.read_text(encoding="utf-8"))


def _servers() -> list[str]:
    """The releases in the table, oldest first."""
    return list(_table()["servers"])


def _missing(server: str, graph: MetaGraphDef) -> tuple[str, ...]:
    """The operations of the graph that a release does not link."""
    from sftkeras.exporting.canonical_graph import op_names

    linked = _servers()[: _servers().index(server) + 1]
    return tuple(name for name in op_names(graph) if _since(name) not in linked)


def _since(operation: str) -> str | None:
    """The first release that links an operation; None if none does."""
    later = _table()["text_operations"] | _table()["newer_core_operations"]
    return later.get(operation) or (_servers()[0] if operation in _core_operations() else None)


@cache
def _core_operations() -> frozenset[str]:
    """The operations of TensorFlow itself, by the installed version."""
    import tensorflow as tf

    return frozenset(dir(tf.raw_ops))


def _reads(server: str, graph: MetaGraphDef) -> bool:
    """Whether the server's graph format is as new as the graph asks for."""
    version, wanted = _table()["servers"][server]["graph_version"], graph.graph_def.versions
    return version >= wanted.min_consumer and version not in wanted.bad_consumers


def _why(missing: Iterable[str]) -> str:
    return f"no operation {', '.join(missing)}" if missing else "an older graph format"
