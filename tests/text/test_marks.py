"""Marked text keeps the user's text apart from special tokens."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from sftkeras.text import marks


@given(st.text())
def test_no_text_of_a_user_has_marks(text: str) -> None:
    marked = marks.ordinary(text + marks.special("<|im_end|>"))
    assert not {marks.SPECIAL, marks.SPECIAL_END, marks.LEARNED, marks.LEARNED_END} & set(marked)
    assert len(marked) == len(text) + len("<|im_end|>") + 2  # nothing is lost


def test_without_marks_a_conversation_is_what_its_template_gives() -> None:
    marked = f"{marks.special('<s>')}Hi{marks.learned('Hello' + marks.special('</s>'))}"
    assert marks.without_marks(marked) == "<s>HiHello</s>"
