"""Store of the served models' versions: follows the disk and the config, loads and unloads, finds the version that
a request means.

A new version is available before the old one leaves, and a version leaves when its last request is answered: no request
is dropped. TensorFlow Serving's AvailabilityPreservingPolicy does the same.
"""

from __future__ import annotations

import contextlib
import ctypes
import gc
import logging
import os
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

from grpc import StatusCode
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusResponse
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from sftkeras.errors import SFTError
from sftkeras.serving.errors import ServingError, failed_precondition, invalid, not_found
from sftkeras.serving.generation.limits import GenerationLimits
from sftkeras.serving.generation.observer import GenerationObserver, Unobserved
from sftkeras.serving.model_config import check_config, wanted_versions
from sftkeras.serving.served_version import AVAILABLE, END, UNLOADING, ServedVersion
from sftkeras.serving.version_folders import fingerprint, is_settled, version_folders

_log = logging.getLogger(__name__)

# Ended versions of a model that GetModelStatus still reports.
_REMEMBERED = 16

# How long a start or a reload waits for folders that are still being written.
_PATIENCE_SECONDS = 10.0
_GLANCE_SECONDS = 0.1

# How many versions are loaded at once. Loading is almost all TensorFlow's own code, on one thread a version.
_LOADED_AT_ONCE = min(len(os.sched_getaffinity(0)), 4)

Versions = dict[int, ServedVersion]


