"""Test parts before and after: the figures of both models, and a change that is resampled in pairs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from evaluated_rows import one_label

from sftkeras.evaluation.report.compared import BeforeAndAfter, side_by_side
from sftkeras.tasks import spec_of
from sftkeras.tasks.classification.scores import EvaluatedLabels

EVALUATION = spec_of("classification").evaluation({})


def labels() -> EvaluatedLabels:
    random = np.random.default_rng(3)
    truth = random.integers(0, 3, 60)
    return one_label(("a", "b", "c"), truth, 0.3 * np.eye(3)[truth] + 0.7 * random.dirichlet(np.ones(3), 60))


def test_earlier_parts_come_first_and_a_change_is_paired() -> None:
    after = labels()
    before = replace(after, predictions=np.roll(after.predictions, 1, axis=1))
    own, old = BeforeAndAfter("runs/b", False, after, after), BeforeAndAfter("runs/a", True, before, after)
    first, second = side_by_side(EVALUATION, [own, old], 200, 1)
    assert [(part["run"], part["rows"]) for part in (first, second)] == [("runs/a", len(after)), ("runs/b", len(after))]
    figures = [EVALUATION.scores(rows).metrics["accuracy"] for rows in (before, after)]
    assert [first[when]["metrics"]["accuracy"] for when in ("before", "after")] == figures
    assert first["gain"] == pytest.approx(figures[1] - figures[0])
    low, high = first["gain_interval"]
    assert low < first["gain"] < high
    # Equal predictions never differ, whichever rows are drawn.
    assert (second["gain"], second["gain_interval"], second["more_than_noise"]) == (0, (0, 0), False)


def test_without_resampling_there_are_no_intervals() -> None:
    (part,) = side_by_side(EVALUATION, [BeforeAndAfter("runs/b", True, labels(), labels())], 0, 1)
    assert part["gain_interval"] is part["more_than_noise"] is part["before"]["interval"] is None
