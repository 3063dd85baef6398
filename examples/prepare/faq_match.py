"""Questions with an answer that is theirs or another's, in English, from the package chatterbot-corpus.

Of each question there are two rows: one with its answer, one with that of the next question of the category. So each
answer is right once and wrong once, and neither text alone shows which. Questions are divided into files before, so
that none is in two parts.
"""

from __future__ import annotations

import random
import sys
from collections.abc import Sequence
from typing import Any

from examples.prepare.account import Account, run
from examples.prepare.faq import answered
from examples.prepare.intents import SOURCE, read_language
from sftkeras.handles import resolve

SHARES = {"train": 0.7, "validation": 0.1, "test": 0.2}
_SEED = 17

Rows = Sequence[dict[str, Any]]


def matches(questions: Rows) -> list[dict[str, str]]:
    """Gives each question its own answer, and that of the next, which mostly is of the same category.

    Args:
        questions: rows with question, answer and category.
    """
    ordered = sorted(questions, key=lambda row: row["category"])
    rows = []
    for row, following in zip(ordered, [*ordered[1:], *ordered[:1]], strict=True):
        question = {"question": row["question"], "category": row["category"]}
        rows.append({**question, "answer": row["answer"], "label": "match"})
        rows.append({**question, "answer": following["answer"], "label": "other"})
    return rows


def divided(questions: Rows) -> dict[str, Rows]:
    """Divides questions into parts, each by its share, in an order that is always the same."""
    shuffled = random.Random(_SEED).sample(list(questions), len(questions))
    parts: dict[str, Rows] = {}
    begin = 0.0
    for part, share in SHARES.items():
        end = begin + share
        parts[part] = shuffled[round(begin * len(shuffled)) : round(end * len(shuffled))]
        begin = end
    return parts


def _make() -> dict[str, Account]:
    questions = answered(read_language(resolve(SOURCE) / "english")).rows
    return {
        f"faq-match-{part}.jsonl": Account("pairs", rows=matches(rows)) for part, rows in divided(questions).items()
    }


if __name__ == "__main__":
    sys.exit(run(__doc__, _make))
