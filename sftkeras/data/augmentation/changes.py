"""Shows how cleaning and augmentation change the texts, before a run: counts and samples."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from itertools import islice

import numpy as np
from rich.markup import escape
from rich.table import Table

from sftkeras.data.augmentation.rewriting import RewrittenTexts
from sftkeras.data.storage.examples import Examples

_LOOKED_AT = 10_000  # texts, so that large data is shown as quickly
_SHOWN = 4
_WIDTH = 100  # characters of a sample
_BEFORE = 30  # of them, before the first change


def describe_cleaning(examples: Examples, after_each_step: Callable[[list[str]], Mapping[str, list[str]]]) -> Table:
    """Returns a table of texts before and after cleaning, and counts what each step changed.

    Args:
        examples: whose texts.
        after_each_step: gives the texts after each step, by its name, in order.
    """
    texts, _ = next(examples.text_batches(_LOOKED_AT))
    counts, cleaned = {}, texts
    for name, after in after_each_step(texts).items():
        counts[name] = sum(one != other for one, other in zip(cleaned, after, strict=True))
        cleaned = after
    table = _table("Cleaning changes", texts, cleaned, len(examples), "texts")
    table.caption = ", ".join(f"{name} {rows:,}" for name, rows in counts.items())
    return table


def describe_augmentation(
    variants: Sequence[RewrittenTexts],
    examples: Examples,
    rows: np.ndarray,
    clean: Callable[[list[str]], list[str]] | None = None,
) -> Table:
    """Returns a table of training texts before and after their first rewriting, and counts how many change.

    Args:
        variants: all rewritings.
        examples: whose texts.
        rows: the training rows.
        clean: what is done to all texts, rewritten or not.
    """
    some = rows[:_LOOKED_AT]
    texts = examples.texts(some)
    texts = clean(texts) if clean else texts
    table = _table("Augmentation changes", texts, variants[0].texts(some), len(rows), "training texts an epoch")
    table.caption = f"{len(variants)} variants, one an epoch in turn"
    return table


def _table(what: str, before: Sequence[str], after: Sequence[str], total: int, noun: str) -> Table:
    changed = [(one, other) for one, other in zip(before, after, strict=True) if one != other]
    of = f"{len(before):,}" if len(before) == total else f"the first {len(before):,}"
    table = Table("before", "after", title=f"{what} {len(changed):,} of {of} {noun} ({len(changed) / len(before):.1%})")
    for one, other in islice(changed, _SHOWN):
        table.add_row(*map(escape, _around_change(one, other)))
    return table


def _around_change(before: str, after: str) -> tuple[str, str]:
    """Both texts from a little before where they differ, as one line."""
    pairs = enumerate(zip(before, after, strict=False))
    same = next((at for at, (one, other) in pairs if one != other), min(len(before), len(after)))
    begin = max(same - _BEFORE, 0) if max(len(before), len(after)) > _WIDTH else 0
    return _piece(before, begin), _piece(after, begin)


def _piece(text: str, begin: int) -> str:
    shown = "…" * (begin > 0) + text[begin : begin + _WIDTH] + "…" * (len(text) > begin + _WIDTH)
    return "".join(letter if letter.isprintable() else repr(letter)[1:-1] for letter in shown)
