"""Conversations that a tiny decoder can learn. Imports no TensorFlow."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from tiny_bert import BAD, GOOD, NOUNS


def conversations(rows: int = 48) -> list[dict[str, Any]]:
    """Questions on a noun, whose answers say what it is like."""
    return [conversation(number) for number in range(rows)]


def conversation(number: int) -> dict[str, Any]:
    """One of them; every fourth has two turns."""
    adjective, noun = (GOOD + BAD)[number % 8], NOUNS[number // 8 % 8]
    messages = [
        {"role": "user", "content": f"how is the {noun} {number}?"},
        {"role": "assistant", "content": f"the {noun} is {adjective}"},
    ]
    if number % 4 == 0:
        messages += [{"role": "user", "content": "why?"}, {"role": "assistant", "content": f"it is {adjective}"}]
    return {"messages": messages}


def write_conversations(path: Path, rows: int = 48) -> Path:
    """Writes them as JSON Lines; returns the path."""
    path.write_text("".join(json.dumps(row) + "\n" for row in conversations(rows)), encoding="utf-8")
    return path
