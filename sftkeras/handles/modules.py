"""TF-Hub modules: fetched or unpacked once, then kept where and as `tensorflow_hub` keeps them.

So each of the two finds what the other fetched. Where a module comes from is the business of `web` and `cloud`.
"""

from __future__ import annotations

import datetime
import hashlib
import logging
import os
import re
import socket
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sftkeras.disk import cache
from sftkeras.disk.files import land, sha256_of, write_errors, write_text
from sftkeras.errors import SFTError
from sftkeras.handles.archives import BOUNDS, Bounds
from sftkeras.handles.folders import SAVED_MODEL, check_saved_model
from sftkeras.handles.parsing import BucketHandle, WebHandle
from sftkeras.handles.progress import waiting
from sftkeras.handles.tar_archives import unpack_tar

VARIABLE = "TFHUB_CACHE_DIR"

# Brings a module into an empty folder; returns where in it the module stands, and the SHA-256 of its archive, if any.
Fetch = Callable[[Path], tuple[Path, str | None]]

_log = logging.getLogger(__name__)


def kept_or_fetched(handle: WebHandle | BucketHandle, fetch: Fetch, *, flag: str, offline: bool) -> Path:
    """Returns the folder of a module, from the cache or else by `fetch`; no two processes fetch one at once.

    Raises:
        SFTError: SFT106, SFT108 if the cache cannot be written; SFT306, SFT363, SFT364 if it is no module to be used;
            SFT317 offline and not cached; and what `fetch` raises.
    """
    folder, variable = _cache()
    entry = folder / hashlib.sha1(handle.address.encode(), usedforsecurity=False).hexdigest()
    if kept := _kept(entry, handle.sha256):
        return kept
    if offline:
        raise SFTError("SFT317", flag=flag, handle=handle)
    with cache.locked(entry, variable):
        if kept := _kept(entry, handle.sha256):  # by the process that was waited for
            return kept
        with write_errors(folder, variable), cache.scratch(_aside(entry)) as work:
            module, sha256 = fetch(work)
            check_saved_model(module, handle)
            _keep(module, entry, handle, sha256)
    if sha256 and handle.sha256 is None:
        _log.warning("%s has no hash and was not checked. Pin it: %s", handle, replace(handle, sha256=sha256))
    return entry


def unpack_local(archive: Path) -> Path:
    """Returns the folder of the module in an archive on this machine, unpacked once for each content.

    Raises:
        SFTError: as `kept_or_fetched`, and SFT314, SFT316, SFT340 of the archive.
    """
    try:
        sha256 = sha256_of(archive)
    except OSError as error:
        raise SFTError("SFT314", archive=archive, problem=error.strerror or error) from error
    entry = cache.cache_folder("archives") / sha256
    if kept := _kept(entry):
        return kept
    with cache.locked(entry):
        if kept := _kept(entry):
            return kept
        with write_errors(entry.parent, cache.VARIABLE), cache.scratch(_aside(entry)) as work:
            module = unpacked(archive, work, archive)
            check_saved_model(module, archive)
            land(module, entry)
    return entry


def checked_and_unpacked(
    archive: Path, handle: WebHandle | BucketHandle, *, flag: str, bounds: Bounds
) -> tuple[Path, str]:
    """Compares a fetched archive with the hash of its handle and unpacks it; returns the module and the hash.

    Raises:
        SFTError: SFT313 wrong hash; SFT314, SFT316, SFT340 of the archive.
    """
    sha256 = sha256_of(archive)
    if handle.sha256 not in (None, sha256):
        raise SFTError("SFT313", flag=flag, handle=handle, expected=handle.sha256, got=sha256)
    return unpacked(archive, archive.parent, handle, bounds), sha256


def unpacked(archive: Path, work: Path, name: object, bounds: Bounds = BOUNDS) -> Path:
    """Unpacks an archive below `work` and returns the folder of the module: its root, or the one folder in it.

    Raises:
        SFTError: SFT314 broken; SFT316 unsafe; SFT340 no module in it. `name` stands for the archive.
    """
    root = work / "unpacked"
    root.mkdir()
    with waiting(f"Unpacking {name}"):
        unpack_tar(archive, root, name=name, bounds=bounds)
    module = _module_in(root)
    if module is None:
        found = ", ".join(sorted(path.name for path in root.iterdir())[:5])
        raise SFTError("SFT340", archive=name, found=found or "nothing")
    return module


def _cache() -> tuple[Path, str]:
    """The folder of the modules, and the variable that chooses it."""
    place = os.environ.get(VARIABLE)
    if not place:
        return cache.cache_folder("tfhub"), cache.VARIABLE
    if "://" in place:  # tensorflow_hub can keep modules in a bucket
        raise SFTError("SFT102", flag=VARIABLE, problem=f"{place} is not on this machine. Give a local folder.")
    folder = Path(place).expanduser().absolute()
    with write_errors(folder, VARIABLE):
        folder.mkdir(parents=True, exist_ok=True)
    return folder, VARIABLE


def _kept(entry: Path, sha256: str | None = None) -> Path | None:
    """The module of an entry, also of one that tensorflow_hub made, if it is whole and its archive had this hash."""
    module = _module_in(entry)
    if module is None or sha256 not in (None, _recorded_hash(entry)):
        return None
    try:
        check_saved_model(module, entry)
    except SFTError as error:
        _log.warning("Not used: %s", error)
        return None
    return module


def _module_in(folder: Path) -> Path | None:
    if (folder / SAVED_MODEL).is_file():
        return folder
    visible = [path for path in folder.glob("*") if not path.name.startswith(".")]  # leaves out what macOS adds
    return visible[0] if len(visible) == 1 and (visible[0] / SAVED_MODEL).is_file() else None


def _keep(module: Path, entry: Path, handle: WebHandle | BucketHandle, sha256: str | None) -> None:
    descriptor = _descriptor(entry)
    descriptor.unlink(missing_ok=True)  # first, so that it never speaks of another module than the one that is there
    land(module, entry)
    lines = [
        f"Module: {handle.address}",
        f"Download Time: {datetime.datetime.now()}",
        f"Downloader Hostname: {socket.gethostname()} (PID:{os.getpid()})",
    ]
    write_text(descriptor, "\n".join(lines + ([f"SHA-256: {sha256}"] if sha256 else [])))


def _descriptor(entry: Path) -> Path:
    """The file by which tensorflow_hub describes an entry to people. Programs read only our last line of it."""
    return entry.with_name(f"{entry.name}.descriptor.txt")


def _recorded_hash(entry: Path) -> str | None:
    try:
        found = re.search(r"^SHA-256: ([0-9a-f]{64})$", _descriptor(entry).read_text(encoding="utf-8"), re.MULTILINE)
    except (OSError, UnicodeDecodeError):
        return None
    return found[1] if found else None


def _aside(entry: Path) -> Path:
    return entry.with_name(f".{entry.name}.download")
