from __future__ import annotations

import io

import pytest
import yaml

from examples.finance_monitor.__main__ import COMPANIES, texts
from examples.finance_monitor.monitor import Alert, Monitor, Rule

RULE = Rule(window=4, least=3, limit=0.6, end=0.4)


def alerts(negatives: str, rule: Rule = RULE) -> list[tuple[int, bool]]:
    """For texts that are negative (-) or not (+): after which one an alert begins or ends."""
    monitor = Monitor({"Acme": ["acme"]}, rule)
    company = monitor.companies["Acme"]
    found = [monitor.count(company, letter == "-") for letter in negatives]
    return [(number, alert.begins) for number, alert in enumerate(found, 1) if alert]


def test_alert_begins_above_the_limit_and_ends_below_the_lower_one():
    assert alerts("++--- --".replace(" ", "")) == [(5, True)]
    assert alerts("---+-+++") == [(3, True), (7, False)]


def test_share_between_the_two_limits_changes_nothing():
    assert alerts("+-+-+-+-") == []  # a half
    assert alerts("---++--++") == [(3, True)]


def test_few_texts_say_nothing():
    assert alerts("--") == []
    assert alerts("---") == [(3, True)]


def test_alert_tells_what_it_was_counted_from():
    monitor = Monitor({"Acme": ["acme"]}, RULE)
    company = monitor.companies["Acme"]
    found = [monitor.count(company, negative) for negative in (True, False, True, True)]
    assert found == [None, None, Alert("Acme", True, 2, 3), None]
    assert (company.texts, company.negatives) == (4, 3)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("my HP printer", ["HP"]),
        ("惠普的本子", ["HP"]),
        ("hp笔记本", ["HP"]),
        ("written in php", []),
        ("在京东买的hp", ["HP", "JD"]),
        ("C++ and 3.5", ["C++"]),
        ("", []),
    ],
)
def test_text_names_a_company_by_one_of_its_words(text, named):
    monitor = Monitor({"HP": ["惠普", "hp"], "JD": ["京东"], "C++": ["c++"]})
    assert [company.name for company in monitor.named_in(text)] == named


def test_line_is_a_text_or_a_row_that_has_one():
    lines = io.StringIO('{"text": "甲", "label": "x"}\nplain\n{"no": 1}\n42\n\n')
    assert list(texts(lines)) == ["甲", "plain", '{"no": 1}', "42", ""]


def test_watchlist_of_the_example_is_words():
    watchlist = yaml.safe_load(COMPANIES.read_text("utf-8"))
    assert all(isinstance(word, str) and word for words in watchlist.values() for word in words)
