from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.prepare.chinese_entities import annotated, tagged_words


def found(line: str) -> list[tuple[str, str]]:
    """The entities of one line: their text, cut out by the offsets, and label."""
    (row,) = annotated([line]).rows
    return [(row["text"][entity["start"] : entity["end"]], entity["label"]) for entity in row["entities"]]


def test_words_become_a_text_without_spaces_and_entities_with_offsets():
    account = annotated(["新华社/nt  记者/n  兰/nr  红光/nr  在/p  北京/ns  、/w  上海/ns  摄/Vg"])
    assert account.rows == [
        {
            "text": "新华社记者兰红光在北京、上海摄",
            "entities": [
                {"start": 0, "end": 3, "label": "ORG"},
                {"start": 5, "end": 8, "label": "PER"},
                {"start": 9, "end": 11, "label": "LOC"},
                {"start": 12, "end": 14, "label": "LOC"},
            ],
        }
    ]
    assert account.notes[0] == "entities: PER 1, LOC 2, ORG 1"


@pytest.mark.parametrize(
    ("names", "people"),
    [
        ("江 泽民", ["江泽民"]),
        ("江 泽民 李 鹏 乔 石", ["江泽民", "李鹏", "乔石"]),
        ("克林顿", ["克林顿"]),
        ("马克思 恩格斯", ["马克思", "恩格斯"]),
        ("小平", ["小平"]),
        ("欧阳 修", ["欧阳修"]),
        ("若愚 肖 荻", ["若愚", "肖荻"]),
        ("陈 方 安生", ["陈方安生"]),
        ("李 鹏 朱", ["李鹏", "朱"]),
    ],
)
def test_surname_is_joined_to_the_given_name_after_it(names, people):
    line = "  ".join(f"{name}/nr" for name in names.split())
    assert found(f"{line}  说/v") == [(person, "PER") for person in people]


def test_places_side_by_side_stay_apart():
    assert found("北京市/ns  海淀区/ns") == [("北京市", "LOC"), ("海淀区", "LOC")]


def test_word_may_hold_a_slash():
    assert [(word.text, word.tag) for word in tagged_words("１/３/m  ，/w  //w")] == [
        ("１/３", "m"),
        ("，", "w"),
        ("/", "w"),
    ]


def test_empty_and_repeated_paragraphs_are_counted():
    account = annotated(["本报/r  讯/n", "\n", "本/r  报讯/n", "北京/ns"])
    assert [row["text"] for row in account.rows] == ["本报讯", "北京"]
    assert account.left_out == {"are empty": 1, "repeat an earlier one": 1}
    assert account.notes[1] == "without an entity: 1"


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=3),
            st.sampled_from(["nr", "ns", "nt", "n", "w"]),
        ),
        min_size=1,
    )
)
def test_entities_are_in_order_whole_words_and_cover_every_word_of_their_kind(words):
    (row,) = annotated(["  ".join(f"{text}/{tag}" for text, tag in words)]).rows
    assert row["text"] == "".join(text for text, _ in words)
    covered = [row["text"][entity["start"] : entity["end"]] for entity in row["entities"]]
    assert "".join(covered) == "".join(text for text, tag in words if tag in ("nr", "ns", "nt"))
    ends = [place for entity in row["entities"] for place in (entity["start"], entity["end"])]
    assert ends == sorted(ends)
