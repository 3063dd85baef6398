"""Matches found entities with true ones, and tells in what each is wrong."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

if TYPE_CHECKING:
    from sftkeras.tasks.tagging.scores import ScoredEntity

Fault = Literal["right", "boundary", "label", "both", "missed", "invented"]


class Match(NamedTuple):
    """A true entity and the one that was found for it; either is None where it has no other."""

    true: ScoredEntity | None
    found: ScoredEntity | None
    fault: Fault


def matches(true: Sequence[ScoredEntity], found: Sequence[ScoredEntity]) -> list[Match]:
    """Pairs entities of one text: equal spans first, then those that overlap, the most alike first.

    An entity is in one match at most.
    """
    pairs = sorted(_overlaps(true, found), reverse=True)
    result: list[Match] = []
    used_true: set[int] = set()
    used_found: set[int] = set()
    for _, _, number, other in pairs:
        if -number in used_true or -other in used_found:
            continue
        used_true.add(-number)
        used_found.add(-other)
        result.append(Match(true[-number], found[-other], _fault(true[-number], found[-other])))
    result += [Match(one, None, "missed") for number, one in enumerate(true) if number not in used_true]
    result += [Match(None, one, "invented") for number, one in enumerate(found) if number not in used_found]
    return result


def _overlaps(true: Sequence[ScoredEntity], found: Sequence[ScoredEntity]) -> Iterator[tuple[float, bool, int, int]]:
    """For each overlapping pair: the share of characters that both have, whether the labels agree, and its numbers.

    Numbers are negative, so that the first come first in descending order.
    """
    for number, one in enumerate(true):
        for other, answer in enumerate(found):
            shared = min(one.end, answer.end) - max(one.start, answer.start)
            if shared > 0:
                together = max(one.end, answer.end) - min(one.start, answer.start)
                yield shared / together, one.label == answer.label, -number, -other


def _fault(true: ScoredEntity, found: ScoredEntity) -> Fault:
    same_span = (true.start, true.end) == (found.start, found.end)
    if true.label == found.label:
        return "right" if same_span else "boundary"
    return "label" if same_span else "both"
