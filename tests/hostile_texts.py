"""Texts of what tokenizers treat apart: spaces of all kinds, digits, contractions, marks, rare scripts."""

from __future__ import annotations

import random

from toy_tokenizers import COMPARED

PARTS = (
    *"aabetrslmdSTRV'' \n\t .,1!é字👍\u00a0\u0301ſ²\r\u2028\x85\x00_-/▁<>",
    *(
        "  ",
        "    ",
        "'s",
        "'LL",
        "the ",
        " film",
        "\r\n",
        "\n\n",
        "aaaa",
        "123",
        "日本",
        "한국어",
        "\u1112\u1161\u11ab",
        "!!",
        "</",
    ),
)


def hostile_texts(count: int) -> list[str]:
    """Short texts, the same for every run."""
    draw = random.Random(23)

    def part() -> str:
        return draw.choice(PARTS) if draw.random() < 0.85 else draw.choice(COMPARED)

    return ["".join(part() for _ in range(draw.randrange(40))) for _ in range(count)]
