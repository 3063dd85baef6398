"""Similarity through the real commands: the vectors that were learned are what is judged, exported and served."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Done, run_several
from conftest import Refuse, tiny_flags
from tiny_bert import BAD, GOOD, NOUNS, write_csv

from sftkeras.config import TrainConfig
from sftkeras.serving.client import Client
from sftkeras.train import main as train

Record = dict[str, Any]

ASKED = ["the good film", "the good film", "A DULL plot, é 🎬 lovely   cast!", "", "the film " * 40]


def questions() -> list[tuple[str, str]]:
    """Questions and answers that share two words."""
    words = GOOD + BAD
    return [
        (f"the {words[number % 7]} {noun} {other}", f"{noun} a {other} {1 + number % 9}")
        for number, (noun, other) in enumerate((noun, other) for noun in NOUNS for other in NOUNS)
    ]


def scored() -> list[tuple[str, str, int]]:
    """Pairs of texts with how many of their words they share, from 0 to 2."""
    asked = questions()
    found = []
    for number, (question, _) in enumerate(asked):
        other = asked[(number + (0, 1, 19)[number % 3]) % len(asked)][1]
        found.append((question, other, len(set(question.split()) & set(other.split()))))
    return found


@dataclass(frozen=True)
class Chain:
    """What the commands made with so many devices."""

    folder: Path
    done: dict[str, Done]

    def report(self, name: str = "tiny") -> Record:
        return json.loads((self.folder / "runs" / name / "report.json").read_text("utf-8"))

    @property
    def vectors(self) -> np.ndarray:
        return np.array([json.loads(line)["vector"] for line in self.done["predict"].stdout.splitlines()])


def make(devices: int, folder: Path, tiny_bert: Path) -> Chain:
    folder.mkdir()
    pairs = write_csv(folder / "questions.csv", questions(), ("question", "answer"))
    numbers = write_csv(folder / "scored.csv", scored(), ("question", "answer", "shared"))
    shared = tiny_flags(
        folder,
        tiny_bert,
        task__kind="similarity",
        data__text="question",
        data__pair="answer",
        backbone__dropout=0.0,
        training__devices=devices,
        training__deterministic="true",
        report__mistakes=3,
    )
    model = str(folder / "saved_models" / "tiny")
    calls = {
        "train": [*shared, f"--data.train={pairs}", "--training.early_stopping.monitor=val_in_batch_accuracy"],
        "predict": ["--model", model, *ASKED],
        "evaluate": ["--model", str(folder / "runs" / "tiny"), "--output", str(folder / "evaluation")],
        "train again": [
            *(word for word in shared if not word.startswith("--name=")),
            "--name=scored",
            f"--data.train={numbers}",
            "--data.label=shared",
            "--task.loss=cosine",
            "--training.accumulation=2",
        ],
    }
    names = list(calls) if devices == 1 else ["train"]
    results = run_several([(name.split()[0], calls[name]) for name in names], cwd=folder, timeout=600)
    return Chain(folder, dict(zip(names, results, strict=True)))


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path) -> Iterator[dict[int, Chain]]:
    folder = tmp_path_factory.mktemp("similarity")
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


def test_partners_are_found_and_those_that_are_not_are_shown(chains: dict[int, Chain]) -> None:
    report = chains[1].report()
    assert report["headline"]["metric"] == "recall_at_1"
    assert set(report["metrics"]) == {"recall_at_1", "recall_at_5", "recall_at_10", "mrr"}
    assert report["metrics"]["recall_at_5"] > 0.5
    assert set(report["baselines"]) == {"tfidf_cosine", "untuned"}
    assert {"val_in_batch_accuracy", "in_batch_accuracy"} <= set(report["history"][0])
    assert all(one["rank"] > 1 and one["answer"] != one["pair"] for one in report["mistakes"])
    page = (chains[1].folder / "runs" / "tiny" / "report.html").read_text("utf-8")
    assert "Is the partner found?" in page
    assert (chains[1].folder / "runs" / "tiny" / "pictures" / "matches.png").exists()


def test_vectors_have_length_one_and_equal_texts_have_equal_ones(chains: dict[int, Chain]) -> None:
    vectors = chains[1].vectors
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    assert vectors[0] @ vectors[2] < 0.999


def test_two_devices_end_where_one_does(chains: dict[int, Chain]) -> None:
    one, two = chains[1].report(), chains[2].report()
    for figure in ("val_loss", "val_in_batch_accuracy", "loss"):
        np.testing.assert_allclose(
            [row[figure] for row in one["history"]], [row[figure] for row in two["history"]], rtol=1e-4, atol=1e-6
        )
    assert one["metrics"] == pytest.approx(two["metrics"], abs=1e-6)


def test_evaluate_finds_what_train_found(chains: dict[int, Chain]) -> None:
    again = json.loads((chains[1].folder / "evaluation" / "report.json").read_text("utf-8"))
    assert again["metrics"] == chains[1].report()["metrics"]


def test_numbers_are_learned_and_judged_by_their_order(chains: dict[int, Chain]) -> None:
    report = chains[1].report("scored")
    assert report["headline"]["metric"] == "spearman"
    assert report["headline"]["interval"] is not None
    assert set(report["metrics"]) == {"spearman", "pearson"}
    assert "val_pearson" in report["history"][0]
    assert {"truth", "answer", "error"} <= set(report["mistakes"][0])


def test_the_server_and_its_client_answer_as_the_version_does(chains: dict[int, Chain]) -> None:
    model, folder = chains[1].folder / "saved_models" / "tiny", chains[1].folder
    with served(model, folder) as url, Client.rest(url, model="tiny", batch_size=2) as client:
        found = [answer["vector"] for answer in client.answer(ASKED)]
    np.testing.assert_allclose(found, chains[1].vectors, atol=1e-4)


def test_the_card_says_what_a_vector_is_for(chains: dict[int, Chain]) -> None:
    (version,) = (chains[1].folder / "saved_models" / "tiny").glob("[0-9]*")
    assert "cosine" in (version / "README.md").read_text("utf-8")


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ([], "SFT290"),
        (
            ["--data.pair=answer", "--task.margin=0.9"],
            r"SFT412  --task\.margin .*vectors learned by multiple_negatives",
        ),
        (["--data.pair=answer", "--task.loss=cosine", "--task.temperature=1"], r"SFT412  --task\.temperature"),
        (["--data.pair=answer", "--task.dropout=0.5"], r"SFT412  --task\.dropout"),
    ],
)
def test_settings_without_effect_and_missing_pairs_are_told_at_once(
    refuse: Refuse, tmp_path: Path, words: list[str], said: str
) -> None:
    data = write_csv(tmp_path / "questions.csv", questions(), ("text", "answer"))
    line = refuse(train, TrainConfig, "--task.kind=similarity", "--backbone.handle=x", f"--data.train={data}", *words)
    assert re.search(said, line)
