from __future__ import annotations

from examples.prepare.faq import SMALL_TALK, answered


def test_question_is_kept_once_with_its_first_answer():
    account = answered({"trivia": [["Who?", "Me."], ["who", "You."], ["Where?", "Here."]]})
    assert account.rows == [
        {"question": "Who?", "answer": "Me.", "category": "trivia"},
        {"question": "Where?", "answer": "Here.", "category": "trivia"},
    ]
    assert account.left_out == {"ask as an earlier one": 1}


def test_two_questions_never_have_the_same_answer():
    account = answered({"trivia": [["Capital of France?", "Paris"], ["City of light?", "paris."]]})
    assert [row["question"] for row in account.rows] == ["Capital of France?"]
    assert account.left_out == {"are answered as an earlier one": 1}


def test_small_talk_and_what_is_no_conversation_are_counted():
    account = answered({SMALL_TALK[0]: [["Who are you?", "A bot."]], "money": [["alone"], ["Rich?", "No."]]})
    assert [row["category"] for row in account.rows] == ["money"]
    assert account.left_out == {"are small talk": 1, "are no list of texts": 1}
