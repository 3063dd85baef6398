"""Records of predictions: each text with the other columns of its row and what was predicted. Imports no TensorFlow."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Protocol

import numpy as np
from rich.progress import Progress, TaskID

from sftkeras.config import GenerateConfig
from sftkeras.conversations import Conversation, Message
from sftkeras.data.checks.findings import SHOWN, place
from sftkeras.data.formats.unlabelled import TextBlock
from sftkeras.plurals import counted
from sftkeras.prediction.backends import Model
from sftkeras.prediction.generating import Options, options_for, questions
from sftkeras.tasks.padding import by_length
from sftkeras.tasks.predictions import Outputs, Record, record_keys, records


class Kept(Protocol):
    """Batches that an earlier command has predicted; the first ones of this command."""

    def next(self, asked: Any) -> list[Record] | None:
        """Returns the records of the next batch, which is predicted from `asked`; None if it was not predicted."""

    def add(self, asked: Any, records: list[Record]) -> None:
        """Keeps the records of the next batch, for a command that continues if this one is stopped."""


class NothingKept:
    """Keeps no batches."""

    def next(self, asked: Any) -> None:
        """Returns None."""

    def add(self, asked: Any, records: list[Record]) -> None:
        """Does nothing."""


def text_records(model: Model, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[Record]:
    """Returns a record for each text, with the text in it, and its second text if the model takes pairs."""
    if not texts:
        return []
    block = TextBlock([*texts], None if pairs is None else [*pairs])
    return list(_with_texts(block, list(records(model.predict(texts, pairs), model.predictions))))


class RowRecords:
    """Records of the rows of files or of what was typed, predicted in batches of rows of like length.

    Args:
        model: predicts.
        batch_size: rows in one batch.
        options: how a model that generates writes.
        progress: shows how far it is.
        kept: batches that need not be predicted again, see `sftkeras.prediction.kept_batches`.
        conversations: whether records are conversations that end with what was generated, as training reads them.
    """

    def __init__(
        self,
        model: Model,
        batch_size: int,
        options: GenerateConfig,
        progress: Progress,
        kept: Kept = NothingKept(),  # noqa: B008  has no state
        conversations: bool = False,
    ) -> None:
        self._model, self._batch_size, self._options = model, batch_size, options
        self._progress, self._kept, self._conversations = progress, kept, conversations
        self._names = _ColumnNames()
        self._empty = _Places("empty text", "its answer means nothing", "their answers mean nothing")
        self._too_long = _Places("text", "it is longer than the model reads", "they are longer than the model reads")
        self._unfinished = _Places("empty or unfinished answer", "it is left out", "they are left out")
        self._read = 0

    def __call__(self, blocks: Iterator[TextBlock]) -> Iterator[Record]:
        """Yields a record for each row, in their order. What is odd about rows is said on standard error at the end."""
        with self._progress:
            task = self._progress.add_task("Predicting", total=None, note="")
            for block in blocks:
                first, self._read = self._read, self._read + len(block.texts)
                total = self._read / block.done if block.done else None
                self._progress.update(task, total=total, note=f"{self._read:,} read")
                if not block.texts:
                    continue
                predicted = self._predicted(block, first, task)
                if self._conversations:
                    yield from self._answered(block, predicted)
                else:
                    yield from _with_texts(block, predicted, self._names)
        for places in (self._empty, self._too_long, self._unfinished):
            if places.count:
                print(places.in_words(self._read), file=sys.stderr)

    def _predicted(self, block: TextBlock, first: int, task: TaskID) -> list[Record]:
        """The records of a block, whose rows have the numbers from `first` on."""
        lengths = [sum(map(len, row)) for row in zip(*_asked(block), strict=True)]
        found: list[Record] = [{}] * len(lengths)
        for rows, predicted in self._batches(block, by_length(lengths, self._batch_size), first):
            for row, record in zip(rows, predicted, strict=True):
                found[row] = record
            self._progress.advance(task, len(rows))
        for row, (record, *texts) in enumerate(zip(found, block.texts, block.pairs or block.texts, strict=True)):
            place = block.places[row] if block.places else None
            if not all(map(str.strip, texts)):
                self._empty.add(place)
            elif self._model.predictions.left_out(record):
                self._too_long.add(place)
        return found

    def _answered(self, block: TextBlock, predicted: list[Record]) -> Iterator[Record]:
        """Conversations that end with the answers, but for those that would teach to stop in the middle."""
        asked = questions(block.texts) if block.asked is None else block.asked
        for row, (conversation, record) in enumerate(zip(asked, predicted, strict=True)):
            answer = self._model.predictions.whole_text(record)
            if answer is None:
                self._unfinished.add(block.places[row] if block.places else None)
            else:
                yield _conversation(conversation, answer)

    def _batches(
        self, block: TextBlock, plan: Sequence[np.ndarray], first: int
    ) -> Iterator[tuple[np.ndarray, list[Record]]]:
        """Yields the rows of each batch with their records: those that are kept, then those that are predicted now."""
        batches = [_AskedBatch.of(block, rows, options_for(self._options, (first + rows).tolist())) for rows in plan]
        done = 0
        while done < len(plan) and (kept := self._kept.next(batches[done].key)) is not None:
            yield plan[done], kept
            done += 1
        for rows, batch, outputs in zip(plan[done:], batches[done:], self._outputs(batches[done:]), strict=True):
            predicted = list(records(outputs, self._model.predictions))
            self._kept.add(batch.key, predicted)
            yield rows, predicted

    def _outputs(self, batches: Sequence[_AskedBatch]) -> Iterator[Outputs]:
        if any(batch.writes for batch in batches):
            return (self._model.write(batch.texts, batch.asked, batch.options) for batch in batches)
        return self._model.predict_each((batch.texts, batch.pairs) for batch in batches)


@dataclass(frozen=True)
class _AskedBatch:
    """Rows that are predicted together, and how a model that generates writes for them."""

    texts: list[str]
    pairs: list[str] | None
    asked: list[Conversation] | None
    options: Options

    @classmethod
    def of(cls, block: TextBlock, rows: np.ndarray, options: Options) -> _AskedBatch:
        """Takes the rows out of a block."""
        pairs = block.pairs and [block.pairs[row] for row in rows]
        asked = block.asked and [block.asked[row] for row in rows]
        return cls([block.texts[row] for row in rows], pairs, asked, options)

    @property
    def writes(self) -> bool:
        """Whether a text is written for each row."""
        return self.asked is not None or bool(self.options)

    @property
    def key(self) -> Any:
        """All that the predictions depend on, as JSON values."""
        return [self.texts, self.pairs, self.asked and [one.to_json() for one in self.asked], self.options]


def _asked(block: TextBlock) -> list[list[str]]:
    """All texts of the rows, by which they are sorted."""
    if block.asked is not None:
        return [["".join(message.content for message in one.messages) for one in block.asked]]
    return [block.texts] if block.pairs is None else [block.texts, block.pairs]


def _with_texts(block: TextBlock, predicted: list[Record], names: _ColumnNames | None = None) -> Iterator[Record]:
    others = names.free_of(predicted, block) if names else {}
    for row, record in enumerate(predicted):
        pair = {} if block.pairs is None else {"pair": block.pairs[row]}
        kept = {name: cells[row] for name, cells in others.items()}
        yield {"text": block.texts[row], **pair, **kept, **record}


def _conversation(asked: Conversation, answer: str) -> Record:
    """A row of a file of conversations, as training reads it."""
    whole = replace(asked, messages=(*asked.messages, Message("assistant", answer)))
    row: Record = json.loads(whole.to_json())
    return row


class _Places:
    """Rows of one kind: how many there are, and where the first ones stand.

    Args:
        name: of one.
        meaning: what is to be known of one,
        meanings: and of several.
    """

    def __init__(self, name: str, meaning: str, meanings: str) -> None:
        self._name, self._meaning, self._meanings = name, meaning, meanings
        self.count = 0
        self._places: list[str] = []

    def add(self, found: tuple[str, int] | None) -> None:
        """Counts a row, with its file and line if it comes from one."""
        self.count += 1
        if found and len(self._places) < SHOWN:
            self._places.append(place(*found))

    def in_words(self, rows: int) -> str:
        """Says how many of some rows they are."""
        more = ", …" if self.count > len(self._places) else ""
        places = f" ({', '.join(self._places)}{more})" if self._places else ""
        means = self._meaning if self.count == 1 else self._meanings
        return f"{counted(self.count, self._name)} among {counted(rows, 'row')}{places}: {means}."


class _ColumnNames:
    """Names of the further columns of a file: one that records have too gets `input_` before it."""

    def __init__(self) -> None:
        self._names: dict[str, str] = {}
        self._taken = {"text", "pair", *record_keys()}

    def free_of(self, predicted: list[Record], block: TextBlock) -> dict[str, list[Any]]:
        """Returns the other columns of a block by names that neither its records have nor those before."""
        self._taken |= {name for record in predicted for name in record}
        for column in block.others:
            if column not in self._names:
                name = column
                while name in self._taken:
                    name = f"input_{name}"
                self._names[column] = name
                self._taken.add(name)
        return {self._names[column]: cells for column, cells in block.others.items()}
