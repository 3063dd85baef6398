"""A tiny run made from Python, once for all tests."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from drawn_once import drawn_once
from forked import forked_predictions
from tiny_bert import reviews

import sftkeras

Once = Callable[[str, Callable[[Path], object]], Path]


def settings(folder: Path, tiny_bert: Path, **others: Any) -> dict[str, Any]:
    """Keyword settings of a run in `folder` that trains within a second."""
    return {
        "name": "tiny",
        "backbone": {"handle": tiny_bert, "max_length": 32, "dropout": 0.0},
        "task": {"dropout": 0.0},
        "runs": folder / "runs",
        "export": {"folder": folder / "saved_models"},
        "optimizer.learning_rate": 0.01,
        "training": {"epochs": 2, "batch_size": 8},
        "report": {"bootstrap": 20},
        "verbose": False,
        **others,
    }


@pytest.fixture(scope="module", autouse=True)
def quick_reports() -> Iterator[None]:
    """Of this folder alone: other tests in the same process start prediction processes and draw as users do."""
    with forked_predictions(), drawn_once():
        yield


@pytest.fixture
def tiny(tmp_path: Path, tiny_bert_folder: Path) -> dict[str, Any]:
    """Keyword settings of a tiny run in `tmp_path`; the data is still to be given."""
    return settings(tmp_path, tiny_bert_folder)


@pytest.fixture(scope="session")
def rows() -> list[dict[str, str]]:
    """Sixty reviews as dictionaries."""
    return [{"text": text, "label": label} for text, label in reviews()]


@pytest.fixture(scope="session")
def finished(once: Once, tiny_bert_folder: Path, rows: list[dict[str, str]]) -> sftkeras.Run:
    """A finished run that was trained on rows in memory. Do not change it."""

    def train(folder: Path) -> None:
        with forked_predictions():
            sftkeras.fine_tune(**settings(folder, tiny_bert_folder), data=rows)

    folder = once("finished-in-python", train)
    return sftkeras.Run.open(folder / "runs" / "tiny")
