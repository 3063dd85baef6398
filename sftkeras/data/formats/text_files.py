"""Opening text files so that a broken byte stops one row, not the reading, and saying where it is."""

from __future__ import annotations

import codecs
from collections.abc import Iterator
from contextlib import contextmanager
from io import BufferedReader, TextIOWrapper
from typing import cast

from sftkeras.config import DataConfig
from sftkeras.data.checks.findings import Fault, FaultTally
from sftkeras.data.formats.blocks import BLOCK_BYTES, BLOCK_ROWS
from sftkeras.data.formats.encodings import advice_on_encoding
from sftkeras.data.formats.sources import Source
from sftkeras.data.formats.unpacking import Unpacked, check_not_packed
from sftkeras.errors import SFTError

_CHECK_EVERY = 64  # rows between two looks at the size of the block


@contextmanager
def opened(source: Source, config: DataConfig) -> Iterator[TextIOWrapper]:
    """Opens a text file so that every line break stays as it is and a broken byte becomes a lone surrogate.

    The surrogate is found when the cell is looked at, so that one bad row need not stop the reading.
    """
    encoding = encoding_of(config)
    with readable(source) as binary:
        mark = binary.peek(4)[:4]
        if not mark:
            raise SFTError("SFT202", file=source.name)
        if encoding == "utf-8-sig" and mark[:2] in (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE):
            raise not_decodable(source, config, "it begins with the mark of UTF-16")
        with TextIOWrapper(binary, encoding, errors="surrogateescape", newline="") as text:
            yield text


def readable(source: Source) -> BufferedReader:
    """Opens the content of a file as bytes; raises as `stored`, and SFT291 for a broken compressed file."""
    file = stored(source)
    try:
        if source.packing is None:
            check_not_packed(file, source.name)
            return file
        return BufferedReader(Unpacked(file, source.file.stat().st_size, source.packing, source.name), 1 << 17)
    except BaseException:
        file.close()
        raise


def stored(source: Source) -> BufferedReader:
    """Opens a file as the bytes that are on the disk; raises SFT238 if the system refuses."""
    try:
        return source.file.open("rb")
    except OSError as error:
        raise SFTError("SFT238", file=source.name, problem=error.strerror or error) from error


def locate_broken_byte(tally: FaultTally, source: Source, encoding: str) -> None:
    """Completes the fault SFT207 of a tally: which encoding, and where in the row the first broken byte is."""
    if kind := tally.kinds.get("SFT207"):
        within = "" if source.format in ("parquet", "xlsx", "hub") else _broken_byte(source, kind.lines[0], encoding)
        about = {"encoding": encoding, "within": within, "advice": advice_for(source, encoding)}
        kind.fault = Fault("SFT207", {**kind.fault.details, **about})


def _broken_byte(source: Source, line: int, encoding: str) -> str:
    """Words where, in the row that begins on `line`, the first byte is that `encoding` has no letter for."""
    with readable(source) as file:
        for number, raw in enumerate(file, start=1):
            if number < line:
                continue
            try:
                raw.decode(encoding)
            except UnicodeDecodeError as error:
                byte = f"byte {error.start + 1}"
                return f", {byte}" if number == line else f" ({byte} of line {number})"
    return ""


def encoding_of(config: DataConfig) -> str:
    """Returns Python's name of the encoding, with a mark at the beginning of UTF-8 passed over; raises SFT102."""
    try:
        name = codecs.lookup(config.encoding).name
    except LookupError:
        problem = f"{config.encoding} is no encoding that Python knows. Try utf-8, cp1252, gb18030 or utf-16."
        raise SFTError("SFT102", flag="--data.encoding", problem=problem) from None
    return "utf-8-sig" if name == "utf-8" else name


def not_decodable(source: Source, config: DataConfig, found: str, where: str = "") -> SFTError:
    """Makes the error for bytes that make the whole file unreadable.

    Args:
        found: what is wrong.
        where: the place in the file, if there is one.
    """
    advice = advice_for(source, config.encoding).lstrip()  # the place of a remedy before it stays empty
    place = where or source.name
    return SFTError("SFT207", place=place, encoding=config.encoding, found=found, more="", remedy="", advice=advice)


def advice_for(source: Source, encoding: str) -> str:
    """Returns a sentence on the encoding that a file may be in; nothing for formats that have one of their own."""
    if source.format in ("parquet", "xlsx", "hub"):
        return ""
    with readable(source) as file:
        return advice_on_encoding(file, encoding)


class Filling:
    """Progress in an open file, and when a block is full."""

    def __init__(self, text: TextIOWrapper, source: Source) -> None:
        self._binary = cast(BufferedReader, text.buffer)
        self._size = max(source.file.stat().st_size, 1)
        self._limit = 0

    def begin(self) -> None:
        """Notes that a new block begins."""
        self._limit = self._binary.tell() + BLOCK_BYTES

    def full(self, rows: int) -> bool:
        """Whether the block, with so many rows, should end."""
        if rows % _CHECK_EVERY:
            return False
        return rows >= BLOCK_ROWS or self._binary.tell() > self._limit

    @property
    def done(self) -> float:
        """Share of the file read so far."""
        raw = self._binary.raw
        return raw.done if isinstance(raw, Unpacked) else min(self._binary.tell() / self._size, 1.0)
