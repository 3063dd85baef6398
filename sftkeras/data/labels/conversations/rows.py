"""Rows of a file in any form of conversations, to blocks: with the conversation as canonical JSON in the text column,
or with what is asked, for predictions."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from sftkeras.config import DataConfig
from sftkeras.conversations import Conversation
from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.blocks import AskedBlock, Block
from sftkeras.data.formats.read import read_blocks, wanted_columns
from sftkeras.data.formats.sources import Source
from sftkeras.data.labels.conversations.forms import Form, Row, find_asked_form
from sftkeras.data.labels.conversations.messages import read_asked, read_conversation, unread_keys

Read = Callable[[list[Any], Any], Conversation | Fault]
"""(messages, tools) as the file has them → the conversation."""


def conversation_blocks(source: Source, form: Form, config: DataConfig) -> Iterator[Block]:
    """Yields the rows of a source with a conversation as canonical JSON in column `config.text_column`.

    Rows that hold none are in `broken`, with faults SFT262 to SFT264, SFT272 and SFT273. Raises as `read_blocks`.
    """
    others = [name for name in wanted_columns(config, source.part, labelled=False) if name != config.text_column]
    read = partial(read_conversation, drop_none=_drops_none(source))
    for block in read_blocks(source, form.columns, config):
        kept: dict[str, list[Any]] = {name: [] for name in (config.text_column, *others)}
        result = Block(kept, [], list(block.broken), block.done, list(block.odd))
        for row, found in _conversations(block, form, read, result):
            kept[config.text_column].append(found.to_json())
            for name in others:
                kept[name].append(row[name])
        yield result


def asked_blocks(source: Source, config: DataConfig, *, named: bool) -> Iterator[AskedBlock] | None:
    """Returns what the rows of a source ask, block by block; None if it holds plain texts.

    Rows that ask nothing are in `broken`, with faults SFT262 to SFT264 and SFT273. Raises as `read_blocks`.

    Args:
        named: whether `config.text` was named for this file, not for that of the training.
    """
    form = find_asked_form(source, config, named=named)
    return None if form is None else _asked_blocks(source, form, config)


def _asked_blocks(source: Source, form: Form, config: DataConfig) -> Iterator[AskedBlock]:
    read = partial(read_asked, drop_none=_drops_none(source))
    for block in read_blocks(source, form.columns, config, whole=True):
        columns: dict[str, list[Any]] = {name: [] for name in block.columns}
        result = AskedBlock(columns, [], list(block.broken), block.done, list(block.odd))
        for row, found in _conversations(block, form, read, result):
            result.asked.append(found)
            for name, cell in row.items():
                columns[name].append(cell)
        yield result


def _drops_none(source: Source) -> bool:
    """Whether None in an object of this source means that the key is not there."""
    return source.format in ("parquet", "hub")


def _conversations(block: Block, form: Form, read: Read, result: Block) -> Iterator[tuple[Row, Conversation]]:
    """Yields the rows of a block with their conversations; the lines of these, and what is wrong with the others, are
    added to `result`."""
    for cells, line in zip(zip(*block.columns.values(), strict=True), block.lines, strict=True):
        row = dict(zip(block.columns, cells, strict=True))
        messages = form.messages(row)
        if not isinstance(messages, Fault) and (keys := unread_keys(messages)):
            result.odd.append((Fault("SFT279", {"keys": ", ".join(sorted(keys)[:5])}), line))
        found = messages if isinstance(messages, Fault) else read(messages, row.get("tools"))
        if isinstance(found, Fault):
            result.broken.append((found, line))
            continue
        result.lines.append(line)
        yield row, found