class ModelStore:
    """The models of a server. `start` loads them and follows their folders until `close`.

    Args:
        source: gives the config, now and later.
        poll_seconds: between two looks at the folders (and the source); 0 looks once.
        source_seconds: between two looks at the source; 0 looks once.
        labels_for_unavailable: lets a new label name a version that is not available.
        generation: bounds of each version that generates.
    """

    def __init__(
        self,
        source: Callable[[], ModelServerConfig],
        *,
        poll_seconds: float = 1.0,
        source_seconds: float = 0.0,
        labels_for_unavailable: bool = False,
        generation: GenerationLimits = GenerationLimits(),  # noqa: B008  frozen
    ) -> None:
        self._generation = generation
        self._observer: GenerationObserver = Unobserved()
        self._source: Callable[[], ModelServerConfig] | None = source
        self._poll_seconds = poll_seconds
        self._source_seconds = source_seconds
        self._source_read = 0.0
        self._labels_for_unavailable = labels_for_unavailable
        self._config = ModelServerConfig()
        self._labels: dict[str, dict[str, int]] = {}
        self._models: dict[str, Versions] = {}
        self._problems: dict[str, str] = {}
        self._lock = threading.Lock()  # of the attributes above; held for moments only
        self._changes = threading.RLock()  # its holder loads and unloads
        self._wake = threading.Event()
        self._closed = False
        self._thread = threading.Thread(target=self._follow, name="model-store", daemon=True)

    def observe(self, observer: GenerationObserver) -> None:
        """Has what happens to streams of versions that are loaded from now on reported."""
        self._observer = observer

    def start(self) -> None:
        """Loads what there is and begins to follow the disk. Returns when each model is available or has failed.

        Raises:
            SFTError: the source cannot be read.
            ServingError: FAILED_PRECONDITION if a label names a version that is not available.
        """
        assert self._source
        config = self._source()
        self._source_read = time.monotonic()
        with self._changes:
            self._config = config
            self._load_until_settled()
            # The C++ server checks labels before it loads anything, and so refuses every label at its start.
            self._labels = self._checked_labels(config)
        self._thread.start()

    def close(self) -> None:
        """Unloads everything. No request may be under way."""
        self._closed = True
        self._wake.set()
        if self._thread.is_alive():
            self._thread.join()
        with self._changes:
            for versions in self._models.values():
                for version in versions.values():
                    if version.state in (AVAILABLE, UNLOADING):
                        version.unload()

    def reload(self, config: ModelServerConfig) -> None:
        """Replaces the config, and waits until the models that are new in it are available. Ends the following of a
        source.

        Raises:
            ServingError: the config breaks a rule, and nothing has changed; or UNKNOWN if a new model cannot be served.
        """
        check_config(config)
        self._apply(config, None)

    def _apply(self, config: ModelServerConfig, source: Callable[[], ModelServerConfig] | None) -> None:
        if not config.WhichOneof("config"):
            return  # "Taking no action for empty config.", server_core.cc; a file may be read while it is written
        with self._changes:
            self._labels = self._checked_labels(config)
            self._source = source
            new = {model.name for model in config.model_config_list.config} - self._configured()
            with self._lock:
                self._config = config
            self._load_until_settled()
        failed = {name: failure for name, failure in self.failures().items() if name in new}
        if failed:
            listed = ", ".join(f"{{{name} due to error: {failure}}}" for name, failure in failed.items())
            raise ServingError(StatusCode.UNKNOWN, f"{len(failed)} model(s) did not become available: {{{listed}}}")

    @contextmanager
    def use(self, spec: ModelSpec) -> Iterator[ServedVersion]:
        """Gives the version that a request means, which stays loaded inside the block.

        Raises:
            ServingError: INVALID_ARGUMENT for no name or an unknown label, NOT_FOUND if no such version is available.
        """
        with self._lock:
            version = self._find(spec)
            version.users += 1
        try:
            yield version
        finally:
            with self._lock:
                version.users -= 1
                left = version.state == UNLOADING and not version.users
            if left:
                self._wake.set()

    def models(self) -> list[str]:
        """Names of the models that are configured or were, sorted."""
        with self._lock:
            return sorted({*self._configured(), *self._models})

    def available(self) -> dict[str, list[int]]:
        """The versions that can be asked, by model."""
        with self._lock:
            found = {model: sorted(self._available(model)) for model in sorted(self._models)}
        return {model: versions for model, versions in found.items() if versions}

    def failures(self) -> dict[str, str]:
        """Why models have no version that can be asked, by model."""
        with self._lock:
            return {model: self._failure(model) for model in sorted(self._configured()) if not self._available(model)}

    def status(self, spec: ModelSpec) -> GetModelStatusResponse:
        """The states of the version or, if none is named, of all versions, newest first.

        Raises:
            ServingError: NOT_FOUND if there are none.
        """
        # Messages of get_model_status_impl.cc in tensorflow_serving/model_servers.
        with self._lock:
            versions = self._models.get(spec.name, {})
            number = self._number(spec)
            if number is not None and number not in versions:
                raise not_found(f"Could not find version {number} of model {spec.name}")
            if not versions:
                raise not_found(f"Could not find any versions of model {spec.name}")
            numbers = sorted(versions, reverse=True) if number is None else [number]
            return GetModelStatusResponse(model_version_status=[versions[number].status() for number in numbers])

    # Finding. Messages of server_core.cc and core/basic_manager.cc in the repository tensorflow/serving.

    def _find(self, spec: ModelSpec) -> ServedVersion:
        if not spec.name:
            raise invalid("ModelSpec has no name specified.")
        number = self._number(spec)
        available = self._available(spec.name)
        if number is None:
            if not available:
                raise not_found(f"Servable not found for request: Latest({spec.name})")
            return available[max(available)]
        if number not in available:
            raise not_found(f"Servable not found for request: Specific({spec.name}, {number})")
        return available[number]

    def _number(self, spec: ModelSpec) -> int | None:
        """The version that is named by number or label; None if none is."""
        match spec.WhichOneof("version_choice"):
            case "version":
                return spec.version.value
            case "version_label":
                labels = self._labels.get(spec.name, {})
                if spec.version_label not in labels:
                    raise invalid(f"Unrecognized servable version label: {spec.version_label}")
                return labels[spec.version_label]
        return None

    def _available(self, model: str) -> Versions:
        versions = self._models.get(model, {})
        return {number: version for number, version in versions.items() if version.state == AVAILABLE}

    def _configured(self) -> set[str]:
        return {model.name for model in self._config.model_config_list.config}

    def _failure(self, model: str) -> str:
        errors = [str(version.error) for version in self._models.get(model, {}).values() if version.error]
        return errors[-1] if errors else "no complete version is in its folder"

    def _checked_labels(self, config: ModelServerConfig) -> dict[str, dict[str, int]]:
        """The labels of a config, as server_core.cc's UpdateModelVersionLabelMap checks them."""
        labels: dict[str, dict[str, int]] = {}
        for model in config.model_config_list.config:
            for label, number in model.version_labels.items():
                new = self._labels.get(model.name, {}).get(label, number) == number
                if number not in self._available(model.name) and not (new and self._labels_for_unavailable):
                    raise failed_precondition(
                        f"Request to assign label to version {number} of model {model.name}, which is not currently "
                        "available for inference"
                    )
                labels.setdefault(model.name, {})[label] = number
        return labels

    # Following the disk.

    def _follow(self) -> None:
        while not self._closed:
            # A turn is also due when a request was the last to use a version that leaves.
            self._wake.wait(self._poll_seconds or None)
            self._wake.clear()
            if self._closed:
                return
            try:
                with self._changes:
                    self._read_source()
                    self._take_turn()
            except Exception:  # whatever it is, what is loaded is served on
                _log.exception("the models could not be followed; trying again")

    def _read_source(self) -> None:
        due = self._source_seconds and time.monotonic() - self._source_read >= self._source_seconds
        if not self._source or not due:
            return
        self._source_read = time.monotonic()
        problem = ""
        try:
            config = self._source()
            if config != self._config:
                self._apply(config, self._source)
        except (SFTError, ServingError) as error:
            problem = f"the new configuration is not taken: {error}"
        self._tell_once("configuration", problem)

    def _tell_once(self, subject: str, problem: str) -> None:
        """Logs a problem when it comes up, not at every look."""
        if problem and self._problems.get(subject) != problem:
            _log.error("%s", problem)
        self._problems[subject] = problem

    def _load_until_settled(self) -> None:
        limit = time.monotonic() + _PATIENCE_SECONDS
        while self._take_turn() and time.monotonic() < limit:
            time.sleep(_GLANCE_SECONDS)

    def _take_turn(self) -> bool:
        """Loads and unloads what is due.

        Returns:
            Whether a folder is left that is still being written.
        """
        self._unload_unused()  # first, so that there is room for what comes
        unsettled = False
        due: list[ServedVersion] = []
        kept: dict[str, set[int]] = {name: set() for name in self._models}  # none of a model that is not configured
        for model in self._config.model_config_list.config:
            problem = ""
            try:
                folders = version_folders(Path(model.base_path))
                kept[model.name] = wanted_versions(set(folders), model.model_version_policy)
                settled, waiting = self._due(model.name, {number: folders[number] for number in kept[model.name]})
                due += settled
                unsettled |= waiting
            except OSError as error:  # the versions that are loaded stay
                kept.pop(model.name, None)
                problem = f"the folder of {model.name} cannot be read: {error}"
            self._tell_once(model.name, problem)
        self._load(due)
        for name, wanted in kept.items():
            if not wanted or any(number in self._available(name) for number in wanted):
                self._retire(self._models[name], keep=wanted)
        self._unload_unused()
        return unsettled

    def _due(self, model: str, wanted: dict[int, Path]) -> tuple[list[ServedVersion], bool]:
        """Versions of a model that are to be loaded, and whether another's folder is still being written."""
        with self._lock:
            versions = self._models.setdefault(model, {})
        due = [number for number in sorted(wanted) if self._is_due(versions.get(number), wanted[number])]
        settled = [number for number in due if is_settled(fingerprint(wanted[number]))]
        generation = self._generation, self._observer
        found = [ServedVersion(model, number, wanted[number], *generation) for number in settled]
        return found, len(settled) < len(due)

    def _is_due(self, version: ServedVersion | None, folder: Path) -> bool:
        """Whether a wanted version is to be loaded; one that failed is tried again when its folder changes."""
        if version is None or (version.state == END and not version.error):
            return True
        return version.state == END and fingerprint(folder) != version.files

    def _load(self, versions: Sequence[ServedVersion]) -> None:
        """Loads versions, several at once; whatever fails is noted in its version."""
        with self._lock:
            for version in versions:
                self._models[version.model][version.number] = version
        with ThreadPoolExecutor(_LOADED_AT_ONCE, "model-loader") as loaders:
            list(loaders.map(ServedVersion.load, versions))
        if versions:
            _trim()  # what reading weights took: of a decoder of 540 MB, 220 MB

    def _retire(self, versions: Versions, *, keep: set[int]) -> None:
        """Lets no further request to the versions that are not kept."""
        with self._lock:
            for number, version in versions.items():
                if number not in keep and version.state == AVAILABLE:
                    version.state = UNLOADING

    def _unload_unused(self) -> None:
        left = False
        for versions in self._models.values():
            for version in versions.values():
                if version.state == UNLOADING and not version.users:
                    version.unload()
                    left = True
            ended = sorted(number for number, version in versions.items() if version.state == END)
            with self._lock:
                for number in ended[:-_REMEMBERED]:
                    del versions[number]
        if left:
            _give_memory_back()


def _give_memory_back() -> None:
    """Hands free memory to the system; else each reload leaves holes, and the process grows for hours."""
    gc.collect()  # a graph is full of circles
    _trim()


def _trim() -> None:
    with contextlib.suppress(OSError, AttributeError):  # other C libraries have no such call
        ctypes.CDLL(None).malloc_trim(0)
