"""The desk of the building company, by stand-ins for its models."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence

import numpy as np
import pytest
from aiohttp.test_utils import TestClient, TestServer

from examples.customer_service.answering import Answering, groundedness, prompt_of
from examples.customer_service.building import HAND_OVER, NOT_KNOWN, SMALL_TALK, BuildingDesk
from examples.customer_service.measure import Found, figures, least_cosine, nearest
from examples.customer_service.page import application
from examples.faq_retrieval import Entry, Faq
from examples.prepare.help_desk import chats, wants

ENTRY = Entry("Do I need a permit?", "Yes, for every house.")


def desk(cosine: float = 0.9, written: str = "Yes, for every house.") -> tuple[BuildingDesk, list[Sequence[dict]]]:
    """A desk that finds the entry, and the prompts that its chat model gets."""
    prompts: list[Sequence[dict]] = []
    answering = Answering(lambda text: (cosine, ENTRY), lambda asked: prompts.append(asked) or written, 0.6, 0.8)
    return BuildingDesk(lambda text: {"label": "small_talk" if text == "hello" else "building"}, answering), prompts


def test_an_answer_is_generated_from_the_entry_that_was_found():
    one, prompts = desk(written=" Yes, every house. ")
    reply = one.reply("May I build?")
    assert (reply.said, reply.handed_over) == ("Yes, every house.", False)
    assert prompts == [prompt_of("May I build?", ENTRY)]
    assert reply.answer
    assert (reply.answer.generated, reply.answer.grounded) == (True, 1.0)


def test_where_nothing_is_near_a_colleague_takes_over_and_no_model_makes_something_up():
    one, prompts = desk(cosine=0.59)
    reply = one.reply("Who won the race?")
    assert (reply.said, reply.handed_over, prompts) == (NOT_KNOWN, True, [])


@pytest.mark.parametrize("written", ["No, never in my life.", "", "?!"])
def test_words_that_the_entry_does_not_have_are_not_said(written):
    reply = desk(written=written)[0].reply("May I build?")
    assert reply.said == ENTRY.answer
    assert reply.answer
    assert not reply.answer.generated


def test_small_talk_and_calls_for_a_person_are_not_looked_up():
    one, prompts = desk()
    assert [one.reply(text).said for text in ("hello", "Give me A HUMAN")] == [SMALL_TALK, HAND_OVER]
    assert not prompts


def test_groundedness_is_the_share_of_words_in_the_entry():
    assert groundedness("Every house needs a PERMIT!", ENTRY) == 4 / 5
    assert groundedness("", ENTRY) == 0


def test_a_conversation_is_kept_for_a_colleague_without_mail_addresses_and_long_numbers(tmp_path):
    file = tmp_path / "handed_over.jsonl"

    async def ask() -> list[dict]:
        async with TestClient(TestServer(application(lambda: desk()[0], file))) as client:
            assert "Good day" in await (await client.get("/")).text()
            texts = ["hello", "a person, call 070-123 45 67"]
            asked = [{"text": text, "conversation": "1"} for text in texts]
            return [await (await client.post("/reply", data=json.dumps(one))).json() for one in asked]

    replies = asyncio.run(ask())
    assert [reply["handed_over"] for reply in replies] == [False, True]
    (log,) = map(json.loads, file.read_text("utf-8").splitlines())
    assert [said for _, said in log] == ["hello", SMALL_TALK, "a person, call [number]", HAND_OVER]


def test_the_smallest_cosine_refuses_that_share_of_the_questions_without_an_answer():
    right = [Found("q", ENTRY, 0.7 + number / 100, True) for number in range(20)]
    wrong = [Found("q", ENTRY, cosine, None) for cosine in (0.71, 0.65, 0.5)]
    assert least_cosine([*right, *wrong], 0.5) == 0.65
    assert least_cosine([*right, *wrong], 1.0) == 0.71
    assert figures([*right, *wrong], 0.7)[0].endswith("20 of 20 (100%)")
    assert figures([*right, *wrong], 0.7)[2].endswith("2 of 3 (67%)")


def test_each_question_is_also_asked_where_its_topic_is_missing():
    other = Entry("Is it dear?", "No.")
    faq = Faq([ENTRY, other], np.eye(4))

    class Models:
        def vectors(self, questions: Sequence[str]) -> np.ndarray:
            return np.array([[0.8, 0.6, 0.0, 0.0]])

    row = {"question": "May I?", "answer": ENTRY.answer, "topic": "permits"}
    found = nearest(faq, np.array(["permits", "costs"]), [row], Models())  # type: ignore[arg-type]
    assert [(one.entry, one.cosine, one.right) for one in found] == [(ENTRY, 0.8, True), (other, 0.6, None)]


def test_conversations_of_the_training_are_those_that_the_desk_asks():
    (row,) = chats([("May I build?", {"q": ENTRY.question, "a": ENTRY.answer})]).rows
    assert row["messages"] == [*prompt_of("May I build?", ENTRY), {"role": "assistant", "content": ENTRY.answer}]
    assert [it["label"] for it in wants(["a"], ["b", "c"]).rows] == ["building", "small_talk", "small_talk"]
