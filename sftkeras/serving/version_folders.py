"""The version folders of a model on disk: which there are, and whether one is complete."""

from __future__ import annotations

import os
import re
import time
from pathlib import Path

GRAPH = "saved_model.pb"

# A folder in which a file was written or came to be within this time may still be copied to. (An export lands by a
# rename, hence whole.)
_SETTLED_SECONDS = 1.0

_LARGEST_VERSION = 2**63 - 1  # an int64 in the protocols

Fingerprint = tuple[tuple[str, int, int], ...]


def version_folders(model: Path) -> dict[int, Path]:
    """The version folders of a model folder by number, those without a graph left out.

    Raises:
        OSError: the folder cannot be read.
    """
    found = {}
    for entry in sorted(model.iterdir()):
        if re.fullmatch(r"[0-9]+", entry.name) and int(entry.name) <= _LARGEST_VERSION and (entry / GRAPH).is_file():
            found[int(entry.name)] = entry
    return found


def fingerprint(version: Path) -> Fingerprint:
    """Names, sizes and times of all files in a version folder: equal as long as nothing changes.

    Raises:
        OSError: the folder cannot be read, or files vanish.
    """
    return tuple(
        (str(path.relative_to(version)), status.st_size, status.st_ctime_ns)
        for path, status in ((path, path.stat()) for path in sorted(version.rglob("*")))
        if not os.path.isdir(path)
    )


def is_settled(files: Fingerprint) -> bool:
    """Whether nothing was written to the files lately, so that they are complete.

    A network drive with a clock ahead does not show it. If the folder is incomplete after all, it fails to load, and
    is tried again when it changes.
    """
    newest = max((changed for _, _, changed in files), default=0)
    return abs(time.time_ns() - newest) > _SETTLED_SECONDS * 1e9
