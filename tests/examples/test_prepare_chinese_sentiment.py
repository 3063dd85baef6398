from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from examples.prepare.chinese_sentiment import labelled


def test_repeated_reviews_are_kept_once_and_contradictory_ones_not_at_all():
    account = labelled(["很好 ", "很好", "还行", "", "不错"], ["还行", "太差", "还行"])
    assert account.rows == [
        {"text": "很好", "label": "positive"},
        {"text": "不错", "label": "positive"},
        {"text": "太差", "label": "negative"},
    ]
    assert account.left_out == {
        "repeat an earlier one": 1,
        "stand on both sides (1 different)": 3,
        "are empty": 1,
    }


@given(st.lists(st.sampled_from(["", " ", "a", "b ", "b", "c"])), st.lists(st.sampled_from(["", "a", "c", "d"])))
def test_each_line_is_kept_or_counted_and_no_text_is_there_twice(positive, negative):
    account = labelled(positive, negative)
    assert account.read == len(positive) + len(negative)
    texts = [row["text"] for row in account.rows]
    assert len(texts) == len(set(texts))
    sides = [{line.strip() for line in lines} for lines in (positive, negative)]
    assert set(texts) == (sides[0] ^ sides[1]) - {""}
