"""Baselines of question answering: the first sentence of the context, and the one most like the question."""

from __future__ import annotations

import re
import time
from collections.abc import Callable

from sftkeras.evaluation.baselines import Baseline, Baselines
from sftkeras.tasks.span_qa.answer_words import words
from sftkeras.tasks.span_qa.scores import Answer, EvaluatedAnswers

Find = Callable[[str, str], Answer]
"""(question, context) → an answer."""

_SENTENCE = re.compile(r"[^.!?。！？\n]+(?:[.!?。！？]+|\n|$)")


def fit_answer_baselines(evaluated: EvaluatedAnswers) -> Baselines:
    """Lets the rules, which learn nothing, answer the evaluated rows."""
    return Baselines(
        (
            _baseline(
                "first_sentence", "the first sentence", lambda question, context: _sentences(context)[0], evaluated
            ),
            _baseline("nearest_sentence", "the sentence with most words of the question", _nearest, evaluated),
        )
    )


def _baseline(key: str, name: str, find: Find, evaluated: EvaluatedAnswers) -> Baseline:
    start = time.perf_counter()
    answers = [find(question, context) for question, context in zip(evaluated.texts, evaluated.pairs, strict=True)]
    return Baseline(key, name, evaluated.with_predictions(answers), 0, time.perf_counter() - start)


def _sentences(context: str) -> list[Answer]:
    """The sentences, without outer spaces; the whole context if it has none."""
    found = []
    for one in _SENTENCE.finditer(context):
        text = one[0].strip()
        if text:
            start = one.start() + one[0].index(text)
            found.append(Answer(start, start + len(text), text))
    return found or [Answer(0, len(context), context)]


def _nearest(question: str, context: str) -> Answer:
    asked = set(words(question))
    return max(_sentences(context), key=lambda sentence: len(asked.intersection(words(sentence.text))))
