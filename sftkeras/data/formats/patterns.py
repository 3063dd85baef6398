"""From the words of a setting to files: lists of handles, patterns such as data/*.jsonl, folders."""

from __future__ import annotations

import glob
import json
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from sftkeras.errors import SFTError

# What files of one part are commonly called, as a whole word of the name.
_PART_WORDS = {
    "train": "train",
    "training": "train",
    "valid": "validation",
    "validation": "validation",
    "val": "validation",
    "dev": "validation",
    "test": "test",
}
# Files that stand beside data and hold none.
_DOCUMENTS = {".md", ".rst", ".pdf", ".html", ".yaml", ".yml", ".py", ".ipynb", ".sha256", ".md5"}
_DOCUMENT_NAMES = {"README", "LICENSE", "LICENCE", "NOTICE", "CITATION"}


def listed(handles: str | Sequence[str] | None) -> list[str]:
    """Returns the handles of a setting one by one.

    Args:
        handles: a list, or text: one handle, several with commas between, or a JSON list. A file whose name holds
            commas or brackets is one handle.
    """
    if not handles:
        return []
    if not isinstance(handles, str):
        return list(handles)
    if os.path.exists(os.path.expanduser(handles)):  # unlike Path.exists, false for names that are too long
        return [handles]
    if handles.startswith("["):
        try:
            found = json.loads(handles)
        except ValueError:
            found = None
        if isinstance(found, list) and all(isinstance(handle, str) for handle in found):
            return found
    return [handle.strip() for handle in handles.split(",") if handle.strip()]


def is_pattern(handle: str) -> bool:
    """Whether a handle is a folder, or a pattern for several files; a file of just that name is neither."""
    if handle.startswith(("hf://", "pypi:")):
        return False
    path = os.path.expanduser(handle)
    return os.path.isdir(path) or (glob.has_magic(handle) and not os.path.exists(path))


def find_files(handle: str, flag: str, *, is_data: Callable[[Path], bool]) -> list[Path]:
    """Returns the files of a folder or pattern, sorted by name.

    A folder's files are those directly in it; names that begin with a dot or an underscore, as tools give them to
    notes of their own, are left out. `**` in a pattern stands for any folders.

    Args:
        flag: the setting, for errors.
        is_data: whether a file's ending is that of a known format.

    Raises:
        SFTError: SFT287 without a file, or for a folder's file of unknown format; SFT293 for the data of a part if the
            names of the files are those of several parts.
    """
    path = Path(handle).expanduser()
    inside = path.iterdir() if path.is_dir() else map(Path, glob.iglob(str(path), recursive=True))
    files = sorted(one for one in inside if one.is_file() and not one.name.startswith((".", "_")))
    data = [one for one in files if is_data(one)] if path.is_dir() else files
    if not files and not path.is_dir():
        raise SFTError("SFT287", flag=flag, handle=handle, problem="no file matches this pattern")
    if not data:
        names = ", ".join(one.name for one in files[:5]) + (", …" if len(files) > 5 else "")
        problem = f"no data file is in this folder, only {names}" if files else "no file is in this folder"
        raise SFTError("SFT287", flag=flag, handle=handle, problem=problem)
    if others := [one for one in files if one not in data and not _is_document(one)]:
        raise SFTError("SFT287", flag=flag, handle=handle, problem=f"the format of {others[0].name} is not known")
    if flag.startswith("--data"):  # of a file to predict it is all one
        _check_one_part(data, handle, flag)
    return data


def _is_document(file: Path) -> bool:
    return file.suffix.lower() in _DOCUMENTS or file.stem.upper() in _DOCUMENT_NAMES


def _check_one_part(files: Sequence[Path], handle: str, flag: str) -> None:
    """Raises SFT293 if the names say that the files belong to several parts, which must not be read as one."""
    first: dict[str, str] = {}
    for file in files:
        for word in re.findall(r"[a-z]+", file.name.lower()):
            if word in _PART_WORDS:
                first.setdefault(_PART_WORDS[word], file.name)
    if len(first) > 1:
        raise SFTError("SFT293", flag=flag, handle=handle, files=" and ".join(first.values()))
