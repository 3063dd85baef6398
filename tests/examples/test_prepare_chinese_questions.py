from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from examples.prepare.chinese_entities import tagged_words
from examples.prepare.chinese_questions import PARAGRAPH, asked, questions

FILLING = "，/w  " + "好/a  " * PARAGRAPH.start


def made(line: str) -> list[tuple[str, str]]:
    """Question and answer of each question of one line."""
    return [(it.question, it.answer) for it in questions(tagged_words(line))]


@pytest.mark.parametrize(
    ("clause", "question", "answer"),
    [
        ("邹/nr  家华/nr  重申/v  了/u  质量/n", "谁重申了质量？", "邹家华"),
        ("会议/n  今天/t  在/p  北京/ns  举行/v", "会议今天在哪里举行？", "北京"),
        ("获得/v  卫生部/nt  颁发/v  的/u  证书/n", "获得哪个机构颁发的证书？", "卫生部"),
    ],
)
def test_question_word_takes_the_place_of_the_name(clause, question, answer):
    assert made(f"昨天/t  ，/w  {clause}  。/w") == [(question, answer)]


@pytest.mark.parametrize(
    "clause",
    [
        "国家/n  主席/n  江/nr  泽民/nr  发表/v  讲话/n",  # a person with a title
        "中国/ns  人民/n  决心/d  继承/v  遗志/n",  # a place that is no place to be
        "新华社/nt  记者/n  报道/v  新闻/n",  # an organisation that does nothing itself
        "江/nr  来/v",  # too short to be a question
    ],
)
def test_clause_that_would_be_a_poor_question_makes_none(clause):
    assert made(clause) == []


def test_paragraph_is_asked_once_and_no_question_twice():
    first = "张/nr  三/nr  来到/v  了/u  这里/r  ，/w  李/nr  四/nr  离开/v  了/u  那里/r" + FILLING
    same_question = "王/nr  五/nr  来到/v  了/u  这里/r" + FILLING
    account = asked([first, first, same_question, "短/a"])
    assert [(row["question"], row["answers"]) for row in account.rows] == [
        ("谁来到了这里？", {"text": ["张三"], "answer_start": [0]})
    ]
    assert account.left_out.total() == 3


def test_every_third_question_is_asked_where_it_has_no_answer():
    lines = [f"王/nr  {name}/nr  来到/v  了/u  {name}/n  村/n{FILLING}" for name in "甲乙丙丁戊己"]
    account = asked(lines)
    assert [bool(row["answers"]["text"]) for row in account.rows] == [True, True, False, True, True, False]
    assert account.rows[2]["context"] == account.rows[3]["context"]
    assert account.rows[5]["context"] == account.rows[0]["context"]
    assert account.notes == ["without an answer: 2"]


def test_question_whose_answer_stands_in_the_other_paragraph_too_is_asked_of_its_own():
    lines = [f"王/nr  五/nr  来到/v  了/u  {name}/n  村/n{FILLING}" for name in "甲乙丙"]
    assert all(row["answers"]["text"] for row in asked(lines).rows)


@given(
    st.lists(
        st.tuples(
            st.text(st.characters(exclude_categories=("Z", "C")), min_size=1, max_size=8),
            st.sampled_from(["nr", "ns", "nt", "n", "v", "p", "w"]),
        ),
        min_size=1,
        max_size=60,
    )
)
def test_answer_stands_where_it_is_said_to(words):
    for row in asked(["  ".join(f"{text}/{tag}" for text, tag in words)]).rows:
        for text, start in zip(row["answers"]["text"], row["answers"]["answer_start"], strict=True):
            assert row["context"][start : start + len(text)] == text
