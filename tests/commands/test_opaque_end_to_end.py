"""TF-Hub modules that train as they are, through the real commands: from a module to a version that stands alone.

Once a run is trained, its folder is moved, and the module, its preprocessor and all caches are removed: it still
exports what it exported before. What asks an exported version is the same for all; see test_small_end_to_end.py.
"""

from __future__ import annotations

import json
import os
import shutil
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from backbones.hub_modules import EncoderModule, write_preprocessor, write_text_module
from command_line import Done, flags, refusal, run_several
from tiny_bert import reviews, write_csv
from tiny_runs import tiny_flags

from sftkeras import export
from sftkeras.config import ExportCommandConfig
from sftkeras.exporting.contract import read_contract

CASES = ("texts", "tokens")


@dataclass(frozen=True)
class Chain:
    """What the commands made of one module."""

    case: str
    folder: Path
    done: dict[str, Done]

    @property
    def versions(self) -> list[Path]:
        return [self.folder / "saved_models" / "tiny" / "1", self.folder / "elsewhere" / "tiny" / "1"]

    @property
    def report(self) -> dict[str, Any]:
        return json.loads((self.folder / "moved" / "report.json").read_text("utf-8"))


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
    """Trains in a process of its own; then moves the run, and removes what it was made of."""
    words = tiny_flags(folder, folder / "module", data__train=folder / "data.csv", **write_inputs(case, folder))
    calls = {"train": words}
    if case == "texts":  # on one device: a second strategy of two would clash
        rows = [(text, text, label) for text, label in reviews()]
        pairs = write_csv(folder / "pairs.csv", rows, ("text", "pair", "label"))
        rehearsal = [*words, "--name=dry", "--dry_run=true"]
        calls["dry run"] = rehearsal
        calls["pairs"] = [*rehearsal, *flags(data__train=pairs, data__pair="pair")]
    caches = {"SFTKERAS_CACHE": str(folder / "cache"), "TFHUB_CACHE_DIR": str(folder / "cache" / "tfhub")}
    done = run_several([("train", words) for words in calls.values()], cwd=folder, **caches)
    for left in ("module", "preprocessor", "cache"):
        shutil.rmtree(folder / left, ignore_errors=left == "preprocessor")  # which one case has
    (folder / "runs" / "tiny").rename(folder / "moved")
    return Chain(case, folder, dict(zip(calls, done, strict=True)))


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Chain]:
    folders = {case: tmp_path_factory.mktemp("opaque") for case in CASES}
    with ThreadPoolExecutor(2) as pool:
        chains = dict(zip(CASES, pool.map(work_through, CASES, folders.values()), strict=True))
    for chain in chains.values():
        with pytest.MonkeyPatch.context() as patch:
            patch.setenv("SFTKERAS_CACHE", str(chain.folder / "cache"))
            run, folder = chain.folder / "moved", chain.folder / "elsewhere"
            export.main(ExportCommandConfig(run=str(run), folder=str(folder)))
    return chains


@pytest.fixture(params=CASES)
def chain(request: pytest.FixtureRequest, chains: dict[str, Chain]) -> Chain:
    return chains[request.param]


def test_every_command_ends_well_and_silently_on_standard_error(chain: Chain) -> None:
    for name, done in chain.done.items():
        if name != "pairs":
            assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


def test_the_run_says_how_the_module_is_trained_and_what_cannot_reach_it(chain: Chain) -> None:
    said = chain.done["train"].stdout
    assert "opaque" in said
    assert ("pooling" in said) == (chain.case == "texts")
    assert ("mixed_bfloat16 does not reach" in said) == (chain.case == "tokens")


def test_the_module_learns(chain: Chain) -> None:
    losses = [epoch["loss"] for epoch in chain.report["history"]]
    assert losses[-1] < losses[0]


def test_a_moved_run_without_its_module_exports_the_same_bytes(chain: Chain) -> None:
    contracts = [read_contract(version) for version in chain.versions]
    for key in ("weights_sha256", "graph_sha256", "features_fingerprint", "operations", "signatures"):
        assert contracts[0][key] == contracts[1][key], key
    assets = [[path.read_bytes() for path in (version / "assets").iterdir()] for version in chain.versions]
    assert assets[0] == assets[1]


def test_a_version_stands_alone(chain: Chain) -> None:
    for version in chain.versions:
        assert len(list((version / "assets").iterdir())) == 1  # the words of the module, or of its preprocessor
        assert os.fsencode(chain.folder) not in (version / "saved_model.pb").read_bytes()


def test_a_version_says_what_it_takes(chain: Chain) -> None:
    contract, card = read_contract(chain.versions[0]), (chain.versions[0] / "README.md").read_text("utf-8")
    assert ("serve_tokens" in contract["signatures"]) == (chain.case == "tokens")
    assert contract["max_length"] == (32 if chain.case == "tokens" else None)
    assert ("reads whole texts" in card) == (chain.case == "texts")


def test_a_dry_run_shows_texts(chains: dict[str, Chain]) -> None:
    said = chains["texts"].done["dry run"].stdout
    assert "words" in said
    assert "texts as they are" in said
    assert any(text in said for text, _ in reviews())


def test_pairs_of_texts_are_refused(chains: dict[str, Chain]) -> None:
    assert refusal(chains["texts"].done["pairs"]).startswith("SFT370  --data.pair")
