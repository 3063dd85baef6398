from __future__ import annotations

import pytest

from examples.prepare.construction_faq import TEST, VALIDATION, rewritten, training

ROWS = [
    {"id": "a-1", "category": "a", "q": "What is it?", "a": "This."},
    {"id": "a-2", "category": "a", "q": "what is it", "a": "That."},
    {"id": "b-1", "category": "b", "q": "Who?", "a": "We."},
]


def test_every_question_is_trained_on_once():
    account = training(ROWS)
    assert account.rows == [
        {"question": "What is it?", "answer": "This.", "topic": "a"},
        {"question": "Who?", "answer": "We.", "topic": "b"},
    ]
    assert account.left_out == {"ask as an earlier one": 1}


def test_a_question_in_other_words_has_the_answer_of_the_faq():
    assert rewritten(ROWS, {"b-1": "Which people?"}).rows == [
        {"question": "Which people?", "answer": "We.", "topic": "b"}
    ]
    with pytest.raises(KeyError):
        rewritten(ROWS, {"c-1": "Where?"})


def test_no_question_is_asked_in_validation_and_test():
    assert not VALIDATION.keys() & TEST.keys()
    assert len({*VALIDATION.values(), *TEST.values()}) == len(VALIDATION) + len(TEST) == 64
