"""Tokens of conversations are checked as batches have them: answers that are cut off, rows that teach nothing."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from sftkeras.data import Finding
from sftkeras.tasks.chat.spec import ChatSettings
from sftkeras.tasks.chat.token_check import check_tokens

END, LIMIT = 9, 4


class Rows:
    """Rows of token ids, of which those from a place on are learned."""

    def __init__(self, *rows: tuple[list[int], int]) -> None:
        self.rows = rows
        self.lengths = np.array([len(tokens) for tokens, _ in rows], np.int32)

    def batch(self, rows: np.ndarray, length: int) -> dict[str, np.ndarray]:
        made = {name: np.zeros((len(rows), length), np.int32) for name in ("token_ids", "learned")}
        for at, row in enumerate(rows):
            tokens, begin = self.rows[row]
            made["token_ids"][at, : len(tokens)] = tokens
            made["learned"][at, begin : len(tokens)] = 1
        return made

    def __len__(self) -> int:
        return len(self.rows)

    def places(self, rows: list[int]) -> list[tuple[str, int]]:
        return [("rows.jsonl", row + 1) for row in rows]


def check(*rows: tuple[list[int], int], shortened: int = 0, **settings: Any) -> list[Finding]:
    data: Any = Rows(*rows)
    return list(check_tokens(data, data, ChatSettings(**settings), [END], LIMIT, shortened))


def test_answers_that_end_are_well() -> None:
    assert check(([1, 2, END], 1), ([1, 2, 3, END], 2)) == []


@pytest.mark.parametrize(("code", "name", "row"), [("SFT478", "cut_answers", 2), ("SFT477", "nothing_learned", 4)])
def test_what_is_lost_at_the_end_stops_unless_it_is_allowed(code: str, name: str, row: int) -> None:
    (found,) = check(([1, END], 1), ([1, 2, 3, 4], row), ([1, 2, 3, 4], row))
    assert (found.code, found.severity, found.count) == (code, "error", 2)
    assert "rows.jsonl line 2" in found.message
    assert f"--task.allow '[{name}]'" in found.message
    assert check(([1, 2, 3, 4], row), allow=[name])[0].severity == "warning"


def test_where_all_is_learned_a_template_may_write_on_behind_an_answer() -> None:
    assert check(([1, 2, END, 5], 0), train_on="all") == []
    assert check(([1, 2, END, 5], 2))[0].code == "SFT478"


def test_long_conversations_are_counted_or_refused() -> None:
    (cut,) = check(([1, END], 1), ([1, END], 1), shortened=1)
    assert (cut.code, cut.severity) == ("SFT479", "warning")
    assert "1 of 2 conversations (50.0%) are longer than 4 tokens. They lost whole turns" in cut.message
    (refused,) = check(([1, END], 1), ([1, END], 1), shortened=1, long_conversations="refuse")
    assert refused.severity == "error"
    assert "--task.long_conversations cut" in refused.message
