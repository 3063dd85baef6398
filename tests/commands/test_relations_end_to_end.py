"""Relations by the real commands: markers are learned, judged, exported, published, and kept when a run is killed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import permutations
from pathlib import Path
from typing import Any

import forked
import numpy as np
import pytest
from command_line import Done, flags, run_several
from tiny_bert import NOUNS, VOCABULARY
from tiny_runs import Refuse, tiny_flags

from sftkeras.backbones import load_backbone
from sftkeras.config import TrainConfig
from sftkeras.errors import SFTError
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import restore_backbone, restore_model
from sftkeras.text import Cleaning
from sftkeras.train import main
from sftkeras.training.encoder_needs import check_cleaning

MARKERS = ["[head]", "[/head]", "[tail]", "[/tail]"]
ASKED = ["the [head]film[/head] the [tail]plot[/tail] a cast", "the [tail]film[/tail] the [head]plot[/head] a cast"]


def relations(rows: int = 80) -> list[dict[str, Any]]:
    """Two marked words of three, in either order; only the markers tell the label of a text."""
    found = []
    places = list(permutations(range(3), 2))
    for number in range(rows):
        words = [NOUNS[number % 8], NOUNS[(number // 8 + number) % 8], NOUNS[number // 3 % 8]]
        text = f"the {words[0]} a {words[1]} the {words[2]} {number % 9 + 1}"
        begins = [4, 4 + len(words[0]) + 3, 4 + len(words[0]) + 3 + len(words[1]) + 5]
        head, tail = places[number % 6]
        spans = [[begins[place], begins[place] + len(words[place])] for place in (head, tail)]
        found.append(
            {"text": text, "head": spans[0], "tail": {"start": spans[1][0], "end": spans[1][1]}}
            | {"label": "before" if head < tail else "after"}
        )
    return found


@dataclass(frozen=True)
class Chain:
    """What the commands made."""

    folder: Path
    done: dict[str, Done]

    def run(self, name: str) -> RunFolder:
        return RunFolder(self.folder / "runs" / name)

    def report(self, name: str) -> dict[str, Any]:
        return json.loads((self.run(name).folder / "report.json").read_text("utf-8"))

    def answers(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.done[name].stdout.splitlines()]


def killed(words: list[str], folder: Path) -> None:
    """Trains until the second state is written, and dies."""
    script = str(Path(__file__).with_name("killed.py"))
    here = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}
    target = "sftkeras.training.resume.state_files:write_state"
    done = forked.run([sys.executable, script, target, "2", *words], cwd=folder, env=here)
    assert done.returncode == -signal.SIGKILL, done.stdout + done.stderr


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path, reviews_csv: Path) -> Iterator[Chain]:
    folder = tmp_path_factory.mktemp("relations")
    data = folder / "relations.jsonl"
    data.write_text("".join(json.dumps(row) + "\n" for row in relations()), encoding="utf-8")

    def train(name: str, **settings: object) -> list[str]:
        tiny = tiny_flags(folder, tiny_bert_folder, report__baselines="false", resume__allow="code")
        return [*tiny, *flags(**{"name": name, **settings})]

    marked = {"data__train": data, "data__mark": '["head", "tail"]', "backbone__pooling": "markers"}
    marked |= {"optimizer__learning_rate": 0.03, "training__epochs": 4, "backbone__extra_tokens": '["plot twist"]'}
    killed(train("again", **marked, checkpoint__every_steps=2), folder)
    model, module = str(folder / "saved_models" / "relations"), folder / "module"
    calls = {
        "train": ("train", train("relations", **marked)),
        "predict": ("predict", ["--model", model, *ASKED]),
        "predict file": ("predict", ["--model", model, "--file", str(data)]),
        "evaluate": ("evaluate", ["--model", model, "--data", str(data), "--output", str(folder / "evaluation")]),
        "continue": ("train", train("again", **marked, checkpoint__every_steps=2)),
        "publish": ("publish", flags(run=folder / "runs" / "relations", output=module)),
        "frozen": ("fit", train("frozen", data__train=reviews_csv, tuning__freeze_embeddings="true")),
    }
    done = dict(zip(calls, run_several(list(calls.values()), cwd=folder), strict=True))
    yield Chain(folder, done)
    shutil.rmtree(folder)


def test_every_command_succeeds(chain: Chain) -> None:
    for name, done in chain.done.items():
        assert done.returncode == 0, (name, done.stdout + done.stderr)


def test_the_markers_tell_the_relation(chain: Chain) -> None:
    assert chain.report("relations")["metrics"]["accuracy"] > 0.8
    assert [answer["label"] for answer in chain.answers("predict")] == ["before", "after"]


def test_a_file_with_spans_is_answered_as_its_marked_texts(chain: Chain) -> None:
    answers = chain.answers("predict file")
    assert len(answers) == len(relations())
    assert all(answer["text"].count(marker) == 1 for answer in answers for marker in MARKERS)
    right = [answer["label"] == row["label"] for answer, row in zip(answers, relations(), strict=True)]
    evaluated = json.loads((chain.folder / "evaluation" / "report.json").read_text("utf-8"))
    assert np.mean(right) == pytest.approx(evaluated["metrics"]["accuracy"])


def test_a_killed_run_ends_with_the_same_bits(chain: Chain) -> None:
    assert "Continuing" in chain.done["continue"].stdout
    one, other = (restore_model(chain.run(name)).network.get_weights() for name in ("relations", "again"))
    for array, again in zip(one, other, strict=True):
        np.testing.assert_array_equal(array, again)
    assert chain.report("relations")["metrics"] == chain.report("again")["metrics"]


def test_a_restored_run_and_its_module_have_the_learned_tokens(chain: Chain) -> None:
    restored, pooling = restore_backbone(chain.run("relations"))
    assert pooling == "markers"
    numbers = restored.tokenizer.numbers
    assert numbers == {token: len(VOCABULARY) + n for n, token in enumerate(["plot twist", *MARKERS])}
    table = restored.model.token_embedding.embeddings.numpy()
    assert len(table) == len(VOCABULARY) + 5
    rows = table[[numbers[marker] for marker in MARKERS]]
    assert np.abs(rows[0] - rows[2]).max() > 1e-3  # they began alike
    module = load_backbone(chain.folder / "module", max_length=16, mode="native")
    assert module.tokenizer.fingerprint == restored.tokenizer.fingerprint
    np.testing.assert_array_equal(module.model.token_embedding.embeddings.numpy(), table)


def test_frozen_embeddings_stay_as_they_were_and_all_else_learns(chain: Chain, tiny_bert_folder: Path) -> None:
    tuned, _ = restore_backbone(chain.run("frozen"))
    before = load_backbone(tiny_bert_folder, max_length=16)
    for found, expected in zip(tuned.model.weights, before.model.weights, strict=True):
        if found.path.startswith("pooled_dense"):  # which mean pooling does not use
            continue
        same = np.array_equal(found.numpy(), expected.numpy())
        assert same == (found.path == "token_embedding/embeddings"), found.path


# --- settings that do not go together ---


@pytest.mark.parametrize(
    ("settings", "code"),
    [
        ({"backbone__pooling": "markers"}, "SFT384"),
        ({"backbone__pooling": "markers", "backbone__extra_tokens": '["[E1]", "covid"]'}, "SFT384"),
        ({"backbone__extra_tokens": '["covid"]', "tuning__freeze_embeddings": "true"}, "SFT386"),
        ({"backbone__extra_tokens": '["covid"]', "data__augmentation__swap": 0.1}, "SFT387"),
        ({"backbone__extra_tokens": '["covid"]', "backbone__mode": "opaque"}, "SFT440"),
        ({"data__mark": '["text"]', "backbone__mode": "opaque"}, "SFT440"),
        ({"data__mark": '["head"]'}, "SFT204"),
    ],
)
def test_settings_that_spoil_the_tokens_are_refused_at_once(
    refuse: Refuse, tiny_run: list[str], reviews_csv: Path, settings: dict[str, object], code: str
) -> None:
    assert refuse(main, TrainConfig, *tiny_run, *flags(data__train=reviews_csv, **settings)).startswith(code)


def test_cleaning_that_would_take_a_token_away_is_refused() -> None:
    with pytest.raises(SFTError, match='SFT385  cleaning turns the added token "<b>" into'):
        check_cleaning(Cleaning(markup=True), ["[E1]", "<b>"])
    check_cleaning(Cleaning(markup=True), ["[E1]", "[/E1]"])
    check_cleaning(None, ["<b>"])
