"""One fresh process that all tests ask, and one export."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest
from forked import forked_predictions
from tiny_models import Exported, export_tiny

from sftkeras.exporting.prediction_process import PredictionProcess


class SharedProcess(PredictionProcess):
    """Loads a version again only if it had another in between."""

    whole = False

    def load(self, version: Path) -> None:
        if version != self.version or not self.whole:
            self.whole = False
            super().load(version)
            self.whole = True


@pytest.fixture(scope="session")
def process() -> Iterator[PredictionProcess]:
    with forked_predictions():
        process = SharedProcess()
    with process:
        yield process


@pytest.fixture(scope="session")
def exports(tmp_path_factory: pytest.TempPathFactory, process: PredictionProcess) -> Callable[..., Exported]:
    """Exports a tiny model of a task, once; `process` has the one made last loaded."""

    @cache
    def make(task: str, *, pairs: bool = False) -> Exported:
        return export_tiny(tmp_path_factory.mktemp("models"), process, task, pairs=pairs)

    return make


@pytest.fixture(scope="session")
def classifier(exports: Callable[..., Exported]) -> Exported:
    return exports("classification", pairs=False)
