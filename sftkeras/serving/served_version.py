"""One version of a model on its way from disk to service and out again. When it goes which way is decided by
`model_store`."""

from __future__ import annotations

import logging
import time
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from grpc import StatusCode
from tensorflow_serving.apis.get_model_status_pb2 import ModelVersionStatus

from sftkeras.errors import SFTError
from sftkeras.exporting.contract import check_weights, read_contract
from sftkeras.exporting.generation_file import read_generation
from sftkeras.graphs.trusted import UntrustedGraphError
from sftkeras.serving.engine import Engine, from_tensorflow
from sftkeras.serving.errors import ServingError, failed_precondition
from sftkeras.serving.generation.generating import GeneratingVersion
from sftkeras.serving.generation.graph import SIGNATURE, Facts, GeneratingGraph
from sftkeras.serving.generation.limits import GenerationLimits
from sftkeras.serving.generation.observer import GenerationObserver, Unobserved
from sftkeras.serving.generation.requests import Generating
from sftkeras.serving.runs import EngineRun, Signatures
from sftkeras.serving.version_folders import Fingerprint, fingerprint
from sftkeras.serving.warm_up import warm_up

START, LOADING, AVAILABLE, UNLOADING, END = (
    ModelVersionStatus.START,
    ModelVersionStatus.LOADING,
    ModelVersionStatus.AVAILABLE,
    ModelVersionStatus.UNLOADING,
    ModelVersionStatus.END,
)

_log = logging.getLogger(__name__)


class ServedVersion:
    """A version folder, its state and, while it is loaded, its engine.

    Args:
        model: name of the model.
        number: of the version.
        folder: holds it.
        limits: of a version that generates.
        observer: notified of the streams of one.

    Attributes:
        state: one of ModelVersionStatus's.
        error: why it cannot be served, if it cannot.
        users: requests that are being answered by it; the store counts them.
        files: what the folder held when it was loaded.
    """

    def __init__(
        self,
        model: str,
        number: int,
        folder: Path,
        limits: GenerationLimits = GenerationLimits(),  # noqa: B008  frozen
        observer: GenerationObserver = Unobserved(),  # noqa: B008  has no state
    ) -> None:
        self.model = model
        self.number = number
        self.folder = folder
        self.state: int = START
        self.error: ServingError | None = None
        self.users = 0
        self.files: Fingerprint = ()
        self._limits, self._observer = limits, observer
        self._engine: Engine | None = None
        self._generating: GeneratingVersion | None = None
        self._generation: dict[str, Any] = {}
        self._created = 0

    def __str__(self) -> str:
        return f"{self.model} version {self.number}"

    @property
    def signatures(self) -> Signatures:
        """Signatures of the version; it must be loaded."""
        return self._loaded.signatures

    @property
    def generating(self) -> Generating:
        """Generator of texts, stream by stream; the version must be loaded, and held while its streams run.

        Raises:
            ServingError: FAILED_PRECONDITION if this model generates none.
        """
        if self._generating is None:
            raise failed_precondition(f"The model {self} does not generate text")
        return self._generating

    def check_size(self, signature: str, inputs: Mapping[str, np.ndarray]) -> None:
        """Refuse a call of a signature that would generate too much.

        Raises:
            ServingError: INVALID_ARGUMENT, with the limit.
        """
        if self._generating is not None:
            self._generating.check_whole(self.signatures[signature], inputs)

    @property
    def generation(self) -> Mapping[str, Any]:
        """Its generation.json when it was loaded, since its folder may be gone; empty without one."""
        return self._generation

    @property
    def created(self) -> int:
        """Seconds since 1970 at which it was exported; as `generation`, from when it was loaded."""
        return self._created

    def run(self, run: EngineRun) -> list[np.ndarray]:
        """Runs its engine; see `Engine.run`."""
        return self._loaded.run(run.call, run.arrays)

    def load(self) -> None:
        """Loads the folder and replays its warm-up requests. Afterwards it is AVAILABLE, or END with an `error`."""
        began = time.monotonic()
        self.state, self.error = LOADING, None
        engine = None
        try:
            self.files = fingerprint(self.folder)
            contract = _contract(self.folder)
            if contract is not None:
                check_weights(self.folder, contract)
            self._created = _created(self.folder, contract)
            engine = Engine(self.folder)
            replayed = warm_up(engine, self.folder)
            self._generating = self._made_generating(engine)
        except Exception as error:  # whatever it is, the server runs without this version
            if engine:
                engine.close()
            self.error = _as_serving_error(error)
            self.state = END
            _log.error("%s cannot be served: %s", self, self.error.message)
            return
        self._engine = engine
        self.state = AVAILABLE
        seconds = time.monotonic() - began
        _log.info("%s is available: loaded in %.1f s, %d warm-up requests replayed", self, seconds, replayed)

    def unload(self) -> None:
        """Ends its engine; it must not be used any more."""
        engine = self._loaded
        if self._generating:
            self._generating.close()
        engine.close()
        self._engine = self._generating = None
        self.state = END
        _log.info("%s is unloaded", self)

    def status(self) -> ModelVersionStatus:
        """Its state as ModelService reports it."""
        status = ModelVersionStatus(version=self.number, state=self.state)
        status.status.error_code = self.error.code.value[0] if self.error else 0
        status.status.error_message = self.error.message if self.error else ""
        return status

    def _made_generating(self, engine: Engine) -> GeneratingVersion | None:
        """Generator that uses the engine; None if the model does not generate."""
        file = read_generation(self.folder) if SIGNATURE in engine.signatures else None
        if file is None:
            return None
        self._generation = file
        graph = GeneratingGraph(engine, Facts.of(file), self._limits)
        return GeneratingVersion(graph, self._limits, self._observer, model=self.model, version=self.number)

    @property
    def _loaded(self) -> Engine:
        assert self._engine, f"{self} is not loaded"
        return self._engine


def _contract(folder: Path) -> dict[str, Any] | None:
    """The contract; None for a model of another program, or another release: the model itself needs none."""
    try:
        return read_contract(folder)
    except SFTError:
        return None


def _created(folder: Path, contract: Mapping[str, Any] | None) -> int:
    try:
        return int(datetime.fromisoformat((contract or {})["created"]).timestamp())
    except (KeyError, TypeError, ValueError):
        return int(folder.stat().st_mtime)


def _as_serving_error(error: Exception) -> ServingError:
    if isinstance(error, ServingError):
        return error
    if isinstance(error, SFTError):
        return ServingError(StatusCode.DATA_LOSS, str(error))
    if isinstance(error, tf.errors.OpError):
        return from_tensorflow(error)
    if isinstance(error, UntrustedGraphError):
        return failed_precondition(f"{error}; a model may use only what sftkeras/graphs/trusted_operations.txt lists")
    return ServingError(StatusCode.FAILED_PRECONDITION, f"{type(error).__name__}: {error}")
