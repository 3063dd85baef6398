"""Baselines of tagging on the same split: the entities of the training texts, and each word's usual label."""

from __future__ import annotations

import re
import time
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from typing import Any

from sftkeras.evaluation.baselines import Baseline, Baselines, ReadTexts, sampled_rows
from sftkeras.evaluation.statistics.words import TOKEN_PATTERN
from sftkeras.tasks.tagging.scores import EvaluatedEntities, ScoredEntity

_WORD = re.compile(TOKEN_PATTERN)
_OUTSIDE, _BEGIN, _INSIDE = -1, 0, 1

Word = tuple[int, int, str]  # start, end, lowered


def fit_entity_baselines(read_texts: ReadTexts, train_truth: Any, evaluated: EvaluatedEntities, seed: int) -> Baselines:
    """Fits the baselines on the training rows and lets them answer the evaluated rows.

    Args:
        read_texts: takes positions within the training rows to their texts.
        train_truth: the spans of all training rows, each [spans, 3] int32.
        evaluated: the rows to answer.
        seed: decides which rows are sampled when there are too many.
    """
    rows = sampled_rows(len(train_truth), seed)
    texts, _ = read_texts(rows)
    truth = [[ScoredEntity(*span) for span in spans.tolist()] for spans in train_truth[rows]]
    return Baselines(
        (
            _baseline("usual_tags", "each word’s most frequent tag", _UsualTags, texts, truth, evaluated),
            _baseline("dictionary", "dictionary of the training entities", _Dictionary, texts, truth, evaluated),
        )
    )


def _baseline(
    key: str,
    name: str,
    model: Any,
    texts: Sequence[str],
    truth: Sequence[Sequence[ScoredEntity]],
    evaluated: EvaluatedEntities,
) -> Baseline:
    start = time.perf_counter()
    fitted = model(texts, truth)
    predictions = [list(fitted.find(text)) for text in evaluated.texts]
    return Baseline(key, name, evaluated.with_predictions(predictions), len(texts), time.perf_counter() - start)


def _words(text: str) -> list[Word]:
    return [(found.start(), found.end(), found[0].lower()) for found in _WORD.finditer(text)]


class _Dictionary:
    """Finds what stood in the training texts as an entity more often than not; the longest first."""

    def __init__(self, texts: Sequence[str], truth: Sequence[Sequence[ScoredEntity]]) -> None:
        labels: dict[tuple[str, ...], Counter[int]] = defaultdict(Counter)
        for text, entities in zip(texts, truth, strict=True):
            for one in entities:
                if words := tuple(word for _, _, word in _words(text[one.start : one.end])):
                    labels[words][one.label] += 1
        self._longest = max(map(len, labels), default=0)
        seen: Counter[tuple[str, ...]] = Counter()
        for text in texts:
            for _, _, phrase in _phrases([word for _, _, word in _words(text)], self._longest):
                if phrase in labels:
                    seen[phrase] += 1
        self._labels = {
            phrase: counts.most_common(1)[0][0]
            for phrase, counts in labels.items()
            if 2 * counts.total() > seen[phrase]
        }

    def find(self, text: str) -> Iterator[ScoredEntity]:
        words = _words(text)
        begin = 0
        for first, end, phrase in _phrases([word for _, _, word in words], self._longest):
            if first >= begin and phrase in self._labels:
                yield ScoredEntity(words[first][0], words[end - 1][1], self._labels[phrase])
                begin = end


def _phrases(words: Sequence[str], longest: int) -> Iterator[tuple[int, int, tuple[str, ...]]]:
    """Yields all runs of words, from left to right, at each place the longest first."""
    for first in range(len(words)):
        for end in range(min(first + longest, len(words)), first, -1):
            yield first, end, tuple(words[first:end])


class _UsualTags:
    """Gives each word the tag it has most often in the training texts; words never seen are outside."""

    def __init__(self, texts: Sequence[str], truth: Sequence[Sequence[ScoredEntity]]) -> None:
        tags: dict[str, Counter[tuple[int, int]]] = defaultdict(Counter)
        for text, entities in zip(texts, truth, strict=True):
            for start, end, word in _words(text):
                one = next((one for one in entities if one.start < end and start < one.end), None)
                place = _OUTSIDE if one is None else _BEGIN if start <= one.start else _INSIDE
                tags[word][place, one.label if one else -1] += 1
        self._tags = {word: counts.most_common(1)[0][0] for word, counts in tags.items()}

    def find(self, text: str) -> Iterator[ScoredEntity]:
        entity: ScoredEntity | None = None
        for start, end, word in _words(text):
            place, label = self._tags.get(word, (_OUTSIDE, -1))
            if entity and place == _INSIDE and label == entity.label:
                entity = entity._replace(end=end)
                continue
            if entity:
                yield entity
            entity = None if place == _OUTSIDE else ScoredEntity(start, end, label)
        if entity:
            yield entity
