"""A step that runs out of memory is done again in smaller parts with the same result; what cannot be saved is told."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import forked
import numpy as np
import pytest
import tensorflow as tf
from hungry_run import CONFIG
from small_fit import Prepared, configured, prepare

from sftkeras.errors import SFTError
from sftkeras.internals.keras import LogsOfOneReplica
from sftkeras.training.fit import Fitted, fit
from sftkeras.training.step.model import SupervisedModel


def fitted(prepared: Prepared) -> Fitted:
    return fit(prepared.model, prepared.train, prepared.validation, prepared.config, prepared.run)


def weights(prepared: Prepared) -> list[np.ndarray]:
    return [weight.numpy() for weight in prepared.model.network.weights]


def short_of_memory(fits: Callable[[int], bool], *, after_update: bool = False, step: str = "train_step") -> Any:
    """Inside, a step fails unless `fits` its number of parts, before or after it has changed weights."""
    stock = LogsOfOneReplica._make_function

    def make(self: SupervisedModel, step_function: Any) -> Any:
        function, parts = stock(self, step_function), self.accumulation
        if step_function.__name__ != step:
            return function

        def failing(iterator: Any) -> Any:
            if fits(parts):
                return function(iterator)
            (function if after_update else next)(iterator)  # type: ignore[operator]  # the batch is gone either way
            raise tf.errors.ResourceExhaustedError(None, None, "OOM when allocating tensor")

        return failing

    return mock.patch.object(LogsOfOneReplica, "_make_function", make)


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, Fitted]:
    prepared = prepare(tmp_path_factory.mktemp("whole"), CONFIG)
    return prepared, fitted(prepared)


def test_the_run_goes_on_in_smaller_parts_with_the_same_result(
    tmp_path: Path, whole: tuple[Prepared, Fitted], capsys: pytest.CaptureFixture[str]
) -> None:
    prepared = prepare(tmp_path, CONFIG)
    with short_of_memory(lambda parts: parts >= 4):
        result = fitted(prepared)
    assert prepared.model.accumulation == 4
    said = " ".join(capsys.readouterr().out.split())
    assert said.count("Out of memory at step 1 of epoch 1") == 2
    assert "--training.accumulation 4. The result is the same." in said
    assert result.record.losses == pytest.approx(whole[1].record.losses, rel=1e-5)
    assert result.record.examples == whole[1].record.examples
    for one, other in zip(weights(prepared), weights(whole[0]), strict=True):
        np.testing.assert_allclose(one, other, atol=1e-6)


def test_memory_may_run_out_in_the_middle_of_an_epoch(tmp_path: Path, whole: tuple[Prepared, Fitted]) -> None:
    prepared = prepare(tmp_path, CONFIG)
    done = iter(range(100))
    with short_of_memory(lambda parts: parts == 2 or next(done) < 3):
        result = fitted(prepared)
    assert prepared.model.accumulation == 2
    assert result.record.losses == pytest.approx(whole[1].record.losses, rel=1e-5)


def test_one_row_at_a_time_is_the_end(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, CONFIG)
    before = weights(prepared)
    with short_of_memory(lambda parts: False), pytest.raises(SFTError, match=r"SFT441  step 1 of epoch 1") as raised:
        fitted(prepared)
    assert "--training.rematerialise true" in str(raised.value)
    assert prepared.model.accumulation == 8  # rows of the batch
    for one, other in zip(weights(prepared), before, strict=True):
        np.testing.assert_array_equal(one, other)


def test_a_half_done_update_is_not_trained_on(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, CONFIG)
    with short_of_memory(lambda parts: False, after_update=True), pytest.raises(SFTError, match="SFT442") as raised:
        fitted(prepared)
    assert "--training.accumulation 2" in str(raised.value)


def test_a_validation_that_is_short_of_memory_names_the_remedy_and_the_run_goes_on(
    tmp_path: Path, whole: tuple[Prepared, Fitted]
) -> None:
    prepared = prepare(tmp_path / "run", CONFIG)
    with (
        short_of_memory(lambda parts: False, step="test_step"),
        pytest.raises(SFTError, match=r"SFT444  epoch 1: ") as raised,
    ):
        fitted(prepared)
    assert "--training.accumulation 2" in str(raised.value)
    beside = prepare(tmp_path / "beside", configured(CONFIG, accumulation=2))
    result = fitted(replace(beside, run=prepared.run))
    assert result.record.losses == pytest.approx(whole[1].record.losses, rel=1e-5)


@pytest.mark.skipif(
    not Path("/proc/sys/vm/overcommit_memory").exists() or Path("/proc/sys/vm/overcommit_memory").read_text()[0] != "0",
    reason="Linux refuses what it cannot have, and no more, in its default mode alone",
)
def test_what_tensorflow_itself_cannot_allocate_is_survived(tmp_path: Path, whole: tuple[Prepared, Fitted]) -> None:
    program = Path(__file__).with_name("hungry_run.py")
    here = os.environ | {"PYTHONPATH": str(Path(__file__).parents[2])}  # the code that is tested, not one installed
    done = forked.run([sys.executable, str(program), str(tmp_path)], env=here)
    assert done.returncode == 0, done.stderr[-3000:]
    hungry = np.load(tmp_path / "hungry.npz")
    assert hungry["accumulation"] == 2
    assert hungry["losses"].tolist() == pytest.approx(whole[1].record.losses, rel=1e-5)
    for number, weight in enumerate(weights(whole[0])):
        np.testing.assert_allclose(hungry[f"arr_{number}"], weight, atol=1e-6)
