"""Entities are matched, counted and shown as their definitions say."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sftkeras.config import ReportConfig
from sftkeras.errors import SFTError
from sftkeras.evaluation import RunFacts, write_report
from sftkeras.tasks.tagging.baselines import fit_entity_baselines
from sftkeras.tasks.tagging.evaluation import EntitiesEvaluation
from sftkeras.tasks.tagging.matches import matches
from sftkeras.tasks.tagging.mistakes import worst_entity_mistakes
from sftkeras.tasks.tagging.scores import EvaluatedEntities, ScoredEntity, entity_tally, read_entities, score_entities

NAMES = ("LOC", "PER", "ORG")
TEXTS = ["John lives in New York", "IBM is big", "Paris and <b>London</b>", "nothing 北京", "all is right in Rome"]
TRUTH = [
    [ScoredEntity(0, 4, 1), ScoredEntity(14, 22, 0)],
    [ScoredEntity(0, 3, 2)],
    [ScoredEntity(0, 5, 0), ScoredEntity(13, 19, 0)],
    [],
    [ScoredEntity(16, 20, 0)],
]
ANSWERS = [
    [ScoredEntity(0, 4, 1, 0.9), ScoredEntity(18, 22, 0, 0.8)],  # right, and a wrong boundary
    [ScoredEntity(0, 3, 1, 0.7)],  # a wrong label
    [ScoredEntity(0, 5, 0, 0.99)],  # right, and one missed
    [ScoredEntity(0, 7, 2, 0.3)],  # invented
    [ScoredEntity(16, 20, 0, 1.0)],
]
EVALUATED = EvaluatedEntities(TEXTS, None, [("a.conll", line) for line in range(1, 6)], NAMES, TRUTH, ANSWERS)


@st.composite
def flat(draw: st.DrawFn) -> list[ScoredEntity]:
    """Entities that do not overlap."""
    places = sorted(draw(st.sets(st.integers(0, 12), max_size=8)))
    pairs = zip(places[::2], places[1::2], strict=False)
    return [ScoredEntity(start, end, draw(st.integers(0, 2)), 0.5) for start, end in pairs]


def test_each_fault_has_its_name() -> None:
    faults = [match.fault for row in EVALUATED.matches for match in row]
    assert faults == ["right", "boundary", "label", "right", "missed", "invented", "right"]


@settings(max_examples=200, deadline=None)
@given(flat(), flat())
def test_every_entity_is_in_one_match(true: list[ScoredEntity], found: list[ScoredEntity]) -> None:
    result = matches(true, found)
    assert sorted(match.true for match in result if match.true) == sorted(true)
    assert sorted(match.found for match in result if match.found) == sorted(found)
    right = {one[:3] for one in true} & {one[:3] for one in found}
    assert sum(match.fault == "right" for match in result) == len(right)


@settings(max_examples=100, deadline=None)
@given(st.lists(st.tuples(flat(), flat()), min_size=1, max_size=4))
def test_exact_counts_are_those_of_sets(rows: list[tuple[list[ScoredEntity], list[ScoredEntity]]]) -> None:
    places = [("a", row) for row in range(len(rows))]
    evaluated = EvaluatedEntities(
        ["x" * 13] * len(rows), None, places, NAMES, [it[0] for it in rows], [it[1] for it in rows]
    )
    tally = entity_tally(evaluated)
    hits = sum(len({one[:3] for one in true} & {one[:3] for one in found}) for true, found in rows)
    counts = np.asarray(tally.rows.sum(axis=0))
    assert counts[0] == hits == counts[6:9].sum()  # of nervaluate, of sets, of all labels
    assert counts[4:6].tolist() == [sum(len(it[1]) for it in rows), sum(len(it[0]) for it in rows)]


def test_figures_follow_from_the_counts() -> None:
    scores = score_entities(EVALUATED)
    assert scores.metrics["entity_precision"] == pytest.approx(3 / 6)
    assert scores.metrics["entity_recall"] == pytest.approx(3 / 6)
    assert scores.metrics["partial_f1"] == pytest.approx((4 + 0.5) / 6)  # four spans are equal, one overlaps
    assert scores.metrics["boundary_f1"] == pytest.approx(4 / 6)
    assert scores.metrics["label_f1"] == pytest.approx(4 / 6)
    assert scores.per_class["LOC"]["faults"] == {
        "right": 2, "boundary": 1, "label": 0, "both": 0, "missed": 1, "invented": 0
    }  # fmt: skip
    assert scores.confusion is not None
    assert scores.confusion["counts"] == [[3, 0, 0, 1], [0, 1, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0]]


def test_mistakes_are_shown_in_their_text() -> None:
    mistakes = worst_entity_mistakes(EVALUATED, 10)
    assert [one["what"] for one in mistakes] == ["wrong boundary", "wrong label", "no entity there", "missed"]
    assert mistakes[0]["marked"] == "John lives in [New (York)]"
    assert mistakes[0]["segments"] == [["John lives in ", None, None], ["New ", "LOC", None], ["York", "LOC", "LOC"]]
    assert mistakes[3]["marked"] == "Paris and <b>[London]</b>"
    assert (mistakes[1]["truth"], mistakes[1]["answer"], mistakes[1]["line"]) == ("ORG", "PER", 2)
    assert [one["fault"] for one in worst_entity_mistakes(EVALUATED, 2)] == ["boundary", "label"]


def test_long_texts_are_cut_around_the_mistake() -> None:
    text = "a" * 1000 + " Rome " + "b" * 1000
    evaluated = EvaluatedEntities([text], None, [("a", 1)], NAMES, [[ScoredEntity(1001, 1005, 0)]], [[]])
    (mistake,) = worst_entity_mistakes(evaluated, 1)
    assert mistake["segments"][0] == mistake["segments"][-1] == ["…", None, None]
    assert len(mistake["marked"]) < 350


def test_answers_of_an_export_are_taken_apart() -> None:
    answers = {
        "label": np.array([["PER", "LOC"], ["", ""]]),
        "score": np.array([[0.5, 0.75], [0, 0]], np.float32),
        "start": np.array([[0, 5], [-1, -1]]),
        "end": np.array([[4, 9], [-1, -1]]),
    }
    rows = {"texts": ["John Rome", "x"], "pairs": None, "places": [("a", 1), ("a", 2)]}
    truth = [np.array([[0, 4, 1]], np.int32), np.zeros((0, 3), np.int32)]
    evaluated = read_entities(rows, truth, answers, NAMES)
    assert evaluated.predictions == [[ScoredEntity(0, 4, 1, 0.5), ScoredEntity(5, 9, 0, 0.75)], []]
    assert evaluated.truth == [[ScoredEntity(0, 4, 1)], []]
    assert evaluated.in_words(0) == ("PER “John”", "PER “John”, LOC “Rome”")
    answers["score"][1, 0] = np.nan
    with pytest.raises(SFTError, match="SFT603"):
        read_entities(rows, truth, answers, NAMES)
    with pytest.raises(SFTError, match="SFT602"):
        EvaluatedEntities([], None, [], NAMES, [], [])


class Spans(list):
    """Spans of rows, indexed as those of the data are."""

    def __getitem__(self, rows: object) -> Spans:
        return Spans(list.__getitem__(self, int(row)) for row in rows)  # type: ignore[attr-defined]


def fitted(texts: list[str], truth: list[list[ScoredEntity]], asked: list[str]) -> dict[str, list[list[ScoredEntity]]]:
    spans = Spans(np.array([one[:3] for one in row], np.int32).reshape(-1, 3) for row in truth)
    evaluated = EvaluatedEntities(asked, None, [("a", 1)] * len(asked), NAMES, [[]] * len(asked), [[]] * len(asked))
    baselines = fit_entity_baselines(lambda rows: ([texts[row] for row in rows], None), spans, evaluated, 17)
    return {one.key: one.evaluated.predictions for one in baselines.fitted}


def test_baselines_know_what_stood_in_the_training_texts() -> None:
    found = fitted(TEXTS, TRUTH, ["NEW YORK and new york, John", "York", "is big"])
    assert found["dictionary"] == [[ScoredEntity(0, 8, 0), ScoredEntity(13, 21, 0), ScoredEntity(23, 27, 1)], [], []]
    assert found["usual_tags"] == [
        [ScoredEntity(0, 8, 0), ScoredEntity(13, 21, 0), ScoredEntity(23, 27, 1)],
        [ScoredEntity(0, 4, 0)],
        [],
    ]


def test_the_dictionary_leaves_out_what_is_mostly_something_else() -> None:
    texts = ["May I", "may be", "you may", "May came"]
    assert fitted(texts, [[], [], [], [ScoredEntity(0, 3, 1)]], ["may"])["dictionary"] == [[]]


@pytest.mark.parametrize("evaluated", [EVALUATED, EVALUATED.with_predictions([[]] * 5)], ids=["some", "none found"])
def test_the_report_shows_entities(tmp_path: Path, evaluated: EvaluatedEntities) -> None:
    spans = Spans(np.array([one[:3] for one in row], np.int32).reshape(-1, 3) for row in TRUTH)
    baselines = fit_entity_baselines(lambda rows: ([TEXTS[row] for row in rows], None), spans, evaluated, 17)
    report = write_report(
        tmp_path, EntitiesEvaluation({}), evaluated, RunFacts(), baselines, ReportConfig(bootstrap=20)
    )
    assert (report["task"], report["headline"]["metric"]) == ("tagging", "entity_f1")
    assert set(report["baselines"]) == {"dictionary", "usual_tags"}
    page = (tmp_path / "report.html").read_text("utf-8")
    assert "&lt;b&gt;" in page
    assert "<b>London" not in page
    assert '<mark class="truth ' in page
    assert (tmp_path / "pictures" / "faults.png").stat().st_size > 1000
    assert ("reliability" in report["pictures"]) == (evaluated is EVALUATED)
    assert "Entities by kind of error" in (tmp_path / "report.md").read_text("utf-8")
