"""Thresholds chosen after training are kept in the run, and nothing is predicted where none is open."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any
from unittest import mock

import numpy as np
import pytest

from sftkeras import runtime

runtime.start_tensorflow()

import tensorflow as tf  # noqa: E402

from sftkeras.tasks.regression.task import Regression  # noqa: E402
from sftkeras.tasks.span_qa.task import SpanQA  # noqa: E402
from sftkeras.training import thresholds  # noqa: E402

LABELS = np.array([np.array([[0, 3, 0]]), np.zeros((0, 3)), np.array([[1, 2, 0]]), np.zeros((0, 3))], object)
NO_ANSWER = (0.1, 0.8, 0.3, 0.6)


class Examples:
    """Four questions, of which the number says what is answered."""

    labels = LABELS

    def texts(self, rows: np.ndarray) -> list[str]:
        return [str(row) for row in rows]

    def pairs(self, rows: np.ndarray) -> list[str]:
        return ["context"] * len(rows)


class Run:
    """A run that builds a model of this task again, and notes what it is given to keep."""

    def __init__(self, task: Any) -> None:
        self.task = task
        self.kept: list[Any] = []
        self.asked: list[int] = []

    def restore_model(self) -> Any:
        def answer(texts: tf.Tensor, pairs: tf.Tensor) -> dict[str, tf.Tensor]:
            self.asked.append(len(pairs))
            rows = [int(text) for text in texts.numpy()]
            none = tf.constant([NO_ANSWER[row] for row in rows])
            return {"start": tf.zeros_like(rows), "end": tf.zeros_like(rows) + 3, "no_answer": none}

        model: Any = answer
        model.task = self.task
        return model

    def keep_task(self, task: Any) -> None:
        self.kept.append(task)


def tuned(task: Any, rows: list[int]) -> Run:
    run = Run(task)
    data = SimpleNamespace(splits={"validation": np.array(rows)}, examples=Examples())
    with mock.patch.object(thresholds, "restore_model", Run.restore_model):
        thresholds.choose_thresholds(run, task, data, batch_size=3)  # type: ignore[arg-type]
    return run


def test_the_threshold_between_answers_and_none_is_kept() -> None:
    run = tuned(SpanQA(), [0, 1, 2, 3])
    assert run.asked == [3, 1]
    (kept,) = run.kept
    assert kept.no_answer_threshold == pytest.approx(0.45)


@pytest.mark.parametrize("task", [SpanQA(no_answer_threshold=0.5), Regression(0.0, 1.0)], ids=["given", "another task"])
def test_a_task_without_a_choice_is_not_asked(task: Any) -> None:
    run = tuned(task, [0, 1, 2, 3])
    assert not run.asked
    assert not run.kept


def test_questions_that_all_have_answers_leave_no_choice() -> None:
    assert not tuned(SpanQA(), [0, 2]).asked
