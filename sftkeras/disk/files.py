"""Files that are whole or not there: written aside, then renamed. And what is said where they cannot be written."""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from sftkeras.errors import SFTError


@contextlib.contextmanager
def write_errors(folder: Path, flag: str) -> Iterator[None]:
    """Turns an `OSError` of writing below `folder` into SFT108 (disk full) or SFT106; `flag` is what sets it."""
    try:
        yield
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            raise SFTError("SFT108", path=folder, freed="What was half written is removed.", flag=flag) from error
        raise SFTError("SFT106", path=folder, problem=error.strerror or error, flag=flag) from error


def land(temporary: Path, final: Path) -> None:
    """Renames a finished file or folder to its place; a folder that stands there is set aside first, then removed."""
    if not final.is_dir():
        os.replace(temporary, final)
        return
    aside = final.with_name(f".{final.name}.{uuid.uuid4().hex}.old")
    os.replace(final, aside)
    os.replace(temporary, final)
    shutil.rmtree(aside, ignore_errors=True)


def write_text(path: Path, text: str) -> None:
    """Writes a file whole or not at all."""
    write_aside(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def write_aside(path: Path, write: Callable[[Path], Any], folder: Path | None = None) -> None:
    """Calls `write(aside)` with a path beside `path`, or in a folder of this process, then renames: no reader sees half
    a file."""
    aside = folder / path.name if folder else path.with_name(f".{os.getpid()}.{path.name}")
    try:
        write(aside)
        os.replace(aside, path)
    finally:
        aside.unlink(missing_ok=True)


def sha256_of(path: Path) -> str:
    """Returns the SHA-256 of a file, in lower-case hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
