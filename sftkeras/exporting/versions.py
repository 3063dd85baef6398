"""The folder of a served model, NAME/1, NAME/2, …: how a version lands in it whole, and which one is the newest.

What a version holds is no business of this module. It imports no TensorFlow.
"""

from __future__ import annotations

import contextlib
import errno
import re
import shutil
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

from sftkeras.disk.files import write_errors
from sftkeras.disk.folder_lock import folder_locked, lock_of_abandoned
from sftkeras.errors import SFTError, did_you_mean

_DRAFT = ".export-"  # a server takes only folders that are named by a number


def check_writable(folder: Path, flag: str = "--export.folder") -> None:
    """Finds out, before any work is done, whether versions can be written to `folder`.

    Raises:
        SFTError: SFT106 if they cannot, SFT108 if the disk is full.
    """
    with draft(folder, flag):
        pass


@contextlib.contextmanager
def draft(folder: Path, flag: str = "--export.folder") -> Iterator[Path]:
    """Gives an empty hidden folder inside `folder`, to be filled and handed to `publish`.

    Whatever happens, it is gone afterwards, and so are the drafts that killed processes left: those whose locks no one
    holds. Drafts are made and swept under the lock of `folder`, so none is seen before its own lock is held.

    Raises:
        SFTError: SFT106 if `folder` cannot be written, SFT108 if the disk is full.
    """
    missing = _missing_parents(folder)
    with contextlib.ExitStack() as stack:
        path = folder / f"{_DRAFT}{uuid.uuid4().hex}"
        with write_errors(folder, flag), folder_locked(folder, wait=True):
            stack.callback(_remove_empty, missing)
            _sweep(folder)
            stack.callback(shutil.rmtree, path, ignore_errors=True)
            stack.enter_context(folder_locked(path, wait=False))
        yield path


def publish(path: Path, announce: Callable[[Path], object] = lambda version: None) -> Path:
    """Renames a finished draft to the next free version and returns where it is now.

    Renaming onto a folder that holds something fails, so two exports at once get two versions.

    Args:
        path: the draft.
        announce: called with the folder of the version, before each try.
    """
    while True:
        version = path.with_name(str(1 + max(_versions(path.parent), default=0)))
        announce(version)
        try:
            path.rename(version)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
        else:
            return version


def find_version(model: str | Path, flag: str = "--model") -> Path:
    """Finds the version folder that a user means by a version folder or a model folder (its newest).

    Raises:
        SFTError: SFT104 if `model` is empty, SFT501 if there is no such folder, SFT502 if it holds no version.
    """
    if not str(model):
        raise SFTError("SFT104", flag=flag, remedy="Give a folder such as saved_models/NAME.")
    folder = Path(model).expanduser()
    if not folder.is_dir():
        siblings = [other.name for other in folder.parent.iterdir()] if folder.parent.is_dir() else []
        raise SFTError("SFT501", flag=flag, path=folder, suggestion=did_you_mean(folder.name, siblings))
    if (folder / "saved_model.pb").is_file():
        return folder
    if versions := _versions(folder):
        return folder / str(max(versions))
    raise SFTError("SFT502", flag=flag, path=folder)


def has_versions(folder: Path) -> bool:
    """Whether a folder is that of a served model."""
    return bool(_versions(folder))


def _versions(folder: Path) -> list[int]:
    return [int(entry.name) for entry in folder.iterdir() if re.fullmatch(r"[0-9]+", entry.name)]


def _missing_parents(folder: Path) -> list[Path]:
    """The folders that `folder.mkdir(parents=True)` would make, innermost first."""
    missing = []
    for path in (folder, *folder.parents):
        if path.exists():
            break
        missing.append(path)
    return missing


def _remove_empty(folders: list[Path]) -> None:
    with contextlib.suppress(OSError):  # it holds something now, and so do its parents
        for folder in folders:
            with folder_locked(folder, wait=False):
                folder.rmdir()


def _sweep(folder: Path) -> None:
    """Removes the drafts whose processes are dead."""
    for left in folder.glob(f"{_DRAFT}*"):
        with contextlib.suppress(OSError), lock_of_abandoned(left):
            shutil.rmtree(left, ignore_errors=True)
