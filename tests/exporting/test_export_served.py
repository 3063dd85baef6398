"""The embedded server loads what is exported, its own warm-up requests first, and answers as the fresh process does."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from tensorflow_serving.apis.input_pb2 import ExampleList, Input
from tiny_models import TASKS, Exported

from sftkeras.exporting.contract import read_contract, write_contract
from sftkeras.exporting.parity import Samples
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.serving.examples import classification_head, examples_run, read_head, regression_head
from sftkeras.serving.predicting import predict_run
from sftkeras.serving.served_version import AVAILABLE, END, ServedVersion
from sftkeras.serving.warm_up import warm_up

TEXTS = ("a good film", "bad", "très bon")


@pytest.mark.parametrize("task", TASKS)
def test_an_export_is_served_as_it_answers_alone(
    exports: Callable[..., Exported], process: PredictionProcess, task: str
) -> None:
    exported = exports(task)
    process.load(exported.path)
    alone = process.predict(TEXTS)
    version = ServedVersion("tiny", 1, exported.path)
    version.load()
    try:
        assert version.state == AVAILABLE, version.error
        assert version._engine
        assert warm_up(version._engine, exported.path) > 0
        texts = np.array([text.encode() for text in TEXTS], object)
        run, names = predict_run(version.signatures, "", {"text": texts}, ())
        fetched = dict(zip(run.call.fetches, version.run(run), strict=True))
        assert run.rows == len(TEXTS)
        for name, tensor in names.items():
            found = fetched[tensor]
            if found.dtype == object:
                assert np.char.decode(found.astype("S"), "utf-8").tolist() == alone[name].tolist()
            else:
                np.testing.assert_allclose(found, alone[name], rtol=1e-5, atol=1e-6)
    finally:
        version.unload()


@pytest.mark.parametrize(("task", "signature"), [("classification", "classify"), ("regression", "regress")])
def test_its_examples_are_answered(exports: Callable[..., Exported], task: str, signature: str) -> None:
    version = ServedVersion("tiny", 1, exports(task).path)
    version.load()
    try:
        find = classification_head if signature == "classify" else regression_head
        head = find(version.signatures, signature)
        examples = Samples(TEXTS, None).examples()
        run = examples_run([head], Input(example_list=ExampleList(examples=examples)))
        fetched = dict(zip(run.call.fetches, version.run(run), strict=True))
        result = read_head(head, {role: fetched[info.name] for role, info in head.outputs.items()}, len(TEXTS))
        rows = result.classifications if signature == "classify" else result.regressions
        assert len(rows) == len(TEXTS)
    finally:
        version.unload()


def test_an_export_with_other_weights_than_its_contract_says_is_not_served(
    classifier: Exported, tmp_path: Path
) -> None:
    copied = shutil.copytree(classifier.path, tmp_path / "1")
    write_contract(copied, {**read_contract(copied), "weights_sha256": "0" * 64})
    version = ServedVersion("tiny", 1, copied)
    version.load()
    assert version.state == END
    assert version.error
    assert "SFT504" in version.error.message
