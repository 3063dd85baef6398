"""A .tar or .tar.gz that is not trusted, unpacked in one pass over it.

A member is looked at before it is written, and the first one that may not be unpacked refuses the whole archive. What
was written until then is for the caller to remove: unpack into a folder of `sftkeras.disk.cache.scratch`.
"""

from __future__ import annotations

import gzip
import shutil
import tarfile
import zlib
from collections.abc import Callable
from io import BufferedIOBase
from pathlib import Path
from typing import Self

from sftkeras.errors import SFTError
from sftkeras.handles.archives import BOUNDS, Bounds, refuse_if, two_in_one, unsafe_reason

_GZIP = b"\x1f\x8b"  # how a gzip file begins
_LONGEST_EXTRA = 2**20  # bytes of what may stand before a member, such as a long name: tarfile reads it as a whole
# What tarfile and gzip let through of a damaged archive.
_DAMAGED = (tarfile.TarError, gzip.BadGzipFile, zlib.error, EOFError, ValueError)


def unpack_tar(
    archive: Path,
    into: Path,
    *,
    name: object,
    bounds: Bounds = BOUNDS,
    landing: Callable[[str], str | None] = lambda path: path,
) -> None:
    """Unpacks an archive and reads it to its end, where gzip checks whether it is whole.

    Args:
        archive: the file.
        into: an existing folder.
        name: what errors call the archive.
        bounds: what may be unpacked.
        landing: where below `into` a file of the archive lands, with / between the parts; None leaves it out.

    Raises:
        SFTError: SFT314 for a broken archive, SFT316 for an unsafe one.
        OSError: if it cannot be written.
    """
    check = _MemberCheck(name, archive.stat().st_size, bounds)
    try:
        with _opened(archive) as stream:
            with tarfile.open(fileobj=stream, mode="r|", tarinfo=_Header) as members:
                for member in members:
                    path = check.path_of(member)
                    if member.isreg() and (place := landing(path)):
                        _extract(members, member, into / place)
            while piece := stream.read(1 << 20):
                check.count(len(piece))
    except _DAMAGED as error:
        raise SFTError("SFT314", archive=name, problem=str(error) or type(error).__name__) from error
    except (FileExistsError, NotADirectoryError, IsADirectoryError) as error:
        raise two_in_one(name) from error


class _Header(tarfile.TarInfo):
    """Header of a member; a damaged one is an error, where `tarfile` takes it for the archive's end."""

    @classmethod
    def frombuf(cls, buf: bytes | bytearray, encoding: str, errors: str) -> Self:
        try:
            header = super().frombuf(buf, encoding, errors)
        except tarfile.EOFHeaderError:  # type: ignore[attr-defined]  # the true end
            raise
        except tarfile.HeaderError as error:
            raise tarfile.ReadError(str(error)) from error
        if header.size < 0 or (header.size > _LONGEST_EXTRA and header.type not in tarfile.REGULAR_TYPES):
            raise tarfile.ReadError(f"a header of {header.size:,} bytes")
        return header


class _MemberCheck:
    """Refuses an archive at its first member that may not be unpacked.

    Args:
        name: what errors call the archive.
        packed: its size in bytes.
        bounds: what may be unpacked.
    """

    def __init__(self, name: object, packed: int, bounds: Bounds) -> None:
        self._name = name
        self._packed = packed
        self._bounds = bounds
        self._seen: set[str] = set()
        self._members = 0
        self._size = 0

    def path_of(self, member: tarfile.TarInfo) -> str:
        """Returns the member's path inside the archive, after all checks."""
        path = member.name.removeprefix("./")  # as `tar -C folder .` writes it
        if not (member.isdir() and path in ("", ".")):
            refuse_if(self._unsafe_reason(member, path), self._name)
        if member.isreg():
            self._seen.add(path)
        self._members += 1
        self.count(member.size)
        return path

    def count(self, size: int) -> None:
        """Adds so many unpacked bytes to what the bounds allow."""
        self._size += size
        refuse_if(self._bounds.excess(files=self._members, size=self._size, packed=self._packed), self._name)

    def _unsafe_reason(self, member: tarfile.TarInfo, path: str) -> str:
        if not (member.isreg() or member.isdir()):
            return f"member {path!r} is a link or a device"
        if path in self._seen:
            return f"member {path!r} is there twice"
        return unsafe_reason(path)


def _opened(archive: Path) -> BufferedIOBase:
    with archive.open("rb") as file:
        packed = file.read(len(_GZIP)) == _GZIP
    return gzip.open(archive) if packed else archive.open("rb")


def _extract(members: tarfile.TarFile, member: tarfile.TarInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    source = members.extractfile(member)
    assert source is not None  # it is a file
    with source, target.open("xb") as file:
        shutil.copyfileobj(source, file, 1 << 20)
