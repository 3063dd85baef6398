"""Objectives beside the plain one: the same weights on any devices, in any micro-batches, recomputed or not."""

from __future__ import annotations

from concurrent.futures import Future

import numpy as np
import pytest
from fresh_runs import largest_difference, train_each, weights

# Together they have one step and several, changes on the way that count, and two dropout masks in a step.
OBJECTIVES: dict[str, dict[str, object]] = {
    "freelb": {"kind": "freelb", "steps": 2, "step_size": 0.3, "radius": 0.5},
    "r_drop": {"kind": "r_drop", "agreement": 4.0},
}
TAUGHT = {"weight": 0.7, "hidden": 1.0, "attention": 1.0, "relations": 1.0}
PLAIN = {"dropout": 0.2, "validated": False}
CUT = {"accumulation": 3, "rematerialise": True}


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> dict[int, Future]:
    runs = {name: {**PLAIN, "objective": objective} for name, objective in OBJECTIVES.items()}
    one = {**runs, "plain": PLAIN, **{f"{name}, cut": {**run, **CUT} for name, run in runs.items()}}
    alone = {**runs["freelb"], "dropout": 0.0, "optimizer": "sgd", "focal_gamma": 2.0, "class_weights": True}
    taught = {**PLAIN, "dropout": 0.0, "optimizer": "sgd", "distillation": TAUGHT}
    compared = {**PLAIN, "dropout": 0.0, "optimizer": "sgd", "objective": {"kind": "contrastive", "contrast": 0.8}}
    smooth = {**alone, "objective": {"kind": "smart", "steps": 2, "step_size": 0.3, "radius": 0.5, "agreement": 2.0}}
    without_dropout = {"alone": alone, "taught": taught, "contrastive": compared, "smart": smooth}
    two = {name: {**run, "accumulation": 2} for name, run in without_dropout.items()}
    return train_each(tmp_path_factory, {1: {**one, **without_dropout}, 2: two})


@pytest.mark.parametrize("name", OBJECTIVES)
def test_micro_batches_and_recomputed_layers_change_nothing(trained: dict[int, Future], name: str) -> None:
    runs = trained[1].result()
    assert largest_difference(runs[name], runs[f"{name}, cut"]) < 1e-6
    np.testing.assert_allclose(runs[f"{name}, cut"]["losses"], runs[name]["losses"], atol=1e-6)


@pytest.mark.parametrize("name", ["alone", "smart"])
def test_two_devices_end_as_one(trained: dict[int, Future], name: str) -> None:  # Adam would make rounding larger
    assert largest_difference(trained[1].result()[name], trained[2].result()[name]) < 1e-6


def test_texts_are_compared_alike_on_two_devices_in_micro_batches(trained: dict[int, Future]) -> None:
    compared = trained[1].result()["contrastive"]
    assert largest_difference(compared, trained[2].result()["contrastive"]) < 1e-6
    assert largest_difference(compared, trained[1].result()["alone"]) > 1e-3


def test_a_teacher_is_learned_from_alike_on_two_devices_in_micro_batches(trained: dict[int, Future]) -> None:
    taught = trained[1].result()["taught"]
    assert largest_difference(taught, trained[2].result()["taught"]) < 1e-6
    assert largest_difference(taught, trained[1].result()["alone"]) > 1e-3


@pytest.mark.parametrize("name", OBJECTIVES)
def test_it_is_another_training_than_the_plain_one(trained: dict[int, Future], name: str) -> None:
    runs = trained[1].result()
    assert largest_difference(runs[name], runs["plain"]) > 1e-3
    for variable, array in weights(runs[name]).items():
        assert np.isfinite(array).all(), variable
