"""Pretraining through the real commands: texts alone in, an encoder for other tasks out, and a served fill-mask."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command_line import Done, flags, run_several
from safetensors.numpy import load_file
from tiny_bert import BAD, GOOD, NOUNS, VOCABULARY
from tiny_runs import Refuse, curve, tiny_flags

from sftkeras.config import TrainConfig
from sftkeras.train import main

ASKED = ["the [MASK] film", "the good film a plot", "", "a [MASK] the [MASK] " * 30]


def texts(rows: int = 400) -> list[str]:
    """After "the" comes an adjective, after that a noun, then a number."""
    return [f"the {(GOOD + BAD)[number % 8]} {NOUNS[number % 8]} a {number}" for number in range(rows)]


@dataclass(frozen=True)
class Chain:
    """What the commands made."""

    folder: Path
    done: dict[str, Done]

    @property
    def encoder(self) -> Path:
        return self.folder / "runs" / "tiny" / "encoder"

    def report(self, name: str = "tiny") -> dict[str, Any]:
        return json.loads((self.folder / "runs" / name / "report.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path, reviews_csv: Path) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("masked")
    (folder / "texts.txt").write_text("\n".join(texts()), encoding="utf-8")
    encoder = folder / "runs" / "tiny" / "encoder"
    shared = {"data__train": folder / "texts.txt", "task__kind": "masked_lm", "task__mask_share": 0.3}
    pretrain = tiny_flags(folder, tiny_bert_folder, **shared)
    pretrain += flags(training__epochs=4, training__batch_size=16, optimizer__learning_rate=0.02)
    further = [
        *tiny_flags(folder, encoder, **shared),
        *flags(name="further", optimizer__learning_rate=1e-6, training__epochs=1, training__batch_size=32),
    ]
    classify = [*tiny_flags(folder, encoder, data__train=reviews_csv), "--name=reviews"]
    calls = {
        "train": ("train", pretrain),
        "predict": ("predict", ["--model", str(folder / "saved_models" / "tiny"), *ASKED]),
        "evaluate": ("evaluate", flags(model=folder / "runs" / "tiny", output=folder / "evaluation")),
        "further": ("fit", further),
        "classify": ("train", classify),
    }
    results = run_several(list(calls.values()), cwd=folder)
    yield Chain(folder, dict(zip(calls, results, strict=True)))
    shutil.rmtree(folder)


def test_every_command_succeeds(chain: Chain) -> None:
    for name, done in chain.done.items():
        assert done.returncode == 0, f"{name}: {done.stdout}{done.stderr}"


def test_it_learns_what_kind_of_word_stands_where(chain: Chain) -> None:
    report = chain.report()
    assert report["headline"]["metric"] == "perplexity"
    assert report["metrics"]["perplexity"] < 0.25 * len(VOCABULARY)
    assert report["baselines"]["frequencies"]["metrics"]["perplexity"] > 1
    losses = [row["val_loss"] for row in report["history"]]
    assert losses[-1] < 0.85 * losses[0]
    assert "val_masked_accuracy" in report["history"][0]
    assert "label" not in chain.done["train"].stdout


def test_masks_are_filled_and_other_texts_judged(chain: Chain) -> None:
    asked, judged, empty, long = [json.loads(line) for line in chain.done["predict"].stdout.splitlines()]
    (guesses,) = asked["masks"]
    assert len(guesses) == 5
    probabilities = [guess["probability"] for guess in guesses]
    assert probabilities == sorted(probabilities, reverse=True)
    assert "perplexity" not in asked
    assert judged["hidden"] == ["film"]  # the middle of five words
    assert judged["perplexity"] > 1
    assert empty["masks"] == []
    assert len(long["masks"]) == 60


def test_evaluate_finds_what_train_found(chain: Chain) -> None:
    again = json.loads((chain.folder / "evaluation" / "report.json").read_text("utf-8"))
    assert again["metrics"] == chain.report()["metrics"]
    assert again["breakdowns"] == chain.report()["breakdowns"]


def test_the_encoder_is_a_handle_for_other_tasks(chain: Chain, tiny_bert_folder: Path) -> None:
    assert str(chain.encoder) in chain.done["train"].stdout
    trained, first = (load_file(folder / "model.safetensors") for folder in (chain.encoder, tiny_bert_folder))
    moved = {name for name, tensor in first.items() if name in trained and (trained[name] != tensor).any()}
    assert {"embeddings.word_embeddings.weight", "encoder.layer.0.output.dense.weight"} <= moved
    assert not any(name.startswith("pooler") for name in trained)  # which was not trained
    assert chain.report("reviews")["model"]["backbone"] == str(chain.encoder)
    assert not (chain.folder / "runs" / "reviews" / "encoder").exists()


def test_pretraining_goes_on_with_the_head_of_the_encoder(chain: Chain) -> None:
    before, (after,) = chain.report()["history"][-1]["val_loss"], curve(chain.folder / "runs" / "further", "epoch/loss")
    np.testing.assert_allclose(after, before, rtol=0.5)
    assert after < chain.report()["history"][0]["val_loss"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (["--data.pair=other"], "SFT412  --data.pair"),
        (["--data.augmentation.swap=0.1"], "SFT412  --data.augmentation"),
        (["--data.label=stars"], "SFT412  --data.label"),
        (["--task.dropout=0.2"], "SFT412  --task.dropout"),
    ],
)
def test_settings_without_a_meaning_are_refused(
    refuse: Refuse, tmp_path: Path, tiny_bert_folder: Path, words: list[str], told: str
) -> None:
    (tmp_path / "texts.txt").write_text("\n".join(texts(20)))
    given = tiny_flags(tmp_path, tiny_bert_folder, data__train=tmp_path / "texts.txt", task__kind="masked_lm")
    assert refuse(main, TrainConfig, *given, *words).startswith(told)


def test_words_of_chinese_need_their_package(
    refuse: Refuse, tmp_path: Path, tiny_bert_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    (tmp_path / "texts.txt").write_text("\n".join(texts(20)))
    given = tiny_flags(tmp_path, tiny_bert_folder, data__train=tmp_path / "texts.txt", task__kind="masked_lm")
    found = refuse(main, TrainConfig, *given, "--task.chinese_words=true")
    assert found.startswith("SFT107  jieba is not installed")
    assert "sftkeras[chinese]" in found
