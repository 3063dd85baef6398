"""Rows of a file in any form of conversations, to blocks with the conversation as canonical JSON in the text column."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from sftkeras.config import DataConfig
from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.blocks import Block
from sftkeras.data.formats.read import read_blocks, wanted_columns
from sftkeras.data.formats.sources import Source
from sftkeras.data.labels.conversations.forms import Form
from sftkeras.data.labels.conversations.messages import read_conversation, unread_keys


def conversation_blocks(source: Source, form: Form, config: DataConfig) -> Iterator[Block]:
    """Yields the rows of a source with a conversation as canonical JSON in column `config.text_column`.

    Rows that hold none are in `broken`, with faults SFT262 to SFT264, SFT272 and SFT273. Raises as `read_blocks`.
    """
    others = [name for name in wanted_columns(config, source.part, labelled=False) if name != config.text_column]
    drop_none = source.format in ("parquet", "hub")
    for block in read_blocks(source, form.columns, config):
        yield _converted(block, form, config.text_column, others, drop_none)


def _converted(block: Block, form: Form, text_column: str, others: list[str], drop_none: bool) -> Block:
    kept: dict[str, list[Any]] = {name: [] for name in (text_column, *others)}
    result = Block(kept, [], list(block.broken), block.done, list(block.odd))
    for cells, line in zip(zip(*block.columns.values(), strict=True), block.lines, strict=True):
        row = dict(zip(block.columns, cells, strict=True))
        messages = form.messages(row)
        if not isinstance(messages, Fault) and (keys := unread_keys(messages)):
            result.odd.append((Fault("SFT279", {"keys": ", ".join(sorted(keys)[:5])}), line))
        found = (
            messages
            if isinstance(messages, Fault)
            else read_conversation(messages, row.get("tools"), drop_none=drop_none)
        )
        if isinstance(found, Fault):
            result.broken.append((found, line))
            continue
        kept[text_column].append(found.to_json())
        for name in others:
            kept[name].append(row[name])
        result.lines.append(line)
    return result
