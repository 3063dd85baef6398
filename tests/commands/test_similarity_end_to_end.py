"""Similarity through the real commands: what is reported of vectors. That they are served is in tests/contract."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Done, run_several
from tiny_bert import BAD, GOOD, NOUNS, write_csv
from tiny_runs import Refuse, tiny_flags

from sftkeras.config import TrainConfig
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
    """What the commands made."""

    folder: Path
    done: dict[str, Done]

    def report(self, name: str = "tiny") -> Record:
        return json.loads((self.folder / "runs" / name / "report.json").read_text("utf-8"))

    @property
    def vectors(self) -> np.ndarray:
        return np.array([json.loads(line)["vector"] for line in self.done["predict"].stdout.splitlines()])


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("similarity")
    pairs = write_csv(folder / "questions.csv", questions(), ("question", "answer"))
    numbers = write_csv(folder / "scored.csv", scored(), ("question", "answer", "shared"))
    shared = tiny_flags(
        folder,
        tiny_bert_folder,
        task__kind="similarity",
        data__text="question",
        data__pair="answer",
        backbone__dropout=0.0,
        training__deterministic="true",
        report__mistakes=3,
    )
    model = str(folder / "saved_models" / "tiny")
    calls = {
        "train": [*shared, f"--data.train={pairs}", "--training.early_stopping.monitor=val_in_batch_accuracy"],
        "predict": ["--model", model, *ASKED],
        "train again": [
            *(word for word in shared if not word.startswith("--name=")),
            "--name=scored",
            f"--data.train={numbers}",
            "--data.label=shared",
            "--task.loss=cosine",
            "--training.accumulation=2",
        ],
    }
    results = run_several([(name.split()[0], words) for name, words in calls.items()], cwd=folder)
    yield Chain(folder, dict(zip(calls, results, strict=True)))
    shutil.rmtree(folder)


def test_every_command_succeeds(chain: Chain) -> None:
    for done in chain.done.values():
        assert done.returncode == 0, done.stdout + done.stderr


def test_partners_are_found_and_those_that_are_not_are_shown(chain: Chain) -> None:
    report = chain.report()
    assert report["headline"]["metric"] == "recall_at_1"
    assert set(report["metrics"]) == {"recall_at_1", "recall_at_5", "recall_at_10", "mrr"}
    assert report["metrics"]["recall_at_5"] > 0.5
    assert set(report["baselines"]) == {"tfidf_cosine", "untuned"}
    assert {"val_in_batch_accuracy", "in_batch_accuracy"} <= set(report["history"][0])
    assert all(one["rank"] > 1 and one["answer"] != one["pair"] for one in report["mistakes"])
    page = (chain.folder / "runs" / "tiny" / "report.html").read_text("utf-8")
    assert "Ranks of the partners" in page
    assert (chain.folder / "runs" / "tiny" / "pictures" / "matches.png").exists()


def test_vectors_have_length_one_and_equal_texts_have_equal_ones(chain: Chain) -> None:
    vectors = chain.vectors
    np.testing.assert_allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    np.testing.assert_allclose(vectors[0], vectors[1], atol=1e-6)
    assert vectors[0] @ vectors[2] < 0.999


def test_numbers_are_learned_and_judged_by_their_order(chain: Chain) -> None:
    report = chain.report("scored")
    assert report["headline"]["metric"] == "spearman"
    assert report["headline"]["interval"] is not None
    assert set(report["metrics"]) == {"spearman", "pearson"}
    assert "val_pearson" in report["history"][0]
    assert {"truth", "answer", "error"} <= set(report["mistakes"][0])


def test_the_card_says_what_a_vector_is_for(chain: Chain) -> None:
    (version,) = (chain.folder / "saved_models" / "tiny").glob("[0-9]*")
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
