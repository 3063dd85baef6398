"""The lock of a folder: one process at a time makes, fills or removes it. The system frees it when its holder dies."""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator
from pathlib import Path

_TRIES = 100  # each needs another process that removes the folder in between


@contextlib.contextmanager
def folder_locked(folder: Path, *, wait: bool) -> Iterator[None]:
    """Makes a folder if it is missing, and holds its lock.

    Such a folder is removed only under its lock, so inside the block it stays. Where the file system has no
    locks (some network drives), this only makes the folder.

    Args:
        folder: to be made and locked.
        wait: wait while another process holds the lock.

    Raises:
        BlockingIOError: another process holds the lock, and `wait` is false.
        OSError: the folder cannot be made.
    """
    descriptor = _open_locked(folder, wait)
    try:
        yield
    finally:
        os.close(descriptor)


@contextlib.contextmanager
def lock_of_abandoned(folder: Path) -> Iterator[None]:
    """Holds the lock of a folder exclusively.

    Raises:
        OSError: the folder is gone, another process holds its lock, or the file system has no locks.
    """
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
    finally:
        os.close(descriptor)


def _open_locked(folder: Path, wait: bool) -> int:
    for _ in range(_TRIES):
        with contextlib.suppress(FileNotFoundError):  # its holder removed it after `mkdir` found it
            folder.mkdir(parents=True, exist_ok=True)
            descriptor = os.open(folder, os.O_RDONLY)
            try:
                _lock(descriptor, wait)
                if os.path.samestat(os.fstat(descriptor), folder.stat()):
                    return descriptor
            except BaseException:
                os.close(descriptor)
                raise
            os.close(descriptor)  # of a folder that was removed and made again while this process waited
    folder.mkdir(parents=True, exist_ok=True)
    return os.open(folder, os.O_RDONLY)


def _lock(descriptor: int, wait: bool) -> None:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
    except BlockingIOError:
        raise
    except OSError:  # the file system has no locks
        pass
