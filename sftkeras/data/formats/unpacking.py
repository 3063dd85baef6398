"""Compressed files as streams of their content: read piece by piece, never held whole."""

from __future__ import annotations

import bz2
import gzip
import io
import lzma
import zlib
from collections.abc import Callable
from typing import Any

from sftkeras.data.formats.sources import PACKINGS, Packing
from sftkeras.errors import SFTError

_MAGIC: dict[Packing, bytes] = {"gzip": b"\x1f\x8b", "bzip2": b"BZh", "xz": b"\xfd7zXZ\0", "zstd": b"\x28\xb5\x2f\xfd"}


def _zstd(file: io.BufferedReader) -> Any:
    import pyarrow as pa  # which takes a tenth of a second to import

    return pa.CompressedInputStream(file, "zstd")


_STREAMS: dict[Packing, Callable[[io.BufferedReader], Any]] = {
    "gzip": lambda file: gzip.GzipFile(fileobj=file),
    "bzip2": bz2.BZ2File,
    "xz": lzma.LZMAFile,
    "zstd": _zstd,
}


def check_not_packed(file: io.BufferedReader, name: str) -> None:
    """Raises SFT291 if an open file, at its beginning, is compressed though its name does not say so."""
    begin = file.peek(8)[:8]
    for ending, packing in PACKINGS.items():
        if packing != "bzip2" and begin.startswith(_MAGIC[packing]):  # whose mark may well begin a text
            problem = f"its content is compressed with {packing}. Rename it to {name}{ending}"
            raise SFTError("SFT291", file=name, problem=problem)


class Unpacked(io.RawIOBase):
    """The content of an open compressed file.

    Args:
        file: the file, at its beginning.
        size: its bytes.
        packing: how it is compressed.
        name: what messages call it.

    Raises:
        SFTError: SFT291 if the file is not compressed so; reading raises it too, where the file is broken or cut off.
    """

    def __init__(self, file: io.BufferedReader, size: int, packing: Packing, name: str) -> None:
        begin = file.peek(8)[:8]
        if begin and not begin.startswith(_MAGIC[packing]):
            problem = f"its name says {packing}, but its content is not compressed so. Rename or compress it"
            raise SFTError("SFT291", file=name, problem=problem)
        self._file = file
        self._size = size
        self._stream = _STREAMS[packing](file)
        self._name = name
        self._at = 0

    def readable(self) -> bool:
        """Whether it can be read: it can."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Fills a buffer with content; returns how many bytes there were."""
        try:
            count = self._stream.readinto(buffer)
        # Each library has errors of its own; Arrow's are OSErrors too.
        except (EOFError, OSError, zlib.error, lzma.LZMAError) as error:
            cut = isinstance(error, EOFError) or "runcated" in str(error)
            problem = "it ends too early" if cut else f"it is broken ({str(error).rstrip('.')})"
            raise SFTError("SFT291", file=self._name, problem=f"{problem}. Copy or download it again") from None
        self._at += count
        return count

    def tell(self) -> int:
        """Returns how many bytes of content were read."""
        return self._at

    def close(self) -> None:
        """Closes the file too."""
        if not self.closed:
            self._stream.close()
            self._file.close()
        super().close()

    @property
    def done(self) -> float:
        """Share of the compressed file read so far."""
        return min(self._file.tell() / max(self._size, 1), 1.0)
