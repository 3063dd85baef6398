"""Entries of the cache that are made once and then found: the one way in for `store` and `tokens`."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from sftkeras.disk.cache import VARIABLE, building, cache_folder, locked, read_manifest, write_manifest
from sftkeras.disk.files import write_errors
from sftkeras.errors import SFTError


def find_or_make(folder: Path, write: Callable[[Path], Mapping[str, Any]]) -> dict[str, Any]:
    """Returns the manifest of a cache entry, which `write` makes if it is not there whole.

    Two processes that want the same entry wait for each other; one that fails leaves nothing behind.

    Args:
        folder: where the entry is; its name says all that decides its content.
        write: fills a new folder and returns what the manifest is to say.

    Raises:
        SFTError: SFT106 or SFT108 if the cache cannot be written, and what `write` raises.
    """
    manifest = read_manifest(folder)
    if manifest is None:
        with locked(folder):
            manifest = read_manifest(folder) or _make(folder, write)
    return manifest


def remembered(name: str, key: str, find: Callable[[], Mapping[str, Any]]) -> dict[str, Any]:
    """Returns plain values that `find` gives, which are computed once for a key.

    Args:
        name: of what they are.
        key: says all that decides them.
        find: gives what JSON can hold.

    Raises:
        SFTError: as `find_or_make`.
    """
    entry = hashlib.sha256(key.encode()).hexdigest()[:32]
    return find_or_make(cache_folder("data") / f"{entry}-{name}", lambda _: find())


def _make(folder: Path, write: Callable[[Path], Mapping[str, Any]]) -> dict[str, Any]:
    with building(folder) as unfinished:
        about = write(unfinished)
        with write_errors(folder, VARIABLE):
            write_manifest(unfinished, **about)
    manifest = read_manifest(folder)
    if manifest is None:
        raise SFTError("SFT106", path=folder, problem="what was written cannot be read back", flag=VARIABLE)
    return manifest
