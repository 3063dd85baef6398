"""A tiny random encoder and rows that it can learn, made on the spot: what crash.py and growth.py train."""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import numpy as np
from processes import HERE

sys.path.append(str(HERE.parent / "tests"))
from tiny_bert import BAD, GOOD, NOUNS, write_tiny_bert

__all__ = ["write_rows", "write_tiny_bert"]


def write_rows(path: Path, rows: int, *, longest: int = 24) -> Path:
    """Writes rows of text and label, no text twice; a word among others decides the label."""
    random = np.random.default_rng(11)
    fillers = np.array([*NOUNS, "a", "the"])
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(["text", "label"])
        for number in range(rows):
            label, words = (("negative", BAD), ("positive", GOOD))[number % 2]
            text = list(random.choice(fillers, random.integers(3, longest)))
            text.insert(int(random.integers(len(text))), words[number // 2 % len(words)])
            writer.writerow([" ".join([*text, str(number)]), label])
    return path
