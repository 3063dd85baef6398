"""Texts as they are, for encoders that read them: any rows in any order, grouped by their words."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from sftkeras.config import DataConfig
from sftkeras.data import BatchPlan, Examples, RawTexts, load_file
from sftkeras.data.labels.classes.kind import ONE_LABEL

TEXTS = ["one", "two  words", "three short words", "这部电影很好看", "four words in here", "x\u2003y"]


def examples(put_rows: Callable[..., str]) -> Examples:
    file = put_rows([(text, "ab"[number % 2]) for number, text in enumerate(TEXTS)])
    return load_file(file, DataConfig(), ONE_LABEL, ("a", "b")).examples


def test_lengths_are_words(put_rows: Callable[..., str]) -> None:
    texts = RawTexts(examples(put_rows), "text")
    assert texts.lengths.dtype == np.int32
    assert texts.lengths.tolist() == [1, 2, 3, 1, 4, 2]
    assert len(texts) == len(TEXTS)
    assert texts.unit == "words"


def test_a_batch_is_the_texts_of_its_rows(put_rows: Callable[..., str]) -> None:
    texts = RawTexts(examples(put_rows), "text")
    inputs = texts.batch(np.array([4, 0, 3]), 8)
    assert inputs.keys() == {"text"}
    assert inputs["text"].dtype == object
    assert inputs["text"].tolist() == [TEXTS[4], TEXTS[0], TEXTS[3]]


def test_texts_are_cleaned_first(put_rows: Callable[..., str]) -> None:
    texts = RawTexts(examples(put_rows), "text", lambda texts: [text.replace("words", "w w") for text in texts])
    assert texts.lengths.tolist() == [1, 3, 4, 1, 5, 2]
    assert texts.batch(np.array([1, 0]), 8)["text"].tolist() == ["two  w w", "one"]
    assert texts.at(3) is texts


def test_texts_can_be_planned_and_there_is_nothing_to_find(put_rows: Callable[..., str]) -> None:
    texts = RawTexts(examples(put_rows), "text")
    plan = BatchPlan(texts.lengths, np.arange(len(TEXTS)), 2, seed=1)
    planned = [text for step in range(plan.steps) for text in texts.batch(*plan.batch(0, step))["text"]]
    assert sorted(planned) == sorted(TEXTS)
    assert texts.describe(plan) == "texts as they are"
    assert texts.findings() == []
