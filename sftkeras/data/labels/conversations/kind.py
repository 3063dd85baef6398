"""Conversations, before anything heavy is loaded: a row's text is its conversation as canonical JSON."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

from sftkeras.config import DataConfig
from sftkeras.data.formats.read import read_blocks
from sftkeras.data.formats.sources import Source
from sftkeras.data.labels.contract import SourceLayout
from sftkeras.data.labels.conversations.forms import find_form
from sftkeras.data.labels.conversations.rows import conversation_blocks
from sftkeras.data.labels.no_labels import NoLabels

if TYPE_CHECKING:
    from rich.table import Table

    from sftkeras.data.load import LabelledData


class Conversations(NoLabels):
    """No column of labels: what is learned stands in the conversation."""

    name = "conversations"
    refuses = ("pair", "mark", "label_names")
    malformed = frozenset({"SFT262", "SFT263", "SFT264", "SFT272", "SFT273"})

    def layout(self, source: Source, config: DataConfig) -> SourceLayout:
        """Finds the columns of a conversation.

        Raises:
            SFTError: SFT278 if the file has none that are known, and as `read_blocks`.
        """
        form = find_form(source, config)
        first_blocks = partial(read_blocks, source, form.columns, config)
        return SourceLayout(
            form.columns, "", partial(conversation_blocks, source, form, config), first_blocks, form.name
        )

    def describe(self, data: LabelledData) -> Table:
        """Returns a table of the sizes of the parts, and of the form that the conversations have."""
        table = super().describe(data)
        table.caption = f"Read as {' and '.join(dict.fromkeys(data.examples.forms))}"
        return table


CONVERSATIONS = Conversations()
