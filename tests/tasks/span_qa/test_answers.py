"""Answers are compared as SQuAD's official evaluation does, counted, grouped and shown in their contexts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from sftkeras.config import ReportConfig
from sftkeras.errors import SFTError
from sftkeras.evaluation import RunFacts, write_report
from sftkeras.tasks.span_qa.answer_words import exact_match, f1, words
from sftkeras.tasks.span_qa.baselines import fit_answer_baselines
from sftkeras.tasks.span_qa.evaluation import AnswersEvaluation
from sftkeras.tasks.span_qa.mistakes import worst_answer_mistakes
from sftkeras.tasks.span_qa.scores import Answer, EvaluatedAnswers, read_answers, score_answers

CONTEXT = "The <b>Eiffel</b> Tower stands in Paris. It was built by Gustave Eiffel in 1889!"
ROWS = {
    "texts": ["Where is the tower?", "Who built it?", "When, by whom?", "Why?"],
    "pairs": [CONTEXT] * 4,
    "places": [("qa.jsonl", line) for line in range(1, 5)],
}


def span(text: str) -> list[int]:
    return [CONTEXT.index(text), CONTEXT.index(text) + len(text), 0]


TRUTH = [
    np.array(rows, np.int32).reshape(-1, 3) for rows in ([span("Paris")], [span("Gustave Eiffel")], [span("1889")], [])
]
GIVEN = ["in Paris", "Gustave Eiffel", "", "1889"]


def evaluated(given: list[str] = GIVEN) -> EvaluatedAnswers:
    places = np.array([span(text)[:2] if text else [-1, -1] for text in given])
    answers = {"answer": np.array(given), "start": places[:, 0], "end": places[:, 1]}
    return read_answers(ROWS, TRUTH, answers | {"score": np.array([0.5, 0.9, 0.6, 0.7], np.float32)})


@pytest.mark.parametrize(
    ("answer", "truths", "exact", "shared"),
    [
        ("the Eiffel Tower", ["Eiffel tower."], 1, 1),
        ("An apple a day", ["apple day"], 1, 1),
        ("the tall Eiffel Tower", ["Eiffel Tower"], 0, 0.8),
        ("Eiffel Eiffel", ["Eiffel"], 0, 2 / 3),  # each occurrence counts once
        ("Paris", ["Rome", "in Paris"], 0, 2 / 3),  # the nearest of several
        ("", [], 1, 1),
        ("Paris", [], 0, 0),
        ("", ["Paris"], 0, 0),
        ("", ["the"], 1, 1),  # a truth of nothing but an article is none, as in the official evaluation
        ("don't", ["dont"], 1, 1),
        ("北京市", ["北京"], 0, 0.8),
        ("《北京》", ["北京"], 1, 1),
    ],
)
def test_answers_are_compared_as_officially(answer: str, truths: list[str], exact: float, shared: float) -> None:
    assert exact_match(answer, truths) == exact
    assert f1(answer, truths) == pytest.approx(shared)


def test_words_of_scripts_without_spaces_are_characters() -> None:
    assert words("The iPhone 在北京，2024年") == ["iphone", "在", "北", "京", "2024", "年"]


def test_figures_follow_from_the_answers() -> None:
    scores = score_answers(evaluated())
    assert scores.metrics["exact_match"] == pytest.approx(1 / 4)
    assert scores.metrics["answer_f1"] == pytest.approx((2 / 3 + 1) / 4)
    assert scores.metrics["has_answer_f1"] == pytest.approx((2 / 3 + 1) / 3)
    assert scores.metrics["has_answer_exact"] == pytest.approx(1 / 3)
    assert scores.metrics["no_answer_accuracy"] == 0
    groups = {one["group"]: one["support"] for one in scores.breakdowns["question word"]}
    assert groups == {"where": 1, "who": 1, "when": 1, "why": 1}
    lengths = {one["group"]: one["metrics"]["answer_f1"] for one in scores.breakdowns["length of the answer"]}
    assert lengths == {"1 word": pytest.approx(1 / 3), "2 to 3 words": 1, "no answer": 0}


def test_mistakes_are_shown_in_their_context() -> None:
    mistakes = worst_answer_mistakes(evaluated(), 10)
    assert [one["what"] for one in mistakes] == ["there is no answer", "missed", "wrong boundary"]
    assert mistakes[2]["marked"] == CONTEXT.replace("in Paris", "(in [Paris)]")
    assert (mistakes[1]["truth"], mistakes[1]["answer"]) == ("1889", "no answer")
    assert mistakes[1]["text"] == "When, by whom?"
    assert len(worst_answer_mistakes(evaluated(), 1)) == 1


def test_baselines_answer_with_a_sentence() -> None:
    baselines = fit_answer_baselines(evaluated())
    first, nearest = (baseline.evaluated.predictions for baseline in baselines.fitted)
    assert {one.text for one in first} == {"The <b>Eiffel</b> Tower stands in Paris."}
    assert nearest[1].text == "It was built by Gustave Eiffel in 1889!"
    assert all(CONTEXT[one.start : one.end] == one.text for one in (*first, *nearest))


def test_answers_that_are_no_numbers_stop_the_report() -> None:
    answers = {"answer": np.array(GIVEN), "start": np.zeros(4), "end": np.ones(4), "score": np.array([1, np.nan, 1, 1])}
    with pytest.raises(SFTError, match=r"SFT603.*qa\.jsonl line 2"):
        read_answers(ROWS, TRUTH, answers)
    with pytest.raises(SFTError, match="SFT602"):
        EvaluatedAnswers([], [], [], [], [])


@pytest.mark.parametrize("given", [GIVEN, ["Paris", "Gustave Eiffel", "1889", ""]], ids=["some wrong", "all right"])
def test_the_report_shows_questions(tmp_path: Path, given: list[str]) -> None:
    one = evaluated(given)
    baselines = fit_answer_baselines(one)
    report = write_report(tmp_path, AnswersEvaluation({}), one, RunFacts(), baselines, ReportConfig(bootstrap=20))
    assert (report["task"], report["headline"]["metric"]) == ("span_qa", "answer_f1")
    assert set(report["baselines"]) == {"first_sentence", "nearest_sentence"}
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "<b>Eiffel" not in page
    assert ('<mark class="truth ' in page) == (given == GIVEN)
    assert "By question word" in page
    assert ("The true answer is in" in (tmp_path / "report.md").read_text("utf-8")) == (given == GIVEN)


def test_an_answer_is_read_with_its_place() -> None:
    start, end, _ = span("Paris")
    assert evaluated().truth[0] == [Answer(start, end, "Paris")]
    assert evaluated().in_words(3) == ("no answer", "1889")
