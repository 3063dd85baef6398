"""What a chat model in memory predicts: losses of every row, and answers of some, as full passes would write them."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from answered_rows import EVALUATION, rows_of
from toy_language_model import ALPHABET, END, logits_of, text_of, tokens_of, toy_model

from sftkeras.conversations import Conversation, Message
from sftkeras.tasks.chat.answering import ChatPredictor, Writing
from sftkeras.tasks.memory_model import MemoryModel
from sftkeras.tasks.retention import TEXT_OUTPUTS
from sftkeras.text.marks import learned

QUESTIONS = ["where is my parcel?", "and when?", "hello", "can i return it? i do not like it", "thanks", "hi"]
NEW_TOKENS = 8


def rendered(conversation: Conversation) -> str:
    """A template: what the user says after one sign, what the assistant says after another."""
    parts = []
    for message in conversation.messages:
        is_answer = message.role == "assistant"
        parts += [":" if is_answer else "?", learned(message.content + ".") if is_answer else message.content]
    return "".join(parts)


def prompt_of(conversation: Conversation) -> str:
    return rendered(conversation) + ":"


class RenderedFeatures:
    """Those of the toy model, for rows that are JSON."""

    windows = False

    def __init__(self, features):
        self._features = features
        self.max_length, self.tokenizer, self.marked = features.max_length, features.tokenizer, features.marked

    def encode_arrays(self, texts):
        return self._features.encode_arrays([rendered(Conversation.from_json(text)) for text in texts])


def row(question: str, *earlier: str) -> str:
    roles = ("user", "assistant")
    before = [Message(roles[number % 2], content) for number, content in enumerate(earlier)]
    return Conversation((*before, Message("user", question), Message("assistant", "yes, of course"))).to_json()


ROWS = [row(question) for question in QUESTIONS]


@pytest.fixture(scope="module")
def model():
    plain = toy_model(seed=11)
    return replace(plain, features=RenderedFeatures(plain.features))


@pytest.fixture(scope="module")
def predict(model) -> ChatPredictor:
    return ChatPredictor(MemoryModel(model, text_of, (END,)), 3, Writing(prompt_of, 4, NEW_TOKENS))


def greedy(model, prompt: list[int]) -> tuple[str, bool]:
    """The answer, each token of a pass over all that stands before it."""
    tokens = list(prompt)
    for _ in range(NEW_TOKENS):
        token = int(logits_of(model, tokens)[-1, : len(ALPHABET)].argmax())
        if token == END:
            return "".join(ALPHABET[one] for one in tokens[len(prompt) :]), True
        tokens.append(token)
    return "".join(ALPHABET[one] for one in tokens[len(prompt) :]), False


def test_answers_are_those_of_full_passes(model, predict):
    done = []
    found = predict(ROWS, None, EVALUATION.outputs, done.append)
    assert found["generated"].tolist() == [True, True, False, True, False, True]
    for number in np.flatnonzero(found["generated"]):
        prompt = tokens_of(prompt_of(Conversation.from_json(ROWS[number]).prompt))[0]
        answer, ended = greedy(model, prompt)
        assert (found["answer"][number], found["ended"][number]) == (answer.strip(), ended)
    assert found["answer"][2] == ""
    assert sum(done) == pytest.approx(len(ROWS))


def test_predictions_can_be_evaluated(predict):
    found = predict(ROWS, None, EVALUATION.outputs, lambda rows: None)
    metrics = EVALUATION.scores(EVALUATION.evaluated(rows_of(ROWS), None, found, ())).metrics
    assert metrics["perplexity"] > 1
    assert 0 <= metrics["token_accuracy"] <= 1
    assert found["tokens"].tolist() == [len("yes, of course.")] * len(ROWS)


def test_more_rows_than_there_are_get_an_answer_each(predict):
    found = predict(ROWS[:2], None, EVALUATION.outputs, lambda rows: None)
    assert found["generated"].all()


def test_what_only_calls_tools_gets_no_answer(predict):
    calls = Conversation((Message("user", "how warm is it?"), Message("assistant", ""))).to_json()
    found = predict([calls, ROWS[0], calls], None, EVALUATION.outputs, lambda rows: None)
    assert found["generated"].tolist() == [False, True, False]
    found = predict([calls], None, EVALUATION.outputs, lambda rows: None)
    assert not found["generated"].any()
    assert found["tokens"].tolist() == [1]  # the end of the turn


def test_a_plain_text_is_asked_for_by_its_outputs(predict):
    found = predict(["once upon a time"], None, TEXT_OUTPUTS, lambda rows: None)
    assert set(found) == set(TEXT_OUTPUTS)
    assert found["text_tokens"].sum() == len("once upon a time")


def test_a_prompt_that_leaves_no_room_loses_its_first_turns(predict):
    long = row("and now?", "a" * 30, "b" * 30, "c" * 10, "d")
    kept = row("and now?", "c" * 10, "d")
    answers = predict([long, kept], None, EVALUATION.outputs, lambda rows: None)["answer"]
    assert answers[0] == answers[1]
