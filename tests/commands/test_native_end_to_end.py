"""A TF-Hub module and the Hugging Face folder it was made of train alike, and a native run needs neither any more.

The commands run as users run them; afterwards the module and all caches are removed and the run is moved.
"""

from __future__ import annotations

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
from backbones.hub_modules import EncoderModule, variables_of_hugging_face
from command_line import Done, flags, refusal, run_several
from tiny_bert import HEADS, HIDDEN, LAYERS
from tiny_runs import Finished, curve, tiny_flags

from sftkeras import export
from sftkeras.config import ExportCommandConfig
from sftkeras.exporting.contract import read_contract


@dataclass(frozen=True)
class Chain:
    """What the commands made, and where."""

    folder: Path
    done: Done
    refused: Done

    @property
    def run(self) -> Path:
        return self.folder / "moved"


@pytest.fixture(scope="module")
def chain(tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path, reviews_csv: Path) -> Chain:
    folder = tmp_path_factory.mktemp("native")
    module = EncoderModule(activation="gelu", inner=2 * HIDDEN, heads=HEADS, layers=LAYERS, dropout=0.1)
    module.write(folder / "module", variables_of_hugging_face(tiny_bert_folder, HEADS))
    EncoderModule(talking_heads=True).write(folder / "other")
    words = tiny_flags(folder, folder / "module", data__train=reviews_csv, backbone__pooling="cls")
    other = [*words, *flags(name="other", backbone__handle=folder / "other", backbone__mode="native")]
    done, refused = run_several([("train", words), ("train", other)], cwd=folder, SFTKERAS_CACHE=str(folder / "cache"))
    assert (done.returncode, done.stderr) == (0, ""), done.stdout + done.stderr
    shutil.rmtree(folder / "module")
    shutil.rmtree(folder / "cache")
    (folder / "runs" / "tiny").rename(folder / "moved")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SFTKERAS_CACHE", str(folder / "cache"))
        export.main(ExportCommandConfig(run=str(folder / "moved"), folder=str(folder / "elsewhere")))
    return Chain(folder, done, refused)


def test_the_run_says_that_the_module_is_rebuilt_and_how_exactly(chain: Chain) -> None:
    assert "Note: the TF-Hub module is rebuilt (native), equal to it to " in chain.done.stdout
    assert "rebuilt (native)" in json.loads((chain.run / "report.json").read_text("utf-8"))["model"]["notes"]


def test_the_losses_are_those_of_the_folder_it_was_made_of(chain: Chain, finished: Finished) -> None:
    one, two = (curve(run, "step/loss") for run in (chain.run, finished.run))
    assert len(one) > 10
    np.testing.assert_allclose(one, two, atol=1e-5)
    assert np.ptp(one) > 0.1  # it is no flat line


def test_a_moved_run_exports_the_same_without_module_and_caches(chain: Chain) -> None:
    contracts = [read_contract(chain.folder / place / "tiny" / "1") for place in ("saved_models", "elsewhere")]
    for key in ("weights_sha256", "graph_sha256"):
        assert contracts[0][key] == contracts[1][key], key


def test_a_run_keeps_no_weights_of_the_module_twice(chain: Chain) -> None:
    names = {path.name for path in (chain.run / "backbone").iterdir()}
    assert names == {"config.json", "vocab.txt", "tokenizer_config.json"}


def test_native_is_refused_in_one_line_where_it_is_not_equal(chain: Chain) -> None:
    assert refusal(chain.refused).startswith("SFT366  --backbone.mode native")
