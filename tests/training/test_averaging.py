"""The running average is the formula's; it is what is validated and kept, and the weights go on untouched."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest
from small_fit import configured, network, prepare

from sftkeras.training.fit import fit

DECAY = 0.6


def values(variables: list[keras.Variable]) -> list[np.ndarray]:
    return [variable.numpy() for variable in variables]


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_average_follows_the_weights_by_its_formula(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, configured(optimizer={"ema": DECAY}))
    model = prepared.model
    expected = values(model.network.trainable_variables)
    assert same(values(model.averages), expected)
    model.make_train_function()
    batches = iter(prepared.train.distributed(range(3), model.distribute_strategy))
    for step in range(1, 7):
        model.train_function(batches)
        decay = min(DECAY, (1 + step) / (10 + step))
        new = values(model.network.trainable_variables)
        expected = [decay * old + (1 - decay) * weight for old, weight in zip(expected, new, strict=True)]
        for average, wanted in zip(model.averages, expected, strict=True):
            np.testing.assert_allclose(average.numpy(), wanted, atol=1e-6)
    assert not same(values(model.averages), values(model.network.trainable_variables))


def test_training_itself_is_as_without_it(tmp_path: Path) -> None:
    with_average = prepare(tmp_path / "with", configured(optimizer={"ema": DECAY}))
    without = prepare(tmp_path / "without")
    results = []
    for prepared in (with_average, without):
        results.append(fit(prepared.model, prepared.train, prepared.validation, prepared.config, prepared.run))
    assert results[0].record.losses == results[1].record.losses
    judged = [[epoch["val_loss"] for epoch in result.record.epochs] for result in results]
    assert judged[0] != judged[1]


def test_validation_and_what_is_kept_are_the_average(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, configured(epochs=1, optimizer={"ema": DECAY}))
    model = prepared.model
    result = fit(model, prepared.train, prepared.validation, prepared.config, prepared.run)
    averages = values(model.averages)
    other = network()
    other.load_weights(prepared.run.best_weights)
    assert same(values(other.trainable_variables), averages)
    assert same(values(model.network.trainable_variables), averages)  # what fit leaves is the best epoch's
    judged = model.evaluate(prepared.validation.dataset(range(1)), verbose=0, return_dict=True)
    assert judged["loss"] == pytest.approx(result.record.epochs[0]["val_loss"], rel=1e-5)


def test_judging_changes_no_weight(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, configured(optimizer={"ema": DECAY}))
    model = prepared.model
    for average in model.averages:
        average.assign(average + 1)
    before = values(model.network.trainable_variables)
    with model.validated_weights():
        inside = [np.array(variable) for variable in model.network.trainable_variables]
        model.network.save_weights(tmp_path / "kept.weights.h5")
    assert same(inside, values(model.averages))
    assert same(values(model.network.trainable_variables), before)
    model.network.load_weights(tmp_path / "kept.weights.h5")
    assert same(values(model.network.trainable_variables), values(model.averages))
