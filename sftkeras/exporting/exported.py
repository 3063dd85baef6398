"""A version that was published, and the note by which an interrupted run finds it again. Imports no TensorFlow."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftkeras.disk.files import write_text
from sftkeras.errors import SFTError
from sftkeras.exporting.agreement import Agreement
from sftkeras.exporting.contract import read_contract

# Entries of a contract that distinguish one version from another.
_CONTENTS = ("created", "weights_sha256", "graph_sha256")


@dataclass(frozen=True)
class ExportedVersion:
    """A version that a server can load.

    Attributes:
        path: FOLDER/NAME/VERSION.
        version: its number.
        parity: largest difference between its predictions and those of the model in memory.
        size_ratio: bytes of its variables over bytes of the parameters it uses.
        minimum_server: the oldest release of TensorFlow Serving that can load it; None if no public one can.
        warnings: for users who serve it.
        agreement: of a rounded export with the exact one; None of an exact one.
    """

    path: Path
    version: int
    parity: float
    size_ratio: float
    minimum_server: str | None
    warnings: tuple[SFTError, ...] = ()
    agreement: Agreement | None = None


def note_version(note: Path, version: ExportedVersion, contract: dict[str, Any], server: str | None) -> None:
    """Writes down which version is about to be published.

    Args:
        note: the file.
        version: what it will be.
        contract: its contract.
        server: the release that had to be able to load it.
    """
    about = {
        "path": str(version.path.absolute()),
        "parity": version.parity,
        "size_ratio": version.size_ratio,
        "server": server,
        "contract": {entry: contract[entry] for entry in _CONTENTS},
    }
    write_text(note, json.dumps(about, indent=2, ensure_ascii=False) + "\n")


def noted_version(note: Path, folder: Path, server: str | None) -> ExportedVersion | None:
    """The version in `folder` that was published after it was noted; None if there is none, or it is another one."""
    try:
        about = json.loads(note.read_text(encoding="utf-8"))
        path = Path(about["path"])
        contract = read_contract(path)
    except (OSError, ValueError, KeyError, TypeError, SFTError):
        return None
    wanted = (folder.absolute(), server, {entry: contract.get(entry) for entry in _CONTENTS})
    if wanted != (path.parent, about["server"], about["contract"]):
        return None
    # As a child of `folder`, which may be relative to where the command runs.
    return ExportedVersion(
        folder / path.name, int(path.name), about["parity"], about["size_ratio"], contract["minimum_server"]
    )
