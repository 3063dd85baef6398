"""Runs commands one after the other in one process, which imports TensorFlow once.

Standard input is a JSON list of [command, words]; the file that the argument names gets a JSON list of
[exit code, standard output, standard error]. Besides the real commands there is `fit`: `train` as far as the best
weights, without export and report, whose run counts as interrupted.
"""

from __future__ import annotations

import contextlib
import importlib
import io
import json
import sys
from pathlib import Path
from unittest import mock

sys.path.append(str(Path(__file__).parents[1]))

from drawn_once import drawn_once

from sftkeras import train
from sftkeras.command_line import commands
from sftkeras.config import (
    EvaluateConfig,
    ExportCommandConfig,
    PredictConfig,
    PublishConfig,
    ShrinkConfig,
    TrainConfig,
)
from sftkeras.pipeline import fine_tuning, shrink_report

CONFIGS = {
    "train": TrainConfig,
    "fit": TrainConfig,
    "evaluate": EvaluateConfig,
    "export": ExportCommandConfig,
    "predict": PredictConfig,
    "publish": PublishConfig,
    "shrink": ShrinkConfig,
}


def fit(config: TrainConfig) -> None:
    """Trains, and ends where the export would begin."""
    with mock.patch.object(fine_tuning, "export_and_evaluate", side_effect=SystemExit(0)):
        train.main(config)


def call(command: str, words: list[str]) -> tuple[object, str, str]:
    """Runs one command as `python -m sftkeras.COMMAND` would."""
    out, err = io.StringIO(), io.StringIO()
    sys.argv = [f"sftkeras.{command}", *words]
    main = fit if command == "fit" else importlib.import_module(f"sftkeras.{command}").main
    with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
        try:
            commands.run(main, CONFIGS[command])
        except SystemExit as ended:
            code = ended.code
    return code, out.getvalue(), err.getvalue()


if __name__ == "__main__":
    results_file = sys.argv[1]
    with drawn_once(), mock.patch.object(shrink_report, "SECONDS", 0):  # a few turns are enough
        results = [call(command, words) for command, words in json.load(sys.stdin)]
    with open(results_file, "w", encoding="utf-8") as file:
        json.dump(results, file)
