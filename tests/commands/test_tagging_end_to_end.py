"""Tagging through the real commands: it learns, and what is found stands where it says in the text that was asked.

That it is served and judged as it was trained, on one device or two, is promised for every task in tests/contract.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from command_line import run_several
from tiny_bert import BAD, GOOD, NOUNS
from tiny_runs import tiny_flags

Record = dict[str, Any]

ASKED = ["the good film", "A DULL plot, é 🎬 lovely   cast!", "", "a a a", "the film " * 40]


def sentences(rows: int = 80) -> list[list[tuple[str, str]]]:
    """Words with their tags: what is praised or blamed is a THING, with the word that does so before it."""
    found = []
    for number in range(rows):
        noun, other, word = NOUNS[number % 8], NOUNS[number // 8 % 8], (GOOD + BAD)[number % 7]
        thing = [(word, "B-THING"), (noun, "I-THING")]
        found.append([("the", "O"), *thing, *[("a", "O")] * (number % 3), (other, "O"), (str(1 + number % 9), "O")])
    return found


def write_conll(path: Path) -> Path:
    path.write_text("\n\n".join("\n".join(f"{w}\t{t}" for w, t in row) for row in sentences()), encoding="utf-8")
    return path


@dataclass(frozen=True)
class Trained:
    """What the run reports, and what its model answers."""

    report: Record
    answers: list[Record]


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path) -> Trained:
    folder = tmp_path_factory.mktemp("tagging")
    words = tiny_flags(
        folder,
        tiny_bert_folder,
        data__train=write_conll(folder / "things.conll"),
        task__kind="tagging",
        task__dropout=0.0,
        backbone__dropout=0.0,
        training__early_stopping__monitor="val_entity_f1",
        report__mistakes=3,
    )
    asking = ["--model", str(folder / "saved_models" / "tiny"), *ASKED]
    done = run_several([("train", [*words, "--optimizer.learning_rate=0.03"]), ("predict", asking)], cwd=folder)
    for each in done:
        assert each.returncode == 0, each.stdout + each.stderr
    report = json.loads((folder / "runs" / "tiny" / "report.json").read_text("utf-8"))
    return Trained(report, [json.loads(line) for line in done[1].stdout.splitlines()])


def test_it_learns_what_a_thing_is(trained: Trained) -> None:
    assert trained.report["headline"]["metric"] == "entity_f1"
    assert trained.report["headline"]["value"] > 0.8
    assert {"val_entity_f1", "entity_f1"} <= set(trained.report["history"][0])


def test_answers_index_the_text_as_it_was_asked(trained: Trained) -> None:
    assert [answer["text"] for answer in trained.answers] == ASKED
    for answer in trained.answers:
        for entity in answer["entities"]:
            assert answer["text"][entity["start"] : entity["end"]] == entity["text"]
            assert entity["label"] == "THING"
    assert [entity["text"] for entity in trained.answers[0]["entities"]] == ["good film"]
    assert trained.answers[2]["entities"] == []
