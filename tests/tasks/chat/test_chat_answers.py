"""Figures, baselines and worst answers of made-up chat models."""

from __future__ import annotations

import numpy as np
import pytest
from answered_rows import EVALUATION, conversation, evaluated_of, rows_of, support_rows
from sacrebleu.metrics import CHRF

from sftkeras.errors import SFTError
from sftkeras.evaluation.statistics.bootstrap import resample
from sftkeras.tasks.chat.scores import NOT_GENERATED

TEXTS = [
    conversation("Where is my parcel?", "On its way to you."),
    conversation("And when?", "Tomorrow at noon.", "Hello", "How can I help?"),
    conversation("Can I return it?", "Yes, within thirty days."),
    conversation("Thanks", "You are welcome."),
]
ANSWERS = ["On its way to you.", "tomorrow", None, ""]


def reader(texts):
    return lambda rows: ([texts[row] for row in rows], None)


def test_answers_are_those_to_what_stands_before_the_last():
    evaluated = evaluated_of(TEXTS, ANSWERS)
    assert evaluated.texts[0] == "Where is my parcel?"
    assert evaluated.texts[1] == "user: Hello\nassistant: How can I help?\nuser: And when?"
    assert evaluated.in_words(1) == ("Tomorrow at noon.", "tomorrow")
    assert evaluated.in_words(2)[1] == NOT_GENERATED


def test_answers_are_compared_where_they_were_generated_and_losses_everywhere():
    metrics = EVALUATION.scores(evaluated_of(TEXTS, ANSWERS, loss=np.array([1.0, 3.0, 7.0, 5.0]))).metrics
    texts, references = (
        ["On its way to you.", "tomorrow", ""],
        [
            "On its way to you.",
            "Tomorrow at noon.",
            "You are welcome.",
        ],
    )
    assert metrics["chrf"] == pytest.approx(CHRF().corpus_score(texts, [references]).score / 100)
    assert metrics["exact_match"] == pytest.approx(1 / 3)
    assert metrics["ended"] == pytest.approx(1 / 3)
    assert metrics["perplexity"] == pytest.approx(np.exp(16 / 16))
    assert metrics["token_accuracy"] == pytest.approx(3 / 4)


def test_every_figure_has_a_name_and_an_interval():
    evaluated = EVALUATION.with_training(evaluated_of(TEXTS, ANSWERS), reader(TEXTS[:1]), 1)
    (drawn,) = resample([EVALUATION.tally(evaluated)], 20, 0)
    metrics = EVALUATION.scores(evaluated).metrics
    assert metrics.keys() == drawn.keys() <= EVALUATION.metrics.keys()
    assert EVALUATION.rows_behind("exact_match", evaluated) == 3
    assert EVALUATION.rows_behind("seen_in_training", evaluated) == 4


def test_a_loss_that_is_not_finite_is_refused():
    with pytest.raises(SFTError, match="SFT603"):
        evaluated_of(TEXTS, ANSWERS, loss=np.array([1.0, np.nan, 1, 1]))


def test_references_that_training_has_are_counted():
    training = [
        conversation("Something else?", "No.", "May I return things?", "Yes, within thirty days."),
        TEXTS[0],
    ]
    evaluated = EVALUATION.with_training(evaluated_of(TEXTS, ANSWERS), reader(training), len(training))
    assert evaluated.seen.tolist() == [True, False, True, False]
    scores = EVALUATION.scores(evaluated)
    assert scores.metrics["seen_in_training"] == 0.5
    groups = {one["group"]: one["support"] for one in scores.breakdowns["overlap with training"]}
    assert groups == {"not in training": 2, "in training, word for word": 1}


def test_baselines_answer_the_same_rows_out_of_training():
    training = [
        conversation("Where is the parcel that I sent?", "In the post."),
        conversation("Is the shop open?", "Not on Sundays."),
        conversation("Is it open now?", "Not on Sundays."),
        conversation("May I return a thing?", "Yes."),
    ]
    baselines = EVALUATION.baselines(reader(training), [None] * 4, evaluated_of(TEXTS, ANSWERS), 0)
    frequent, nearest = baselines.fitted
    assert (frequent.key, nearest.key) == ("frequent_answer", "nearest_answer")
    assert frequent.evaluated.answers == ["Not on Sundays.", "Not on Sundays.", None, "Not on Sundays."]
    assert nearest.evaluated.answers[0] == "In the post."
    assert nearest.evaluated.answers[2] is None
    assert "perplexity" not in EVALUATION.scores(nearest.evaluated).metrics
    assert not baselines.left_out


def test_training_without_words_leaves_the_nearest_prompt_out():
    evaluated = evaluated_of(TEXTS, ANSWERS)
    baselines = EVALUATION.baselines(reader([conversation("?", "!")]), [None], evaluated, 0)
    assert [one.key for one in baselines.fitted] == ["frequent_answer"]
    assert list(baselines.left_out) == ["the answer to the nearest training prompt"]


def test_the_nearest_prompt_of_chinese_is_found_by_its_characters():
    training = [conversation("怎么退货？", "请联系客服。"), conversation("包裹在哪里？", "在路上。")]
    evaluated = evaluated_of([conversation("我的包裹到哪里了", "明天到。")], ["明天"])
    nearest = EVALUATION.baselines(reader(training), [None] * 2, evaluated, 0).fitted[1]
    assert nearest.evaluated.answers == ["在路上。"]


def test_the_worst_answers_come_first_and_exact_ones_not_at_all():
    worst = EVALUATION.mistakes(evaluated_of(TEXTS, ANSWERS), 20)
    assert [(one["line"], one["answer"]) for one in worst] == [(4, ""), (2, "tomorrow")]
    assert not worst[0]["ended"]
    assert worst[0]["chrf"] == 0


def test_rows_without_answers_still_have_losses():
    scores = EVALUATION.scores(evaluated_of(TEXTS, [None] * 4))
    assert scores.metrics["chrf"] is None
    assert scores.metrics["perplexity"] == pytest.approx(np.exp(0.5))
    assert EVALUATION.mistakes(evaluated_of(TEXTS, [None] * 4), 5) == []


def test_groups_by_length_hold_all_generated_answers():
    texts = support_rows()
    texts[0] = conversation("Hi", "Hello.")
    evaluated = evaluated_of(texts, ["Hello."] * len(texts))
    (groups,) = EVALUATION.scores(evaluated).breakdowns.values()
    assert {one["group"]: one["support"] for one in groups} == {"11 to 30 words": 23, "up to 10 words": 1}
    assert len(rows_of(texts)["texts"]) == sum(one["support"] for one in groups)
