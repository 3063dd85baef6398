"""The chat check of the tokens themselves: what batches are made of, after all rendering, tokenising and cutting."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import numpy as np

from sftkeras.data import RowInputs
from sftkeras.data.checks.findings import SHOWN, Finding, finding, place
from sftkeras.data.labels.conversations.prompts import severity
from sftkeras.data.storage.examples import Examples
from sftkeras.tasks.chat.spec import ChatSettings

_ROWS_AT_ONCE = 1000
# Tokens from the last learned one back to that which ends the answer. Where all is learned, templates write on: a line
# break, or what asks for the next answer.
_REACH = {"answers": 1, "last_answer": 1, "all": 5}


def check_tokens(
    inputs: RowInputs, examples: Examples, settings: ChatSettings, ends: Collection[int], limit: int, shortened: int
) -> Iterator[Finding]:
    """Yields what is wrong with the tokens of conversations: none learned, answers cut off, conversations too long.

    Args:
        inputs: token_ids and learned of every row.
        examples: the rows, for their places.
        settings: of the task.
        ends: the tokens that end an answer.
        limit: tokens that a row may have.
        shortened: how many conversations are longer.
    """
    if shortened:
        yield _long(shortened, len(examples), settings, limit)
    nothing, cut = [], []
    for begin in range(0, len(examples), _ROWS_AT_ONCE):
        rows = np.arange(begin, min(begin + _ROWS_AT_ONCE, len(examples)), dtype=np.int32)
        length = int(inputs.lengths[rows].max())
        features = inputs.batch(rows, length)
        learned, tokens = features["learned"] > 0, features["token_ids"]
        has_some = learned.any(1)
        last = length - 1 - learned[:, ::-1].argmax(1)
        places = last[:, np.newaxis] - np.arange(_REACH[settings.train_on])
        ended = np.isin(np.take_along_axis(tokens, np.maximum(places, 0), 1), list(ends)).any(1)
        # An answer may also end without such a token where the template writes none; that is checked before.
        is_cut = has_some & ~ended & (inputs.lengths[rows] == limit)
        nothing += rows[~has_some].tolist()
        cut += rows[is_cut].tolist()
    yield from _rows_with(nothing, "SFT477", "nothing_learned", examples, settings, limit)
    yield from _rows_with(cut, "SFT478", "cut_answers", examples, settings, limit)


def _long(count: int, total: int, settings: ChatSettings, limit: int) -> Finding:
    cut = settings.long_conversations == "cut"
    done = "They lost whole turns from their beginning." if cut else "Raise --backbone.max_length, or cut them with"
    remedy = done if cut else f"{done} --task.long_conversations cut."
    return finding(
        "SFT479",
        "warning" if cut else "error",
        count,
        rows=f"{count:,}",
        total=f"{total:,}",
        share=f"{count / total:.1%}",
        limit=limit,
        remedy=remedy,
    )


def _rows_with(
    rows: list[int], code: str, name: str, examples: Examples, settings: ChatSettings, limit: int
) -> Iterator[Finding]:
    if rows:
        serious, remedy = severity(name, settings.allow)
        places = examples.places(rows[:SHOWN])
        words = {"rows": f"{len(rows):,}", "total": f"{len(examples):,}", "limit": limit, "remedy": remedy}
        yield finding(code, serious, len(rows), places, place=place(*places[0]), **words)
