"""Questions through the real commands: the model learns to answer them, and to tell that a context has no answer.

That it is served and judged as it was trained, on one device or two, is promised for every task in tests/contract.
"""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import run_several
from tiny_bert import BAD, GOOD, NOUNS
from tiny_runs import tiny_flags

Record = dict[str, Any]

ASKED = [
    {"question": "the film ?", "context": "é 🎬 the plot a DULL film ! <b>the cast</b>"},
    {"question": "the film ?", "context": "the film a great film . " + "the plot a story . " * 12},
    {"question": "the film ?", "context": " "},
    {"question": "", "context": "电影"},
]


def paragraph(number: int, draw: random.Random) -> Record:
    """A context that praises or blames one of several things, or none of them, and the question what it says."""
    nouns, word = draw.choices(NOUNS, k=5), draw.choice(GOOD + BAD)
    before = " ".join(f"the {noun} a" for noun in nouns[: number % 4])
    after = " ".join(f"the {noun}" for noun in nouns[number % 4 :])
    context = f"{before} {word} {after}" if number % 5 else f"{before} {after}"
    answers = [{"text": word, "answer_start": len(before) + 1}] if number % 5 else []
    question = {
        "id": str(number),
        "question": f"what is {nouns[0]} ?",
        "answers": answers,
        "is_impossible": not answers,
    }
    return {"context": context, "qas": [question]}


def write_squad(path: Path, paragraphs: int = 160) -> Path:
    draw = random.Random(3)
    articles = [{"title": "Films", "paragraphs": [paragraph(number, draw) for number in range(paragraphs)]}]
    path.write_text(json.dumps({"version": "v2.0", "data": articles}), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Trained:
    """What the run reports, what its model is and answers, and what it is found to be again."""

    report: Record
    contract: Record
    answers: list[Record]
    again: Record


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path) -> Trained:
    folder = tmp_path_factory.mktemp("questions")
    words = tiny_flags(
        folder,
        tiny_bert_folder,
        data__train=write_squad(folder / "films.json"),
        task__kind="span_qa",
        task__dropout=0.0,
        task__max_answer_length=4,
        backbone__dropout=0.0,
        training__early_stopping__monitor="val_span_f1",
    )
    asked = folder / "asked.jsonl"
    asked.write_text("".join(json.dumps(row) + "\n" for row in ASKED), encoding="utf-8")
    run = folder / "runs" / "tiny"
    calls = [
        ("train", [*words, "--training.epochs=6", "--optimizer.learning_rate=0.02"]),
        ("predict", ["--model", str(folder / "saved_models" / "tiny"), "--file", str(asked)]),
        ("evaluate", ["--model", str(run), "--output", str(folder / "again"), "--report.bootstrap=20"]),
    ]
    done = run_several(calls, cwd=folder)
    for each in done:
        assert each.returncode == 0, each.stdout + each.stderr
    return Trained(
        json.loads((run / "report.json").read_text("utf-8")),
        json.loads((folder / "saved_models" / "tiny" / "1" / "contract.json").read_text("utf-8")),
        [json.loads(line) for line in done[1].stdout.splitlines()],
        json.loads((folder / "again" / "report.json").read_text("utf-8")),
    )


def test_it_learns_to_answer(trained: Trained) -> None:
    assert trained.report["headline"]["metric"] == "answer_f1"
    history = trained.report["history"]
    assert {"span_f1", "val_span_f1"} <= set(history[0])
    assert trained.report["headline"]["value"] > 0.8


def test_answers_index_the_context_as_it_was_sent(trained: Trained) -> None:
    assert [answer["pair"] for answer in trained.answers] == [row["context"] for row in ASKED]
    for answer in trained.answers:
        assert list(answer) == ["text", "pair", "answer", "score", "start", "end", "no_answer"]
        if answer["start"] >= 0:
            assert answer["pair"][answer["start"] : answer["end"]] == answer["answer"] != ""
        else:
            assert (answer["start"], answer["end"], answer["answer"]) == (-1, -1, "")
            assert answer["score"] == answer["no_answer"]
    assert trained.answers[2]["answer"] == ""


def test_the_threshold_of_no_answer_is_chosen_and_served(trained: Trained) -> None:
    threshold = trained.contract["task"]["no_answer_threshold"]
    assert 0 < threshold <= 1
    for answer in trained.answers:
        assert (answer["answer"] == "") == (answer["no_answer"] > threshold)


def test_evaluate_finds_what_train_found(trained: Trained) -> None:
    assert trained.again["metrics"] == trained.report["metrics"]
    assert trained.again["breakdowns"] == trained.report["breakdowns"]
