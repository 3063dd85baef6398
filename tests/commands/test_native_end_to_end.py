"""A TF-Hub module and the Hugging Face folder it was made of train alike, and a native run needs neither any more.

The commands run as users run them; afterwards the module and all caches are removed and the run is moved.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from backbones.hub_modules import EncoderModule, variables_of_hugging_face
from command_line import Done, refusal, run_command, run_several
from conftest import tiny_flags
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_bert import HEADS, HIDDEN

from sftkeras.exporting.contract import read_contract


@dataclass(frozen=True)
class Chain:
    """What the commands made, and where."""

    folder: Path
    done: dict[str, Done]

    def report(self, run: str) -> dict[str, Any]:
        return json.loads((self.folder / run / "report.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path, reviews_csv: Path) -> Chain:
    folder = tmp_path_factory.mktemp("native")
    module = EncoderModule(activation="gelu", inner=2 * HIDDEN, heads=HEADS, dropout=0.1)
    module.write(folder / "module", variables_of_hugging_face(tiny_bert_folder, HEADS))
    settings = {"data__train": reviews_csv, "backbone__pooling": "cls", "report__baselines": "false"}
    native, same = (tiny_flags(folder, weights, **settings) for weights in (folder / "module", tiny_bert_folder))
    caches = {"SFTKERAS_CACHE": str(folder / "cache")}
    calls = {
        "train": ("train", native),
        "train the folder": ("train", [*same, "--name=same"]),
        "train again": ("train", [*native, "--name=again"]),  # converted before
    }
    first = run_several(list(calls.values()), cwd=folder, **caches)
    shutil.rmtree(folder / "module")
    shutil.rmtree(folder / "cache")
    (folder / "runs" / "tiny").rename(folder / "moved")
    later = run_several([("export", [f"--run={folder}/moved", f"--folder={folder}/elsewhere"])], cwd=folder, **caches)
    return Chain(folder, dict(zip([*calls, "export"], [*first, *later], strict=True)))


def step_losses(run: Path) -> list[float]:
    events = EventAccumulator(str(run / "tensorboard"), size_guidance={"tensors": 0}).Reload()
    return [float(tf.make_ndarray(event.tensor_proto)) for event in events.Tensors("step/loss")]


def test_every_command_ends_well_and_silently_on_standard_error(chain: Chain) -> None:
    for done in chain.done.values():
        assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr


def test_the_run_says_that_the_module_is_rebuilt_and_how_exactly(chain: Chain) -> None:
    assert "Note: the TF-Hub module is rebuilt (native), equal to it to " in chain.done["train"].stdout
    assert "rebuilt (native)" in chain.report("moved")["model"]["notes"]


@pytest.mark.parametrize("other", ["same", "again"])
def test_the_losses_are_those_of_the_folder_it_was_made_of(chain: Chain, other: str) -> None:
    one, two = (step_losses(chain.folder / run) for run in ("moved", f"runs/{other}"))
    assert len(one) > 10
    np.testing.assert_allclose(one, two, atol=1e-5)
    assert np.ptp(one) > 0.1  # it is no flat line


def test_a_moved_run_exports_the_same_without_module_and_caches(chain: Chain) -> None:
    contracts = [read_contract(chain.folder / place / "tiny" / "1") for place in ("saved_models", "elsewhere")]
    for key in ("weights_sha256", "graph_sha256"):
        assert contracts[0][key] == contracts[1][key], key


def test_a_run_keeps_no_weights_of_the_module_twice(chain: Chain) -> None:
    names = {path.name for path in (chain.folder / "moved" / "backbone").iterdir()}
    assert names == {"config.json", "vocab.txt", "tokenizer_config.json"}


def test_native_is_refused_in_one_line_where_it_is_not_equal(tmp_path: Path, reviews_csv: Path) -> None:
    module = EncoderModule(talking_heads=True).write(tmp_path / "module")
    words = tiny_flags(tmp_path, module, data__train=reviews_csv, backbone__mode="native")
    assert refusal(run_command("train", *words, cwd=tmp_path)).startswith("SFT366  --backbone.mode native")
