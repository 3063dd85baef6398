from __future__ import annotations

from collections import Counter

from examples.prepare.faq_match import divided, matches

QUESTIONS = [
    {"question": f"q{number}", "answer": f"a{number}", "category": "ai" if number % 3 else "food"}
    for number in range(20)
]


def test_each_question_and_each_answer_is_once_in_a_match_and_once_in_none():
    rows = matches(QUESTIONS)
    for column in ("question", "answer"):
        counts = Counter((row[column], row["label"]) for row in rows)
        assert set(counts.values()) == {1}
        assert len(counts) == 2 * len(QUESTIONS)
    assert all((row["question"][1:] == row["answer"][1:]) == (row["label"] == "match") for row in rows)


def test_a_wrong_answer_is_of_the_same_category_but_at_its_end():
    category = {row["answer"]: row["category"] for row in QUESTIONS}
    assert sum(category[row["answer"]] != row["category"] for row in matches(QUESTIONS)) == 2


def test_no_question_is_in_two_parts_and_none_is_left_out():
    parts = divided(QUESTIONS)
    assert [len(rows) for rows in parts.values()] == [14, 2, 4]
    assert sorted(row["question"] for rows in parts.values() for row in rows) == sorted(
        row["question"] for row in QUESTIONS
    )
    assert divided(QUESTIONS) == parts
