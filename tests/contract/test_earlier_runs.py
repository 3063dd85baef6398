"""Runs and exports of earlier versions load: their files are read, and the same weights predict the same.

`earlier_runs` has, as 0.1.0 wrote them before tasks had folders of their own: `config.yaml` and `report.json` of a
classification, its `backbone`, and for each entry of every_task.py a file of

- settings: in which its `config.yaml` differed
- model, contract: its `model.json`, and the `contract.json` of its export
- weights: paths and shapes of what was in its `best.weights.h5`; `write_run` draws the values
- texts, pairs, predictions: what the model with these weights predicted
"""

from __future__ import annotations

import json
import shutil
from dataclasses import asdict
from functools import cache
from pathlib import Path
from typing import Any

import h5py
import numpy as np
import pytest
import tensorflow as tf
import yaml
from alike import assert_alike, decoded
from every_task import ENTRIES

from sftkeras.command_line.commands import parse
from sftkeras.comparison import compare
from sftkeras.config import DataConfig, TrainConfig, plain
from sftkeras.config.renamed import by_new_names
from sftkeras.evaluation.report.wording import flat
from sftkeras.exporting.contract import ModelOrigin, predictions_in, read_contract, write_contract
from sftkeras.graphs.trusted import trusted_operations
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import restore_model
from sftkeras.tasks import spec_of
from sftkeras.tasks.predictions import records

EARLIER = Path(__file__).parent / "earlier_runs"
Files = dict[str, Any]


@cache
def files_of(name: str) -> Files:
    return json.loads((EARLIER / f"{name}.json").read_text("utf-8"))


@pytest.fixture(params=[name for name in ENTRIES if (EARLIER / f"{name}.json").exists()])  # the tasks of 0.1.0
def files(request: pytest.FixtureRequest) -> Files:
    return files_of(request.param)


def write_run(folder: Path, files: Files) -> RunFolder:
    """Writes what a model is restored from."""
    run = RunFolder(folder)
    shutil.copytree(EARLIER / "backbone", run.backbone)
    run.model_file.write_text(json.dumps(files["model"]), encoding="utf-8")
    run.states.mkdir()
    with h5py.File(run.best_weights, "w") as file:
        for number, (path, shape) in enumerate(files["weights"].items()):
            file[path] = np.random.default_rng(number).uniform(-0.5, 0.5, shape).astype(np.float32)
    return run


def shapes_in(weights: Path) -> dict[str, list[int]]:
    shapes: dict[str, list[int]] = {}

    def keep(path: str, item: h5py.Group | h5py.Dataset) -> None:
        if isinstance(item, h5py.Dataset):
            shapes[path] = list(item.shape)

    with h5py.File(weights) as file:
        file.visititems(keep)
    return shapes


def test_a_model_of_an_earlier_run_predicts_what_it_predicted(files: Files, tmp_path: Path) -> None:
    model = restore_model(write_run(tmp_path / "run", files))
    texts = [tf.constant(texts) for texts in (files["texts"], files["pairs"]) if texts is not None]
    outputs = {output: decoded(tensor.numpy()) for output, tensor in model(*texts).items()}
    assert_alike(list(records(outputs)), files["predictions"])
    again = tmp_path / "again.weights.h5"
    model.network.save_weights(again)
    assert shapes_in(again) == files["weights"]


def test_the_settings_of_an_earlier_run_train_again(files: Files, tmp_path: Path) -> None:
    settings = yaml.safe_load((EARLIER / "config.yaml").read_text("utf-8"))
    for name, value in files["settings"].items():
        *sections, setting = name.split(".")
        section = settings
        for inner in sections:
            section = section[inner]
        section[setting] = value
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(settings), encoding="utf-8")
    config = parse(TrainConfig, ["--config", str(tmp_path / "config.yaml")])
    spec_of(config.task.kind).check(config)
    kept = {name: value for name, value in settings["task"].items() if name in asdict(config.task)}
    assert asdict(config.task) == asdict(type(config.task)()) | kept  # what is newer is as by default
    kept, found = by_new_names(dict(flat(settings))), dict(flat(plain(config)))
    of_steps = [name for name in kept if name.partition(".")[0] in ("optimizer", "training", "tuning")]
    assert {name: found[name] for name in of_steps} == {name: kept[name] for name in of_steps}


def test_the_contract_of_an_earlier_export_is_read(files: Files, tmp_path: Path) -> None:
    contract = files["contract"]
    write_contract(tmp_path, contract)
    assert read_contract(tmp_path) == contract
    origin = ModelOrigin(**contract["origin"])
    spec = spec_of(contract["task"]["kind"])
    data, settings = spec.as_recorded(DataConfig(**origin.data)), spec.restored(contract["task"])
    assert settings.kind == contract["task"]["kind"]
    assert spec.label_kind(settings) == spec.label_kind(spec.restored(files["model"]["task"]))
    assert data.train == files["settings"].get("data.train", "classification.jsonl")
    row = {"text": files["texts"][0], "pair": (files["pairs"] or [""])[0], **files["predictions"][0]}
    assert predictions_in(contract).line(row).plain


def test_the_operations_of_an_earlier_export_are_still_trusted(files: Files) -> None:
    saving = {"SaveV2", "MergeV2Checkpoints", "ShardedFilename"}  # which no request and no loading runs
    assert set(files["contract"]["operations"]) - trusted_operations() <= saving


def test_the_reports_of_earlier_runs_are_compared(tmp_path: Path) -> None:
    runs = [tmp_path / name for name in ("one", "other")]
    for run in runs:
        run.mkdir()
        shutil.copyfile(EARLIER / "report.json", run / "report.json")
    comparison = compare(runs)
    assert len(comparison.metrics) >= len(files_of("classification")["contract"]["metrics"])
