"""What is said of a figure agrees with it: a gain whose interval holds zero is none; parts add up to their whole."""

from __future__ import annotations

import pytest

from sftkeras.evaluation.report.wording import (
    forgetting,
    outcome,
    running,
    signed,
    stages,
    timeline,
    timeline_summary,
    verdicts,
)
from sftkeras.tasks import spec_of

EVALUATION = spec_of("classification").evaluation({})
ACCURACY = EVALUATION.metrics["accuracy"]


def comparison(gain: float, interval: list[float] | None) -> dict[str, object]:
    sure = None if interval is None else interval[0] > 0 or interval[1] < 0
    return {"name": "a baseline", "gain": gain, "gain_interval": interval, "more_than_noise": sure}


@pytest.mark.parametrize(
    ("gain", "interval", "said", "sentence"),
    [
        (
            0.05,
            [0.01, 0.09],
            "better",
            "5.0 points better than a baseline (95% interval +1.0 to +9.0: more",
        ),
        (-0.05, [-0.09, -0.01], "worse", "5.0 points worse than a baseline"),
        (
            0.02,
            [0.0, 0.047],
            "unsure",
            "Not clearly 2.0 points better than a baseline (95% interval +0.0 to +4.7",
        ),
        (-0.02, [-0.05, 0.01], "unsure", "Not clearly 2.0 points worse than a baseline"),
        (0.0, [0.0, 0.0], "unsure", "Exactly as good as a baseline (95% interval +0.0 to +0.0)."),
        (0.05, None, "unsure", "5.0 points better than a baseline, without an interval."),
    ],
)
def test_words_and_colour_of_a_gain_agree_with_its_interval(
    gain: float, interval: list[float] | None, said: str, sentence: str
) -> None:
    baseline = comparison(gain, interval)
    (verdict,) = verdicts({"headline": {"metric": "accuracy"}, "baselines": {"one": baseline}}, EVALUATION)
    assert verdict.outcome == outcome(baseline) == said
    assert verdict.sentence.startswith(sentence)


def test_an_end_of_an_interval_that_is_not_zero_is_not_shown_as_zero() -> None:
    assert signed([0.0004, 0.047], ACCURACY) == "+0.04 to +4.7"
    assert signed([-0.0001, 0.0], ACCURACY) == "−0.01 to +0.0"


def test_stages_are_shown_with_their_sum() -> None:
    shown = stages({"train": 60.0, "start": 1.0, "tune": 0.0, "own": 2.0})
    assert [took for _, took in shown] == [1.0, 60.0, 2.0, 63.0]
    assert shown[-1][0] == "all together"
    assert len(stages({"judge": 3.0})) == 1


def test_timeline_names_long_parts_with_idle_cores_and_what_no_part_has() -> None:
    parts = [("data", 0.0, 10.0, 0.9), ("train", 12.0, 86.0, 1.9), ("tune", 98.0, 1.0, 0.5)]
    report = {
        "timeline": {
            "cores": 2,
            "seconds": 100.0,
            "parts": [dict(zip(("name", "begin", "seconds", "cores"), part, strict=True)) for part in parts],
        }
    }
    assert [part.idle for part in timeline(report)] == [True, False, False, False]  # the third is too short to name
    assert timeline(report)[-1].seconds == pytest.approx(3.0)
    assert "its cores were 86.5% busy. Cores were idle in: data (0.9 of 2)." in timeline_summary(report)
    assert timeline({}) == []


def test_a_title_of_capitals_keeps_them_within_a_sentence():
    assert [running(title) for title in ("Macro F1", "ROUGE-L", "chrF")] == ["macro F1", "ROUGE-L", "chrF"]


@pytest.mark.parametrize(
    ("gain", "interval", "said", "sentence"),
    [
        (-0.1, [-0.2, -0.05], "worse", "Forgotten on 300 test texts of runs/a: Accuracy 90.0% before, 80.0% after "),
        (-0.01, [-0.02, 0.01], "unsure", "Nothing was measurably forgotten on 300 test texts of runs/a: "),
        (0.05, [0.01, 0.1], "better", "Improved on 300 test texts of runs/a: Accuracy 90.0% before, 95.0% after "),
        (0.05, None, "unsure", "Without an interval, on 300 test texts of runs/a: "),
    ],
)
def test_a_sentence_says_what_was_forgotten_of_each_earlier_run(
    gain: float, interval: list[float] | None, said: str, sentence: str
) -> None:
    figures = {when: {"metrics": {"accuracy": value}} for when, value in (("before", 0.9), ("after", 0.9 + gain))}
    part = {**comparison(gain, interval), **figures, "run": "runs/a", "earlier": True, "rows": 300}
    report = {"headline": {"metric": "accuracy"}, "before_and_after": [part, {**part, "earlier": False}]}
    (verdict,) = forgetting(report, EVALUATION)
    assert verdict.outcome == said
    assert verdict.sentence.startswith(sentence)
    assert f"({abs(100 * gain):.1f} points {'worse' if gain < 0 else 'better'}" in verdict.sentence
