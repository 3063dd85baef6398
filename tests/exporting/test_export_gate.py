"""What must not be published is not."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_models import ORIGIN, TASKS, build_model  # sets TensorFlow's environment first

import tensorflow as tf  # isort: skip

from sftkeras.errors import SFTError
from sftkeras.exporting import export as exporting
from sftkeras.exporting.parity import Samples, check_parity
from sftkeras.exporting.prediction_process import PredictionProcess


def test_export_that_answers_otherwise_is_not_published(
    tmp_path: Path, process: PredictionProcess, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, other = (build_model(TASKS["classification"], seed=seed) for seed in (1, 2))
    write = exporting.write_saved_model
    monkeypatch.setattr(exporting, "write_saved_model", lambda text_model, *rest: write(other, *rest))
    with pytest.raises(SFTError, match="SFT510"):
        exporting.export(model, tmp_path / "tiny", origin=ORIGIN, process=process)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("error", "code"),
    [
        (tf.errors.ResourceExhaustedError(None, None, "x/saved_model.pb.tmp; No space left on device"), "SFT108"),
        (tf.errors.PermissionDeniedError(None, None, "x; Read-only file system"), "SFT106"),
        (OSError(errno.ENOSPC, "No space left on device"), "SFT108"),
    ],
)
def test_full_or_locked_disk_is_told_and_leaves_nothing_behind(
    tmp_path: Path, process: PredictionProcess, monkeypatch: pytest.MonkeyPatch, error: Exception, code: str
) -> None:
    def write(text_model: object, folder: Path, *rest: object) -> None:
        (folder / "half").write_text("written")
        raise error

    monkeypatch.setattr(exporting, "write_saved_model", write)
    with pytest.raises(SFTError, match=code):
        exporting.export(build_model(TASKS["classification"]), tmp_path / "tiny", origin=ORIGIN, process=process)
    assert list(tmp_path.iterdir()) == []


class Echo:
    """Stands for a model in memory with some answers, and for its export with others."""

    def __init__(self, expected: dict[str, list], found: dict[str, list]) -> None:
        self.task = TASKS["classification"]
        self.expected = {name: tf.constant(values) for name, values in expected.items()}
        self.found = {name: np.array(values, _dtype(values)) for name, values in found.items()}

    def features(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        return {}

    def __call__(self, texts: tf.Tensor) -> dict[str, tf.Tensor]:
        return self.expected

    def predict(self, texts: tuple[str, ...], pairs: None) -> dict[str, np.ndarray]:
        return self.found


def _dtype(values: list) -> type | None:
    return np.float32 if isinstance(values[0], float) else None


def check(expected: dict[str, list], found: dict[str, list]) -> float:
    echo: Any = Echo(expected, found)
    return check_parity(echo, echo, Samples(("a", "b", "c"), None), ["serving_default"])


def test_small_differences_pass_and_are_reported() -> None:
    assert check({"probability": [0.5, 0.25]}, {"probability": [0.5, 0.25005]}) == pytest.approx(5e-5, rel=1e-2)


def test_large_numbers_are_compared_relative_to_the_largest() -> None:
    assert check({"value": [250_000.0, 3.0]}, {"value": [250_000.1, 3.0]}) < 1e-6
    with pytest.raises(SFTError, match=r"SFT510 .*serving_default gives value .* for 'b'"):
        check({"value": [250_000.0, 300.0]}, {"value": [250_000.0, 400.0]})


def test_another_label_is_a_disagreement_however_close_the_numbers() -> None:
    with pytest.raises(SFTError, match=r"SFT510 .*label good for 'b', not bad"):
        check({"label": ["good", "bad"]}, {"label": ["good", "good"]})
    with pytest.raises(SFTError, match="SFT510"):
        check({"selected": [[True, False]]}, {"selected": [[True, True]]})


def test_answers_that_are_not_finite_are_refused_even_if_both_are() -> None:
    nan = float("nan")
    with pytest.raises(SFTError, match=r"SFT511 .*'c'"):
        check({"value": [1.0, 2.0, nan]}, {"value": [1.0, 2.0, nan]})


def test_missing_rows_are_a_disagreement() -> None:
    with pytest.raises(SFTError, match="SFT510"):
        check({"value": [1.0, 2.0]}, {"value": [1.0]})
