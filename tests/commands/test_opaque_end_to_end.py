"""TF-Hub modules that train as they are, through the real commands: from a module to a version that stands alone.

Once a run is trained, its folder is moved, and the module, its preprocessor and all caches are removed: it still
exports what it exported before.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from backbones.hub_modules import EncoderModule, write_preprocessor, write_text_module
from command_line import Done, refusal, run_command, run_several
from conftest import tiny_flags
from tiny_bert import reviews, write_csv

from sftkeras.exporting.contract import read_contract

CASES = ("texts", "tokens")


@dataclass(frozen=True)
class Chain:
    """What the commands made of one module."""

    case: str
    folder: Path
    first: dict[str, Done]
    later: dict[str, Done]

    @property
    def versions(self) -> list[Path]:
        return [self.folder / "saved_models" / "tiny" / "1", self.folder / "elsewhere" / "tiny" / "1"]

    def answers(self, name: str) -> list[dict[str, Any]]:
        return [json.loads(line) for line in (self.folder / name).read_text("utf-8").splitlines()]

    def report(self, place: str) -> dict[str, Any]:
        return json.loads((self.folder / place / "report.json").read_text("utf-8"))


def write_inputs(case: str, folder: Path) -> dict[str, Any]:
    """Writes module and data of a case; returns the settings that name them."""
    rows = reviews()
    if case == "texts":
        write_text_module(folder / "module")
        write_csv(folder / "data.csv", rows)
        return {}
    EncoderModule(talking_heads=True, regularised=True).write(folder / "module")
    write_preprocessor(folder / "preprocessor")
    write_csv(folder / "data.csv", [(text, f"{text} a", label) for text, label in rows], ("text", "pair", "label"))
    settings = {"data__pair": "pair", "training__devices": 2, "training__precision": "mixed_bfloat16"}
    return {"backbone__preprocessor": folder / "preprocessor", **settings}


def work_through(case: str, folder: Path) -> Chain:
    settings = {"data__train": folder / "data.csv", **write_inputs(case, folder)}
    words = tiny_flags(folder, folder / "module", **settings)
    model, data = f"--model={folder}/saved_models/tiny", folder / "data.csv"
    calls = {
        "train": ("train", words),
        "predict": ("predict", [model, f"--file={data}", f"--output={folder}/first.jsonl"]),
        "evaluate": ("evaluate", [model, f"--data={data}", f"--output={folder}/whole", "--report.bootstrap=0"]),
    }
    if case == "texts":  # on one device: a second strategy of two would clash
        calls["dry run"] = ("train", [*words, "--name=dry", "--dry_run=true"])
    caches = {"SFTKERAS_CACHE": str(folder / "cache"), "TFHUB_CACHE_DIR": str(folder / "cache" / "tfhub")}
    first = run_several(list(calls.values()), cwd=folder, **caches)
    for left in ("module", "preprocessor", "cache"):
        shutil.rmtree(folder / left, ignore_errors=left == "preprocessor")  # which one case has
    (folder / "runs" / "tiny").rename(folder / "moved")
    model = f"--model={folder}/elsewhere/tiny"
    others = {
        "export": ("export", [f"--run={folder}/moved", f"--folder={folder}/elsewhere"]),
        "predict": ("predict", [model, f"--file={data}", f"--output={folder}/later.jsonl"]),
    }
    later = run_several(list(others.values()), cwd=folder, **caches)
    return Chain(case, folder, dict(zip(calls, first, strict=True)), dict(zip(others, later, strict=True)))


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Future[Chain]]:
    with ThreadPoolExecutor(2) as pool:
        return {case: pool.submit(work_through, case, tmp_path_factory.mktemp("opaque")) for case in CASES}


@pytest.fixture(params=CASES)
def chain(request: pytest.FixtureRequest, chains: dict[str, Future[Chain]]) -> Chain:
    return chains[request.param].result()


def test_every_command_ends_well_and_silently_on_standard_error(chain: Chain) -> None:
    for done in (*chain.first.values(), *chain.later.values()):
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


def test_the_run_says_how_the_module_is_trained_and_what_cannot_reach_it(chain: Chain) -> None:
    said = chain.first["train"].stdout
    assert "opaque" in said
    assert ("pooling" in said) == (chain.case == "texts")
    assert ("mixed_bfloat16 does not reach" in said) == (chain.case == "tokens")


def test_the_module_learns(chain: Chain) -> None:
    losses = [epoch["loss"] for epoch in chain.report("moved")["history"]]
    assert losses[-1] < losses[0]


def test_predict_gives_the_answers_that_evaluate_judged(chain: Chain) -> None:
    answers = chain.answers("first.jsonl")
    right = [answer["label"] == label for answer, (_, label) in zip(answers, reviews(), strict=True)]
    assert np.mean(right) == pytest.approx(chain.report("whole")["metrics"]["accuracy"], abs=1e-5)


def test_a_moved_run_without_its_module_exports_the_same_bytes(chain: Chain) -> None:
    contracts = [read_contract(version) for version in chain.versions]
    for key in ("weights_sha256", "graph_sha256", "features_fingerprint", "operations", "signatures"):
        assert contracts[0][key] == contracts[1][key], key
    assert chain.answers("first.jsonl") == chain.answers("later.jsonl")


def test_a_version_stands_alone(chain: Chain) -> None:
    for version in chain.versions:
        assert len(list((version / "assets").iterdir())) == 1  # the words of the module, or of its preprocessor
        assert os.fsencode(chain.folder) not in (version / "saved_model.pb").read_bytes()


def test_a_version_says_what_it_takes(chain: Chain) -> None:
    contract, card = read_contract(chain.versions[0]), (chain.versions[0] / "README.md").read_text("utf-8")
    assert ("serve_tokens" in contract["signatures"]) == (chain.case == "tokens")
    assert contract["max_length"] == (32 if chain.case == "tokens" else None)
    assert ("reads whole texts" in card) == (chain.case == "texts")


def test_a_dry_run_shows_texts(chains: dict[str, Future[Chain]]) -> None:
    said = chains["texts"].result().first["dry run"].stdout
    assert "words" in said
    assert "texts as they are" in said
    assert any(text in said for text, _ in reviews())


def test_pairs_of_texts_are_refused(tmp_path: Path) -> None:
    rows = [(text, text, label) for text, label in reviews()]
    data = write_csv(tmp_path / "data.csv", rows, ("text", "pair", "label"))
    module = write_text_module(tmp_path / "module")
    done = run_command(
        "train", *tiny_flags(tmp_path, module, data__train=data, data__pair="pair"), "--dry_run=true", cwd=tmp_path
    )
    assert refusal(done).startswith("SFT370  --data.pair")
