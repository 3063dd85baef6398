"""Text files of a text a line, as blocks of rows with that text in one column."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from sftkeras.config import DataConfig
from sftkeras.data.formats.blocks import Block
from sftkeras.data.formats.sources import Source
from sftkeras.data.formats.text_files import Filling, not_decodable, opened
from sftkeras.errors import SFTError


def text_blocks(source: Source, wanted: Mapping[str, str], config: DataConfig) -> Iterator[Block]:
    """Yields the texts of a file to learn from, in the column that data.text names; blank lines are skipped.

    Raises:
        SFTError: SFT295 if a further column is wanted, SFT202 without a text, and those of `opened`.
    """
    if others := [flag for column, flag in wanted.items() if column != config.text_column]:
        raise SFTError("SFT295", file=source.name, flag=others[0])
    empty = True
    for block in line_blocks(source, config, blank=False):
        empty = False
        yield block
    if empty:
        raise SFTError("SFT202", file=source.name)


def line_blocks(source: Source, config: DataConfig, *, blank: bool) -> Iterator[Block]:
    """Yields the lines of a file in the column that data.text names; raises what `opened` raises.

    Args:
        blank: whether lines of nothing but white space are texts too.
    """
    last = 0
    try:
        with opened(source, config) as file:
            filling = Filling(file, source)
            numbered = enumerate(file, start=1)
            while True:
                texts: list[str] = []
                lines: list[int] = []
                filling.begin()
                for last, line in numbered:
                    text = line.rstrip("\r\n")
                    if not (blank or text.strip()):
                        continue
                    texts.append(text)
                    lines.append(last)
                    if filling.full(len(lines)):
                        break
                if not lines:
                    break
                yield Block({config.text_column: texts}, lines, done=filling.done)
    except UnicodeDecodeError as error:
        raise not_decodable(source, config, error.reason, f"{source.name} after line {last}") from None
