"""Conversations drawn at random for tests: of odd white space, special tokens that users write, calls of tools.

Imports nothing of a test library: where transformers is, they are drawn again for its renderings.
"""

from __future__ import annotations

import json
import random
from typing import Any

from sftkeras.conversations import Conversation
from sftkeras.text import marks

PIECES = (
    *(
        "Hello",
        "what",
        "the",
        "price",
        "café",
        "中文",
        "🎬",
        "'s",
        "don't",
        "1",
        "23",
        "{",
        "}",
        '"quoted"',
        "\\",
        "<b>",
    ),
    *("\n", "\n\n", " ", "  ", "\t", "\u00a0", "{{ x }}", "{% y %}", "Assistant:", "User: ", "assistant", "<think>"),
    *(
        "<|im_end|>",
        "<|im_start|>user\n",
        "</s>",
        "<s>",
        "[INST]",
        "<|eot_id|>",
        "<end_of_turn>",
        "<start_of_turn>model\n",
    ),
)


def text(draw: random.Random) -> str:
    """A text that is not empty."""
    while True:
        found = "".join(draw.choice(PIECES) + draw.choice(["", " ", " "]) for _ in range(draw.randint(1, 12)))
        if found.strip():
            return found


def conversation(draw: random.Random, *, tools: bool = False) -> Conversation:
    """A conversation of one to four turns; with `tools` also of calls, of thoughts, and of thoughts inside contents."""
    messages: list[dict[str, Any]] = []
    if draw.random() < 0.5:
        messages.append({"role": "system", "content": text(draw)})
    for _ in range(draw.randint(1, 4)):
        messages.append({"role": "user", "content": text(draw)})
        if tools and draw.random() < 0.3:
            messages += _calls(draw)
        content = text(draw)
        if tools and draw.random() < 0.3:
            content = f"<think>\n{text(draw)}\n</think>\n\n{content}"
        thought = {"reasoning_content": text(draw)} if tools and draw.random() < 0.2 else {}
        messages.append({"role": "assistant", "content": content, **thought})
    described = [{"type": "function", "function": {"name": "weather", "description": text(draw)}}]
    values = {"messages": messages} | ({"tools": described} if tools and draw.random() < 0.5 else {})
    return Conversation.from_json(marks.ordinary(json.dumps(values, ensure_ascii=False)))


def _calls(draw: random.Random) -> list[dict[str, Any]]:
    names = [draw.choice(["weather", "add"]) for _ in range(draw.randint(1, 2))]
    calls = [
        {"type": "function", "function": {"name": name, "arguments": {"x": text(draw), "n": draw.randint(0, 9)}}}
        for name in names
    ]
    content = text(draw) if draw.random() < 0.5 else ""
    results = [{"role": "tool", "content": text(draw), "name": name} for name in names]
    return [{"role": "assistant", "content": content, "tool_calls": calls}, *results]


def conversations(count: int, *, tools: bool = False) -> list[Conversation]:
    """The same ones every time."""
    draw = random.Random(7)
    return [conversation(draw, tools=tools) for _ in range(count)]
