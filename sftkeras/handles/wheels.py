"""One file or folder out of a wheel that is not trusted."""

from __future__ import annotations

import errno
import shutil
import stat
import struct
import zipfile
import zlib
from collections.abc import Sequence
from pathlib import Path

from sftkeras.errors import SFTError, did_you_mean
from sftkeras.handles.archives import BOUNDS, Bounds, refuse_if, two_in_one, unsafe_reason

# What zipfile lets through of a damaged archive: an unknown compression is a RuntimeError, a short stream an EOFError.
_DAMAGED = (zipfile.BadZipFile, zlib.error, struct.error, EOFError, IndexError, RuntimeError, ValueError)


def unpack_wheel(archive: Path, member: str, into: Path, bounds: Bounds = BOUNDS) -> Path:
    """Unpacks one file or folder of a wheel.

    Args:
        archive: the wheel.
        member: a file or folder in it, with / between the parts.
        into: an existing folder; the member lands in it under its own last name.
        bounds: what may be unpacked.

    Returns:
        The unpacked file or folder.

    Raises:
        SFTError: SFT314 for a broken archive, SFT315 if the member is not in it, SFT316 for an unsafe one.
        OSError: if it cannot be written.
    """
    try:
        with zipfile.ZipFile(archive) as wheel:
            entries = [entry for entry in wheel.infolist() if not entry.is_dir()]
            _refuse_unsafe(archive, entries)
            wanted = [entry for entry in entries if entry.filename == member or _inside(entry, member)]
            if not wanted:
                raise not_found(archive, member, [entry.filename for entry in entries])
            _refuse_oversized(archive, wanted, bounds)
            for entry in wanted:
                _extract(wheel, entry, into / _landing(entry.filename, member))
    except _DAMAGED as error:
        raise SFTError("SFT314", archive=archive.name, problem=str(error) or type(error).__name__) from error
    except (FileExistsError, NotADirectoryError) as error:
        raise two_in_one(archive.name) from error
    except OSError as error:
        if error.errno == errno.EINVAL:  # a damaged archive sent the reader to an impossible place
            raise SFTError("SFT314", archive=archive.name, problem="it points outside itself") from error
        raise
    return into / member.rpartition("/")[2]


def _refuse_unsafe(archive: Path, entries: Sequence[zipfile.ZipInfo]) -> None:
    seen: set[str] = set()
    for entry in entries:
        reason = unsafe_reason(entry.filename)
        kind = stat.S_IFMT(entry.external_attr >> 16)  # 0 where the archive was not made on Unix
        if kind not in (0, stat.S_IFREG):
            reason = f"member {entry.filename!r} is a link or a device"
        if entry.flag_bits & 0x1:
            reason = f"member {entry.filename!r} is encrypted"
        if entry.filename in seen:
            reason = f"member {entry.filename!r} is there twice"
        refuse_if(reason, archive.name)
        seen.add(entry.filename)


def _refuse_oversized(archive: Path, wanted: Sequence[zipfile.ZipInfo], bounds: Bounds) -> None:
    # zipfile never reads past the size that the archive declares, so these sums bound what is written.
    size = sum(entry.file_size for entry in wanted)
    packed = min(sum(entry.compress_size for entry in wanted), archive.stat().st_size)
    refuse_if(bounds.excess(files=len(wanted), size=size, packed=packed), archive.name)


def _extract(wheel: zipfile.ZipFile, entry: zipfile.ZipInfo, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    with wheel.open(entry) as source, target.open("xb") as file:
        shutil.copyfileobj(source, file, 1 << 20)


def _inside(entry: zipfile.ZipInfo, folder: str) -> bool:
    return entry.filename.startswith(folder + "/")


def _landing(name: str, member: str) -> str:
    """Returns where `name` lands: without the folders above `member`."""
    return name[member.rfind("/") + 1 :]


def not_found(archive: Path, member: str, names: Sequence[str]) -> SFTError:
    """The error of a member that is not among the `names` of the archive's files."""
    folders = {str(parent) for name in names for parent in Path(name).parents if str(parent) != "."}
    top = ", ".join(sorted({name.split("/")[0] for name in names if ".dist-info/" not in name})[:8])
    suggestion = did_you_mean(member, {*names, *folders}) or f" It holds: {top}."
    return SFTError("SFT315", archive=archive.name, member=member, suggestion=suggestion)
