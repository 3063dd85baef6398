"""The cache folder: where it is, how an entry lands whole or not at all, and how one process waits for another.

What the entries hold is the business of `sftkeras.handles` and `sftkeras.data`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from sftkeras.disk.files import land, sha256_of, write_errors

VARIABLE = "SFTKERAS_CACHE"
MANIFEST = "manifest.json"

_log = logging.getLogger(__name__)


def cache_folder(*parts: str) -> Path:
    """Makes and returns a folder of the cache, which is at `$SFTKERAS_CACHE` or `~/.cache/sftkeras`.

    Raises:
        SFTError: SFT106 if it cannot be made, SFT108 if the disk is full.
    """
    folder = Path(os.environ.get(VARIABLE) or "~/.cache/sftkeras").expanduser().absolute().joinpath(*parts)
    with write_errors(folder, VARIABLE):
        folder.mkdir(parents=True, exist_ok=True)
    return folder


@contextlib.contextmanager
def locked(path: Path, flag: str = VARIABLE) -> Iterator[None]:
    """Holds the lock of `path` among all processes; the system frees it when its holder dies.

    An error of writing names `flag` as what sets the folder.
    """
    lock = FileLock(path.with_name(f".{path.name}.lock"))
    with write_errors(path.parent, flag):
        try:
            lock.acquire(timeout=0)
        except Timeout:
            _log.info("Waiting for another process that is making %s.", path)
            lock.acquire()
    try:
        yield
    finally:
        lock.release()


@contextlib.contextmanager
def scratch(folder: Path) -> Iterator[Path]:
    """Gives an empty folder that is removed at the end, whatever happens.

    Call it under a lock: the name is fixed, so that what a killed process left there is swept away.
    """
    try:
        with write_errors(folder.parent, VARIABLE):
            shutil.rmtree(folder, ignore_errors=True)
            folder.mkdir(parents=True)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextlib.contextmanager
def building(final: Path) -> Iterator[Path]:
    """Gives an empty folder beside `final` that becomes `final` if the block succeeds and is removed if it fails.

    Call it under `locked(final)`, as `scratch`.
    """
    with scratch(final.with_name(f".{final.name}.partial")) as temporary:
        yield temporary
        with write_errors(final.parent, VARIABLE):
            land(temporary, final)


def write_manifest(folder: Path, **about: object) -> None:
    """Records the files of a finished entry (size, time, SHA-256) and what `about` says; call it last of all."""
    files = {}
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        status = path.stat()
        files[path.relative_to(folder).as_posix()] = [status.st_size, status.st_mtime_ns, sha256_of(path)]
    (folder / MANIFEST).write_text(json.dumps({**about, "files": files}, indent=1), encoding="utf-8")


def read_manifest(folder: Path) -> dict[str, Any] | None:
    """Returns the manifest of an entry, or None if there is no entry or its files are not those it records.

    A file of the recorded size and time is taken as unchanged; one whose time differs is hashed.
    """
    try:
        manifest = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
        damaged = [name for name, recorded in manifest["files"].items() if not _unchanged(folder / name, *recorded)]
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        damaged = [MANIFEST]
    if not damaged:
        return manifest
    _log.warning("%s is damaged (%s) and is not used.", folder, damaged[0])
    return None


def _unchanged(path: Path, size: int, modified: int, digest: str) -> bool:
    if not path.is_file():
        return False
    status = path.stat()
    return status.st_size == size and (status.st_mtime_ns == modified or sha256_of(path) == digest)
