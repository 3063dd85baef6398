"""Tagging through the real commands: what was trained is what is judged, exported and served, on one device or two."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Done, run_several
from conftest import tiny_flags
from tiny_bert import BAD, GOOD, NOUNS

from sftkeras.serving.client import Client

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
class Chain:
    """What the commands made with so many devices: all of them with one, only a run with two."""

    folder: Path
    done: dict[str, Done]

    @property
    def model(self) -> Path:
        return self.folder / "saved_models" / "tiny"

    @property
    def report(self) -> Record:
        return json.loads((self.folder / "runs" / "tiny" / "report.json").read_text("utf-8"))

    @property
    def answers(self) -> list[Record]:
        return [json.loads(line) for line in self.done["predict"].stdout.splitlines()]


def make(devices: int, folder: Path, tiny_bert: Path) -> Chain:
    folder.mkdir()
    data = write_conll(folder / "things.conll")
    train = tiny_flags(
        folder,
        tiny_bert,
        data__train=data,
        task__kind="tagging",
        training__devices=devices,
        training__deterministic="true",
        training__early_stopping__monitor="val_entity_f1",
        report__mistakes=3,
    )
    model = str(folder / "saved_models" / "tiny")
    calls = {
        "train": [*train, "--optimizer.learning_rate=0.03", "--backbone.dropout=0.0", "--task.dropout=0.0"],
        "predict": ["--model", model, *ASKED],
        "evaluate": ["--model", str(folder / "runs" / "tiny"), "--output", str(folder / "evaluation")],
    }
    commands = list(calls)[: 3 if devices == 1 else 1]
    results = run_several([(command, calls[command]) for command in commands], cwd=folder, timeout=600)
    return Chain(folder, dict(zip(commands, results, strict=True)))


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path) -> Iterator[dict[int, Chain]]:
    folder = tmp_path_factory.mktemp("tagging")
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(lambda devices: make(devices, folder / str(devices), tiny_bert_folder), (1, 2))
        yield dict(zip((1, 2), made, strict=True))
    shutil.rmtree(folder)


@contextmanager
def served(model: Path, folder: Path) -> Iterator[str]:
    """The address of a server that has the model."""
    words = [sys.executable, "-m", "sftkeras.serve", "--models", str(model), "--port=0", "--rest_api_port=0"]
    with (folder / "said").open("w+") as said, subprocess.Popen(words, stdout=said, stderr=said) as process:
        try:
            limit = time.monotonic() + 90
            while not (found := re.search(r"REST .*:(\d+)", (folder / "said").read_text())):
                assert process.poll() is None
                assert time.monotonic() < limit
                time.sleep(0.1)
            yield f"http://127.0.0.1:{found[1]}"
        finally:
            process.kill()


@pytest.mark.parametrize("devices", [1, 2])
def test_every_command_succeeds(chains: dict[int, Chain], devices: int) -> None:
    for done in chains[devices].done.values():
        assert done.returncode == 0, done.stdout + done.stderr


def test_it_learns_what_a_thing_is(chains: dict[int, Chain]) -> None:
    report = chains[1].report
    assert report["headline"]["metric"] == "entity_f1"
    assert report["headline"]["value"] > 0.8
    assert {"val_entity_f1", "entity_f1"} <= set(report["history"][0])


def test_answers_index_the_text_as_it_was_asked(chains: dict[int, Chain]) -> None:
    answers = chains[1].answers
    assert [answer["text"] for answer in answers] == ASKED
    for answer in answers:
        for entity in answer["entities"]:
            assert answer["text"][entity["start"] : entity["end"]] == entity["text"]
            assert entity["label"] == "THING"
    assert [entity["text"] for entity in answers[0]["entities"]] == ["good film"]
    assert answers[2]["entities"] == []


def test_two_devices_end_where_one_does(chains: dict[int, Chain]) -> None:
    one, two = chains[1], chains[2]
    np.testing.assert_allclose(
        [row["val_loss"] for row in one.report["history"]],
        [row["val_loss"] for row in two.report["history"]],
        rtol=1e-4,
    )
    figures = [[chain.report["metrics"][name] for name in ("entity_f1", "partial_f1")] for chain in (one, two)]
    np.testing.assert_allclose(*figures, atol=1e-6)


def test_evaluate_finds_what_train_found(chains: dict[int, Chain]) -> None:
    again = json.loads((chains[1].folder / "evaluation" / "report.json").read_text("utf-8"))
    assert again["metrics"] == chains[1].report["metrics"]
    assert again["per_class"] == chains[1].report["per_class"]


def test_the_server_and_its_client_answer_as_the_version_does(chains: dict[int, Chain]) -> None:
    expected = [answer["entities"] for answer in chains[1].answers]
    with served(chains[1].model, chains[1].folder) as url, Client.rest(url, model="tiny", batch_size=2) as client:
        found = [answer["entities"] for answer in client.answer(ASKED)]
        body = json.dumps({"instances": ASKED[:1]}).encode()
        with urllib.request.urlopen(f"{url}/v1/models/tiny:predict", body, timeout=60) as response:
            row = json.load(response)["predictions"][0]
    for one, other in zip(found, expected, strict=True):
        assert [{**it, "score": 0} for it in one] == [{**it, "score": 0} for it in other]
        np.testing.assert_allclose([it["score"] for it in one], [it["score"] for it in other], atol=1e-4)
    assert (row["start"], row["end"], row["text"]) == ([4], [13], ["good film"])
