"""Events of the server, reported while it works. Listeners, such as the metrics, are given to it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Protocol

import numpy as np
from grpc import StatusCode


class Observer(Protocol):
    """Receives requests and batches, from any thread; it must be quick and must not raise.

    `api` is Predict, Classify, Regress, MultiInference, GetModelMetadata, GetModelStatus or HandleReloadConfigRequest.
    """

    def request(self, *, api: str, entrypoint: str, model: str, status: StatusCode, seconds: float) -> None:
        """A request was answered or refused; `entrypoint` is GRPC or REST, `model` "" if it named none."""

    def examples(self, *, model: str, count: int) -> None:
        """A request was accepted that holds `count` rows."""

    def answered(self, *, model: str, outputs: Mapping[str, np.ndarray]) -> None:
        """A request got these named outputs."""

    def ran(self, *, model: str, rows: int, padding: int, waited: float, seconds: float) -> None:
        """The engine ran one batch.

        Args:
            model: its name.
            rows: of requests.
            padding: rows added to reach an allowed batch size.
            waited: seconds that the oldest request of the batch stood in the queue.
            seconds: the run took.
        """

    def waiting(self, *, model: str, rows: int) -> None:
        """So many rows stand in the model's queue now."""
