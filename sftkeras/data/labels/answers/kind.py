"""Answers as labels, before anything heavy is loaded: spans of a context that answer a question, if any do."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from typing import TYPE_CHECKING

from sftkeras.config import DataConfig
from sftkeras.data.formats.sources import Source
from sftkeras.data.labels.answers.rows import ANSWER, answered_blocks, find_answers, question_blocks
from sftkeras.data.labels.contract import SourceLayout
from sftkeras.data.labels.spans.kind import OfSpans

if TYPE_CHECKING:
    import numpy as np

    from sftkeras.data.checks.findings import Finding
    from sftkeras.data.labels.reader import LabelReader
    from sftkeras.data.storage.examples import Examples


class Answers(OfSpans):
    """Any number of spans of the second text, all with the one label `ANSWER`."""

    name = "answers"
    nothing = "no answer"
    malformed = frozenset({"SFT280", "SFT281"})

    def layout(self, source: Source, config: DataConfig) -> SourceLayout:
        """Finds the columns of answers and their places; raises as `read_blocks`."""
        found = find_answers(source, config)
        return SourceLayout(
            found.columns,
            config.label_column,
            partial(answered_blocks, source, found, config),
            partial(question_blocks, source, found, config),
        )

    def reader(self, column: str, config: DataConfig, known: Sequence[str] | None) -> LabelReader:
        """Makes the reader of lists of spans."""
        from sftkeras.data.labels.names import LabelNames
        from sftkeras.data.labels.spans.stored import SpansReader

        return SpansReader(LabelNames(column, None, (ANSWER,)))

    def check(self, examples: Examples, splits: Mapping[str, np.ndarray]) -> Iterator[Finding]:
        """Yields the finding that no question to train on has an answer."""
        from sftkeras.data.checks.check_labels import label_counts
        from sftkeras.data.checks.findings import finding

        rows = splits["train"]
        if not label_counts(examples, rows).any():
            file = examples.part_name(examples.given_parts[0])
            yield finding("SFT282", "error", len(rows), file=file, rows=f"{len(rows):,}")


ANSWERS = Answers()
