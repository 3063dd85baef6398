from __future__ import annotations

from examples.prepare.account import Account
from examples.prepare.intents import in_two_months, intents, read_language


def test_openings_are_kept_once_with_the_first_answer():
    account = intents(
        {"food": [["Do you eat?", "No."], ["do you  eat", "Never."], ["I like tea", "Me too.", "Why?"]]}, 1
    )
    assert account.rows == [
        {"text": "Do you eat?", "label": "food", "answer": "No."},
        {"text": "I like tea", "label": "food", "answer": "Me too."},
    ]
    assert account.left_out == {"open as an earlier one": 1}


def test_opening_of_two_categories_has_no_intent():
    account = intents({"ai": [["你好", "1"], ["你是谁", "2"]], "greetings": [["你好！", "3"], ["早上好", "4"]]}, 1)
    assert [(row["text"], row["label"]) for row in account.rows] == [("你是谁", "ai"), ("早上好", "greetings")]
    assert account.left_out == {"open alike in several categories": 2}


def test_small_category_is_left_out_and_named_by_its_different_openings():
    account = intents(
        {"humor": [["Joke", "a"], ["joke", "b"], ["A joke", "c"]], "ai": [[str(n), "x"] for n in range(3)]}, 3
    )
    assert {row["label"] for row in account.rows} == {"ai"}
    assert account.left_out == {"are of a category with fewer than 3 different openings": 3}
    assert account.notes == ["too small: humor 2"]


def test_slip_in_a_file_is_counted_and_not_taken_for_a_conversation(tmp_path):
    (tmp_path / "trivia.yml").write_text(
        "categories: [trivia]\nconversations:\n- - 谁?\n  - 我\n- no dash - '22'\n- - 1\n  - yes\n- - alone\n", "utf-8"
    )
    account = intents(read_language(tmp_path), 1)
    assert account.rows == [{"text": "谁?", "label": "trivia", "answer": "我"}]
    assert account.left_out == {"are no list of texts": 3}


def test_the_second_month_has_the_new_intents_and_few_sentences_of_the_others():
    account = Account("conversations")
    account.rows = [{"text": str(number), "label": ("money", "ai")[number % 2]} for number in range(40)]
    first, second = in_two_months(account)
    assert {row["label"] for row in first.rows} == {"ai"}
    assert len(first.rows) == 20 - len([row for row in second.rows if row["label"] == "ai"])
    assert sum(row["label"] == "money" for row in second.rows) == 20
    assert sorted(int(row["text"]) for row in first.rows + second.rows) == list(range(40))
