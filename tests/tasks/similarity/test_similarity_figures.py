"""Ranks of partners and correlations of cosines are what their definitions say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import pearsonr, spearmanr

from sftkeras.errors import SFTError
from sftkeras.evaluation import Evaluation
from sftkeras.tasks.similarity.baselines import fit_similarity_baselines
from sftkeras.tasks.similarity.evaluation import MatchesEvaluation, ScoresEvaluation
from sftkeras.tasks.similarity.scores import NOTHING, find_matches

MATCHING = MatchesEvaluation({"loss": "multiple_negatives"})
SCORED = ScoresEvaluation({"loss": "cosine", "lowest": 0.0, "highest": 5.0})


def evaluate_vectors(facts: dict[str, Any], truth: Any, vectors: np.ndarray, evaluation: Evaluation) -> Any:
    return evaluation.evaluated(facts, truth, {"vector": vectors}, ())


def rows(texts: list[str], pairs: list[str]) -> dict[str, Any]:
    return {"texts": texts, "pairs": pairs, "places": [("pairs.csv", line + 2) for line in range(len(texts))]}


def unit(values: Any) -> np.ndarray:
    array = np.asarray(values, np.float32)
    return array / np.linalg.norm(array, axis=-1, keepdims=True)


@st.composite
def collections(draw: st.DrawFn) -> tuple[list[str], list[str], np.ndarray]:
    """Texts that repeat, with a vector for each text."""
    count = draw(st.integers(1, 12))
    texts = [f"q{draw(st.integers(0, 6))}" for _ in range(count)]
    pairs = [f"a{draw(st.integers(0, 6))}" for _ in range(count)]
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    of_text = {text: unit(random.normal(size=4)) for text in sorted({*texts, *pairs})}
    return texts, pairs, np.stack([[of_text[text], of_text[pair]] for text, pair in zip(texts, pairs, strict=True)])


@settings(deadline=None, max_examples=60)
@given(collections())
def test_a_rank_counts_the_nearer_texts_that_belong_to_others(given: tuple[list[str], list[str], np.ndarray]) -> None:
    texts, pairs, vectors = given
    evaluated = find_matches(rows(texts, pairs), vectors[:, 0], vectors[:, 1])
    vector_of = dict(zip(pairs, vectors[:, 1], strict=True))
    assert evaluated.candidates == len(vector_of)
    for row, (text, pair) in enumerate(zip(texts, pairs, strict=True)):
        right = {other for one, other in zip(texts, pairs, strict=True) if one == text}
        cosine = {other: float(vectors[row, 0] @ vector) for other, vector in vector_of.items()}
        wrong = {other: value for other, value in cosine.items() if other not in right}
        assert evaluated.ranks[row] == 1 + sum(value >= cosine[pair] for value in wrong.values())
        assert evaluated.cosines[row] == pytest.approx(cosine[pair], abs=1e-6)
        if wrong:
            assert pairs[evaluated.nearest[row]] == max(wrong, key=wrong.__getitem__)
        else:
            assert evaluated.nearest[row] == NOTHING


def test_recall_and_reciprocal_rank_are_means_over_texts() -> None:
    # Texts at 0, 10, … 110 degrees; the partner of the first five stands at their own place, of the others elsewhere.
    angles = np.radians(np.arange(12) * 10.0)
    first = np.stack([np.cos(angles), np.sin(angles)], 1)
    second = first[[0, 1, 2, 3, 4, 6, 5, 8, 7, 11, 10, 9]]
    names = [str(number) for number in range(12)]
    vectors = np.stack([first, second], 1).astype(np.float32)
    evaluated = evaluate_vectors(rows([f"q{name}" for name in names], names), np.zeros(12), vectors, MATCHING)
    scores = MATCHING.scores(evaluated)
    assert scores.metrics == pytest.approx(
        {
            "recall_at_1": float((evaluated.ranks == 1).mean()),
            "recall_at_5": float((evaluated.ranks <= 5).mean()),
            "recall_at_10": 1.0,
            "mrr": float((1 / evaluated.ranks).mean()),
        }
    )
    assert scores.metrics["recall_at_1"] == pytest.approx(6 / 12)  # text 10 is its own partner too


def test_vectors_that_are_all_alike_find_nothing() -> None:
    vectors = np.tile(unit([1.0, 2.0]), (20, 2, 1))
    evaluated = evaluate_vectors(
        rows([f"q{n}" for n in range(20)], [f"a{n}" for n in range(20)]), None, vectors, MATCHING
    )
    assert (evaluated.ranks == 20).all()
    assert MATCHING.scores(evaluated).metrics["recall_at_10"] == 0


def test_texts_that_differ_in_case_and_outer_spaces_alone_are_one() -> None:
    vectors = unit(np.ones((3, 2, 2)))
    evaluated = evaluate_vectors(rows(["A", "b", "c"], ["Yes", " yes ", "YES"]), None, vectors, MATCHING)
    assert evaluated.candidates == 1
    assert evaluated.ranks.tolist() == [1, 1, 1]


def test_correlations_are_those_of_scipy() -> None:
    random = np.random.default_rng(1)
    vectors = unit(random.normal(size=(50, 2, 6)))
    truth = random.integers(0, 6, 50).astype(np.float32)
    evaluated = evaluate_vectors(rows(["q"] * 50, ["a"] * 50), truth, vectors, SCORED)
    cosines = (vectors[:, 0] * vectors[:, 1]).sum(1)
    metrics = SCORED.scores(evaluated).metrics
    assert metrics["spearman"] == pytest.approx(spearmanr(truth, cosines).statistic, abs=1e-5)
    assert metrics["pearson"] == pytest.approx(pearsonr(truth, cosines).statistic, abs=1e-5)
    np.testing.assert_allclose(evaluated.predictions, 5 * cosines, rtol=1e-5)


def test_correlation_of_what_does_not_vary_is_not_defined() -> None:
    vectors = np.tile(unit([1.0, 2.0]), (4, 2, 1))
    metrics = SCORED.scores(evaluate_vectors(rows(["q"] * 4, ["a"] * 4), np.arange(4), vectors, SCORED)).metrics
    assert metrics == {"spearman": None, "pearson": None}


def test_vectors_that_are_not_finite_are_refused() -> None:
    vectors = np.full((2, 2, 3), np.nan, np.float32)
    with pytest.raises(SFTError, match="SFT603"):
        evaluate_vectors(rows(["q", "r"], ["a", "b"]), None, vectors, MATCHING)


def test_mistakes_begin_with_the_wrong_text_that_is_ahead_by_most() -> None:
    first = unit([[1, 0], [0, 1], [1, 1]])
    second = unit([[1, 0.1], [1, 0.05], [0.2, 1]])
    evaluated = evaluate_vectors(rows(["p", "q", "r"], ["a", "b", "c"]), None, np.stack([first, second], 1), MATCHING)
    found = MATCHING.mistakes(evaluated, 10)
    assert [one["text"] for one in found] == [
        evaluated.texts[row]
        for row in np.argsort(evaluated.cosines - evaluated.nearest_cosines)
        if evaluated.ranks[row] > 1
    ]
    assert found[0]["answer"] != found[0]["pair"]
    assert found[0]["answer_cosine"] > found[0]["cosine"]
    assert found[0]["line"] == 2 + evaluated.texts.index(found[0]["text"])
    assert len(MATCHING.mistakes(evaluated, 1)) == 1


def test_errors_are_in_the_unit_of_the_truth() -> None:
    vectors = np.stack([unit([[1, 0], [1, 0]]), unit([[1, 0], [0, 1]])], 1)
    evaluated = evaluate_vectors(rows(["p", "q"], ["a", "b"]), np.array([4.0, 0.0]), vectors, SCORED)
    (worst,) = SCORED.mistakes(evaluated, 5)
    assert (worst["truth"], worst["answer"], worst["error"]) == (4, 5, 1)


def test_words_alone_find_texts_that_share_them() -> None:
    texts = [f"what is {word}" for word in ("love", "rain", "time", "snow")]
    pairs = [f"{word} is a thing" for word in ("love", "rain", "time", "snow")]
    evaluated = evaluate_vectors(rows(texts, pairs), None, unit(np.ones((4, 2, 2))), MATCHING)
    baselines = fit_similarity_baselines(lambda positions: (texts, pairs), np.zeros(4), evaluated, 17)
    (baseline,) = baselines.fitted
    assert MATCHING.scores(baseline.evaluated).metrics["recall_at_1"] == 1
    assert baseline.training_rows == 4


def test_without_words_there_is_no_baseline() -> None:
    evaluated = evaluate_vectors(rows(["!", "?"], ["?", "!"]), None, unit(np.ones((2, 2, 2))), MATCHING)
    baselines = fit_similarity_baselines(lambda positions: (["!", "?"], ["?", "!"]), np.zeros(2), evaluated, 17)
    assert baselines.fitted == ()
    assert list(baselines.left_out) == ["TF-IDF cosine"]


def test_resampled_sums_give_figures_of_each_sample() -> None:
    random = np.random.default_rng(2)
    evaluated = evaluate_vectors(
        rows([f"q{n}" for n in range(9)], [f"a{n}" for n in range(9)]),
        None,
        unit(random.normal(size=(9, 2, 3))),
        MATCHING,
    )
    tally = MATCHING.tally(evaluated)
    drawn = random.integers(9, size=9)
    weights = np.bincount(drawn, minlength=9)
    figures = tally.figures(weights @ tally.rows.toarray())
    assert figures["mrr"] == pytest.approx((1 / evaluated.ranks[drawn]).mean())
    assert figures["recall_at_1"] == pytest.approx((evaluated.ranks[drawn] == 1).mean())
