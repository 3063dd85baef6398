from __future__ import annotations

from string import Formatter
from typing import Any

import pytest

from examples.customer_service.__main__ import MANUALS, understood
from examples.customer_service.desk import Desk, Manual, Reply
from examples.customer_service.masking import masked

MANUAL = Manual(
    models={"intents": "a", "entities": "b"},
    greeting="hello",
    answers={"book": ["by {PER} in {LOC}", "by {PER}", "a book"], "film": ["the film {title}"]},
    least_probability=0.6,
    least_score=0.5,
    not_understood=["what?", "what again?"],
    hand_over="a colleague comes",
    person_words=["a human"],
)


def reply(desk: Desk, text: str = "x", intent: str = "book", sure: float = 0.9, **entities: str) -> Reply:
    found = [{"label": label, "text": name, "score": 0.9} for label, name in entities.items()]
    return desk.reply(text, {"label": intent, "probability": sure}, found)


@pytest.mark.parametrize(
    ("entities", "said"),
    [
        ({"PER": "Woolf", "LOC": "York"}, "by Woolf in York"),
        ({"PER": "Woolf"}, "by Woolf"),
        ({"LOC": "York"}, "a book"),
        ({}, "a book"),
    ],
)
def test_answer_is_the_first_whose_entities_were_named(entities, said):
    assert reply(Desk(MANUAL), **entities).said == said


def test_unsure_entity_is_not_believed_and_the_first_of_two_counts():
    found: list[dict[str, Any]] = [
        {"label": "PER", "text": "perhaps", "score": 0.4},
        {"label": "PER", "text": "first", "score": 0.6},
        {"label": "PER", "text": "second", "score": 0.9},
    ]
    assert Desk(MANUAL).reply("x", {"label": "book", "probability": 0.9}, found).said == "by first"


def test_desk_asks_again_and_then_hands_over():
    desk = Desk(MANUAL)
    replies = [reply(desk, sure=0.5) for _ in range(3)]
    assert [it.said for it in replies] == ["what?", "what again?", "a colleague comes"]
    assert [it.handed_over for it in replies] == [False, False, True]
    assert not any(it.understood for it in replies)


def test_text_that_is_understood_forgives_the_ones_before():
    desk = Desk(MANUAL)
    said = [reply(desk, sure=sure).said for sure in (0.5, 0.9, 0.5, 0.5, 0.9)]
    assert said == ["what?", "a book", "what?", "what again?", "a book"]


@pytest.mark.parametrize("intent", ["weather", "film"])
def test_intent_without_a_line_that_fits_is_not_understood(intent):
    assert reply(Desk(MANUAL), intent=intent).said == "what?"


def test_person_is_given_to_who_asks_for_one_and_gets_the_whole_conversation():
    desk = Desk(MANUAL)
    reply(desk, "a book")
    assert reply(desk, "No. A HUMAN please").handed_over
    assert desk.log == [
        ("customer", "a book"),
        ("desk", "a book"),
        ("customer", "No. A HUMAN please"),
        ("desk", "a colleague comes"),
    ]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to ann.lee+x@mail.example.org, please", "write to [mail], please"),
        ("call +46 (0)42-12 34 56 today", "call [number] today"),
        ("born 19850101-1234.", "born [number]."),
        ("身份证11010519491231002X，电话13800138000。", "身份证[number]，电话[number]。"),
        ("IBAN SE45 5000 0000 0583 9825 7466 is mine", "IBAN [account] is mine"),
        ("card 4111 1111 1111 1111", "card [number]"),
        ("in 2024 it cost 250 000 kr, 3-4 weeks", "in 2024 it cost 250 000 kr, 3-4 weeks"),
        ("Ann Lee and Ann", "[name] and [name]"),
    ],
)
def test_personal_data_is_masked(text, expected):
    assert masked(text, ["Ann", "Ann Lee"]) == expected


def test_a_log_has_no_names_and_numbers_though_the_customer_hears_them():
    desk = Desk(MANUAL)
    said = reply(desk, "call Woolf, 070-123 45 67", PER="Woolf").said
    assert said == "by Woolf"
    assert desk.log == [("customer", "call [name], [number]"), ("desk", "by [name]")]


def test_names_with_braces_do_no_harm():
    assert reply(Desk(MANUAL), PER="{LOC}").said == "by {LOC}"


def test_what_was_understood_is_told():
    assert understood(Reply("", "book", 0.912, {"PER": "Woolf"}, True, False)) == "[book 0.91, PER: Woolf]"
    assert understood(Reply("", "film", 0.3, {}, False, True)) == "[not understood: film 0.30]"


@pytest.mark.parametrize("language", sorted(MANUALS))
def test_each_manual_can_be_read_and_ends_every_intent_without_an_entity(language):
    manual = Manual.read(MANUALS[language])
    for lines in manual.answers.values():
        assert not [name for _, name, _, _ in Formatter().parse(lines[-1]) if name]
    assert manual.not_understood
    assert all(word == word.casefold() for word in manual.person_words)
