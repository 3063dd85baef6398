"""A program loads what `train` made, and gets what `predict` prints."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING

from command_line import run_command

from sftkeras.prediction.predictor import load

if TYPE_CHECKING:
    from conftest import Finished

TEXTS = ["a good film", "a bad film"]


def test_a_model_folder_a_version_and_a_run_predict_as_the_command_does(finished: Finished, tmp_path: Path) -> None:
    done = run_command("predict", "--model", str(finished.model), *TEXTS, cwd=tmp_path)
    printed = [json.loads(line) for line in done.stdout.splitlines()]
    with load(finished.model) as model:
        assert model.predict(TEXTS) == printed
    for folder in (str(finished.model / "1"), finished.run):
        with load(folder) as model:
            assert model.predict(TEXTS) == printed
