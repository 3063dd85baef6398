"""Made-up answers of chat models: conversations as rows hold them, and what models predict for them."""

from __future__ import annotations

from typing import Any

import numpy as np

from sftkeras.conversations import Conversation, Message
from sftkeras.tasks.chat.spec import SPEC

EVALUATION = SPEC.evaluation({"max_new_tokens": 32})
TOPICS = ("the parcel", "the invoice", "a refund", "the opening hours", "the price list", "a spare part")


def conversation(question: str, answer: str, *before: str) -> str:
    """A row's text. `before` are earlier messages, the user's first."""
    roles = ("user", "assistant")
    earlier = [Message(roles[number % 2], content) for number, content in enumerate(before)]
    return Conversation((*earlier, Message("user", question), Message("assistant", answer))).to_json()


def rows_of(texts: list[str]) -> dict[str, Any]:
    return {"texts": texts, "pairs": None, "places": [("chat.jsonl", row + 1) for row in range(len(texts))]}


def predictions_of(answers: list[str | None], loss: float = 2.0, tokens: int = 4) -> dict[str, np.ndarray]:
    """What a model gives; the answers are those of rows for which it generates, and the same loss for each row."""
    generated = np.array([answer is not None for answer in answers])
    return {
        "loss": np.full(len(answers), loss),
        "tokens": np.full(len(answers), tokens),
        "hits": np.full(len(answers), 3),
        "answer": np.array([answer or "" for answer in answers]),
        "generated": generated,
        "ended": generated & np.array([bool(answer and answer.endswith(".")) for answer in answers]),
    }


def evaluated_of(texts: list[str], answers: list[str | None], **predictions: Any) -> Any:
    known = predictions_of(answers)
    return EVALUATION.evaluated(rows_of(texts), None, known | predictions, ())


def support_rows(count: int = 24) -> list[str]:
    """Questions of customers, each with an answer of its topic."""
    return [
        conversation(
            f"Hello, what about {TOPICS[row % len(TOPICS)]} number {row}?",
            f"Dear customer {row}, we look after {TOPICS[row % len(TOPICS)]} and write to you on Monday.",
        )
        for row in range(count)
    ]
