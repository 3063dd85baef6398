"""`fit` ends with the weights of the best epoch, whatever ends it, and says and writes what happened."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from small_fit import TOKENS, Prepared, configured, network, prepare

from sftkeras.config import EarlyStoppingConfig
from sftkeras.errors import SFTError
from sftkeras.training.callbacks import KeepBest
from sftkeras.training.fit import Fitted, _early_stopping, fit
from sftkeras.training.position import Position


def fitted(prepared: Prepared) -> Fitted:
    return fit(prepared.model, prepared.train, prepared.validation, prepared.config, prepared.run)


def weights(model: keras.Model) -> list[np.ndarray]:
    return [weight.numpy() for weight in model.weights]


def kept(prepared: Prepared) -> list[np.ndarray]:
    other = network()
    other.load_weights(prepared.run.best_weights)
    return weights(other)


def same(one: list[np.ndarray], other: list[np.ndarray]) -> bool:
    return all(np.array_equal(a, b) for a, b in zip(one, other, strict=True))


@pytest.fixture(scope="module")
def overfitted(tmp_path_factory: pytest.TempPathFactory) -> tuple[Prepared, Fitted]:
    """A run whose labels cannot be learnt in general: its validation loss turns before the last epoch."""
    config = configured(epochs=12, optimizer={"learning_rate": 0.3})
    prepared = prepare(tmp_path_factory.mktemp("overfitted"), config)
    return prepared, fitted(prepared)


def test_the_weights_of_the_best_epoch_are_kept(overfitted: tuple[Prepared, Fitted]) -> None:
    prepared, result = overfitted
    losses = [epoch["val_loss"] for epoch in result.record.epochs]
    assert 1 <= result.best_epoch < len(losses)
    assert losses[result.best_epoch - 1] == min(losses)
    assert same(weights(prepared.model.network), kept(prepared))
    judged = prepared.model.evaluate(prepared.validation.dataset(range(1)), verbose=0, return_dict=True)
    assert judged["loss"] == pytest.approx(min(losses), rel=1e-5)


def test_steps_and_epochs_are_recorded(overfitted: tuple[Prepared, Fitted]) -> None:
    prepared, result = overfitted
    record, epochs = result.record, prepared.config.training.epochs
    steps = prepared.train.steps * epochs
    assert [len(column) for column in (record.losses, record.seconds, record.examples, record.tokens)] == [steps] * 4
    assert sum(record.examples) == 16 * epochs
    assert sum(record.tokens) == int(TOKENS.lengths[:16].sum()) * epochs
    assert [epoch["epoch"] for epoch in record.epochs] == list(range(1, epochs + 1))
    names = {"epoch", "seconds", "loss", "gradient_norm", "accuracy", "macro_f1", "val_loss", "val_accuracy"}
    assert set(record.epochs[0]) == names | {"val_macro_f1"}
    first = np.average(record.losses[: prepared.train.steps], weights=record.examples[: prepared.train.steps])
    assert record.epochs[0]["loss"] == pytest.approx(first, rel=1e-5)
    assert result.examples_per_second > 0
    assert not result.interrupted


def test_a_run_is_repeated_exactly(tmp_path: Path) -> None:
    first, second = (prepare(tmp_path / name) for name in ("first", "second"))
    assert fitted(first).record.losses == fitted(second).record.losses
    assert same(weights(first.model.network), weights(second.model.network))


def test_early_stopping_waits_for_its_patience(tmp_path: Path) -> None:
    stopping = EarlyStoppingConfig(patience=2)
    config = configured(epochs=12, optimizer={"learning_rate": 0.3}, early_stopping=stopping)
    prepared = prepare(tmp_path, config)
    result = fitted(prepared)
    assert len(result.record.epochs) == result.best_epoch + 2 < 12
    assert same(weights(prepared.model.network), kept(prepared))


HISTORIES = [
    # monitor, values, patience, min_delta, epochs until the stop (0: none), best epoch
    ("val_loss", [0.9, 0.5, 0.6, 0.7, 0.4], 2, 0.0, 4, 2),
    ("val_loss", [0.9, 0.5, 0.6, 0.4, 0.5], 2, 0.0, 0, 4),
    ("val_accuracy", [0.5, 0.8, 0.7, 0.75], 2, 0.0, 4, 2),
    ("val_accuracy", [0.5, 0.5, 0.5], 1, 0.0, 2, 1),
    ("val_loss", [0.9, 0.89, 0.88], 1, 0.1, 2, 2),  # too little to go on for, but the best weights all the same
    ("val_loss", [0.9, 1.0, 0.8], 0, 0.0, 2, 1),
    ("val_loss", [0.9, 0.5, 0.5, 0.5], 2, 0.0, 4, 2),  # of equal epochs the first is kept, and the others do not count
    ("val_accuracy", [0.5, 0.75, 0.75, 0.75], 2, 0.25, 3, 2),  # as much as min_delta is not more
]


@pytest.mark.parametrize(("monitor", "values", "patience", "min_delta", "stop", "best"), HISTORIES)
def test_the_best_epoch_and_the_stop_follow_the_history(
    tmp_path: Path, monitor: str, values: list[float], patience: int, min_delta: float, stop: int, best: int
) -> None:
    rises = monitor != "val_loss"
    model = network()
    keeper = KeepBest(model, tmp_path / "best.weights.h5", monitor, Position(steps=1), higher_is_better=rises)
    stopping = EarlyStoppingConfig(monitor=monitor, patience=patience, min_delta=min_delta)
    stopper = _early_stopping(configured(early_stopping=stopping), monitor, rises)
    stopper.set_model(model)
    stopper.on_train_begin()
    model.stop_training, stopped = False, 0
    for epoch, value in enumerate(values):
        model.weights[0].assign(np.full(model.weights[0].shape, epoch + 1))
        for callback in (keeper, stopper):
            callback.on_epoch_end(epoch, {monitor: value})
        if model.stop_training:
            stopped = epoch + 1
            break
    assert stopped == stop
    assert keeper.best_epoch == best
    model.load_weights(tmp_path / "best.weights.h5")
    assert float(model.weights[0].numpy().ravel()[0]) == best


def test_a_metric_that_there_is_not_is_refused_before_training(tmp_path: Path) -> None:
    prepared = prepare(tmp_path, configured(early_stopping=EarlyStoppingConfig(monitor="val_acuracy")))
    with pytest.raises(SFTError, match="SFT401") as raised:
        fitted(prepared)
    assert 'Did you mean "val_accuracy"?' in str(raised.value)
    assert "val_loss, val_accuracy, val_macro_f1" in str(raised.value)


def spoiled(prepared: Prepared, epoch: int, step: int) -> Prepared:
    """One batch whose weights are not numbers, and so its loss."""
    whole = prepared.train.arrays

    def arrays(at_epoch: int, at_step: int) -> Any:
        inputs, labels, example_weights = whole(at_epoch, at_step)
        return inputs, labels, example_weights * (np.nan if (at_epoch, at_step) == (epoch, step) else 1)

    prepared.train.arrays = arrays  # type: ignore
    return prepared


def test_a_loss_that_is_no_number_stops_the_run_and_names_the_step(tmp_path: Path) -> None:
    with pytest.raises(SFTError, match="SFT402") as raised:
        fitted(spoiled(prepare(tmp_path), epoch=0, step=1))
    assert "step 2 of epoch 1: the loss" in str(raised.value)
    assert "float32" not in str(raised.value)  # it is set already


def test_the_best_epoch_before_the_stop_is_kept_and_named(tmp_path: Path) -> None:
    prepared = spoiled(prepare(tmp_path), epoch=2, step=0)
    with pytest.raises(SFTError, match="SFT402") as raised:
        fitted(prepared)
    assert "step 1 of epoch 3" in str(raised.value)
    assert str(prepared.run.best_weights.name) in str(raised.value)
    assert all(np.isfinite(weight).all() for weight in kept(prepared))


def test_a_gradient_that_is_no_number_stops_the_run(tmp_path: Path) -> None:
    prepared = prepare(tmp_path)
    embedding = prepared.model.network.weights[0]
    embedding.assign(np.full(embedding.shape, 1e30))
    head = prepared.model.network.weights[1]
    head.assign(np.zeros(head.shape))  # the logits are finite, the head's gradient is not: its square overflows
    with pytest.raises(SFTError, match=r"SFT402.*step 1 of epoch 1: the gradient"):
        fitted(prepared)


def test_what_an_unfinished_run_needs_is_there_and_nothing_half_written(overfitted: tuple[Prepared, Fitted]) -> None:
    prepared, _ = overfitted
    states = [f"step-{prepared.train.steps * epoch:010d}.safetensors" for epoch in (11, 12)]
    found = sorted(path.name for path in prepared.run.states.iterdir())
    assert found == ["best.weights.h5", "epochs.jsonl", *states, "steps.jsonl"]
    prepared.run.finish()
    assert [path.name for path in prepared.run.states.iterdir()] == ["best.weights.h5"]


def test_accumulation_of_more_parts_than_rows_trains(tmp_path: Path) -> None:
    few = prepare(tmp_path / "parts", configured(epochs=1, accumulation=11))
    whole = prepare(tmp_path / "whole", configured(epochs=1))
    assert fitted(few).record.losses == pytest.approx(fitted(whole).record.losses, rel=1e-5)
