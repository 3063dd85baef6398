"""Conversations, before anything heavy is loaded: a row's text is its conversation as canonical JSON."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import MappingProxyType
from typing import TYPE_CHECKING, ClassVar

from sftkeras.config import DataConfig
from sftkeras.data.formats.read import read_blocks
from sftkeras.data.formats.sources import Source
from sftkeras.data.labels.contract import SourceLayout
from sftkeras.data.labels.conversations.forms import find_form
from sftkeras.data.labels.conversations.rows import conversation_blocks
from sftkeras.data.labels.no_labels import NoLabels

if TYPE_CHECKING:
    import numpy as np
    from rich.progress import Progress
    from rich.table import Table

    from sftkeras.data.checks.findings import Finding
    from sftkeras.data.checks.repeats import Repeats
    from sftkeras.data.labels.reader import LabelReader
    from sftkeras.data.load import LabelledData
    from sftkeras.data.storage.examples import Examples


@dataclass(frozen=True)
class Conversations(NoLabels):
    """No column of labels: what is learned stands in the conversation.

    Attributes:
        allow: names of findings that do not stop a run, see `ChatSettings`.
    """

    allow: frozenset[str] = frozenset()

    name = "conversations"
    refuses = ("pair", "mark", "label_names")
    statements: ClassVar[Mapping[str, frozenset[str]]] = MappingProxyType(
        {
            "no prompt has several answers": frozenset({"SFT285"}),
            "no file asks what an earlier part asks": frozenset({"SFT286"}),
        }
    )
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

    def reader(self, column: str, config: DataConfig, known: Sequence[str] | None) -> LabelReader:
        """Makes a reader that gives zeros; a conversation may be long."""
        from sftkeras.data.labels.conversations.reader import ConversationReader

        return ConversationReader()

    def together(self, examples: Examples, repeats: Repeats, progress: Progress | None = None) -> Repeats:
        """Returns groups of conversations in which the user says nearly the same: no test asks what was learned."""
        from sftkeras.data.checks.near_repeats import repeats_of
        from sftkeras.data.labels.conversations.prompts import question_groups

        return repeats_of(question_groups(examples, progress))

    def check(self, examples: Examples, splits: Mapping[str, np.ndarray]) -> Iterator[Finding]:
        """Yields findings on prompts with several answers, and on files that ask what files of earlier parts ask."""
        from sftkeras.data.labels.conversations.prompts import asked_in_training, several_answers

        yield from several_answers(examples, self.allow)
        yield from asked_in_training(examples, self.allow)

    def describe(self, data: LabelledData) -> Table:
        """Returns a table of the sizes of the parts, and of the form that the conversations have."""
        table = super().describe(data)
        table.caption = f"Read as {' and '.join(dict.fromkeys(data.examples.forms))}"
        return table


CONVERSATIONS = Conversations()
