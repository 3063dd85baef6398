"""Whom `predict` asks: a version in a process of its own, or a model that a server has; and how far the two differ.

Imports no TensorFlow.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.config import PredictConfig
from sftkeras.errors import SFTError
from sftkeras.exporting.contract import check_weights, read_contract
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.exporting.versions import find_version
from sftkeras.plurals import counted
from sftkeras.tasks.masked_lm.predictions import PROBABILITY, TOKEN, has_masks, near_ties
from sftkeras.tasks.padding import Outputs, widened, width_of

if TYPE_CHECKING:
    from sftkeras.serving.client import Client, ClientError

_FOR_SERVERS = (
    "name",
    "version",
    "version_label",
    "token_file",
    "tls",
    "tls_ca",
    "tls_certificate",
    "tls_key",
    "parity",
)
_TOLERANCE = 1e-4  # that of the gate before an export is published


@dataclass(frozen=True)
class Model:
    """A model that answers texts.

    Attributes:
        flag: the setting that names it, for messages.
        name: how that setting names it.
        pairs: whether it takes two texts.
        data: the settings its training data was read with, as far as they are known here.
        load: makes it ready; called once the first texts are read.
        answer: (texts, second texts, progress) → named answers; progress is told how many more are answered.
    """

    flag: str
    name: str
    pairs: bool
    data: dict[str, Any]
    load: Callable[[], None]
    answer: Callable[[Sequence[str], Sequence[str] | None, Callable[[int], object]], Outputs]


@contextmanager
def asked_model(config: PredictConfig) -> Iterator[Model]:
    """Gives the model that the command is to ask.

    Raises:
        SFTError: SFT102 or SFT104 if the settings name none, or several; what `local_model` and `served_model` raise.
    """
    named = [f"--{name}" for name in ("model", "grpc", "rest") if getattr(config, name)]
    if not named:
        raise SFTError("SFT104", flag="--model", remedy="Give a folder such as saved_models/NAME, or ask a server.")
    if len(named) > 1:
        raise SFTError("SFT102", flag=named[1], problem=f"{named[0]} names a model already. Leave one of them out.")
    if config.model and (flag := next((name for name in _FOR_SERVERS if _is_set(config, name)), None)):
        raise SFTError("SFT102", flag=f"--{flag}", problem="is for a server, named with --grpc or --rest.")
    if config.version is not None and config.version_label:
        raise SFTError("SFT102", flag="--version_label", problem="--version names a version already. Leave one out.")
    with local_model(config) if config.model else served_model(config) as model:
        yield model


def _is_set(config: PredictConfig, name: str) -> bool:
    return getattr(config, name) != getattr(PredictConfig(), name)


@contextmanager
def local_model(config: PredictConfig) -> Iterator[Model]:
    """Gives an exported version, which a process of its own loads.

    Raises:
        SFTError: SFT5xx if it cannot be found, trusted or loaded.
    """
    version = find_version(config.model)
    contract = read_contract(version)
    with PredictionProcess(gpu=True) as process:

        def load() -> None:
            check_weights(version, contract)
            process.load(version)

        def answer(texts: Sequence[str], pairs: Sequence[str] | None, progress: Callable[[int], object]) -> Outputs:
            return process.predict(texts, pairs, batch_size=config.batch_size, progress=progress)

        data = contract["origin"].get("data", {})
        yield Model("--model", config.model, contract["pairs"], data, load, answer)


@contextmanager
def served_model(config: PredictConfig) -> Iterator[Model]:
    """Gives a model of a running server; with --parity it is compared with a local version, and the end is a verdict.

    Raises:
        SFTError: SFT660 to SFT667 if the server does not answer, or not as the local version does.
    """
    from sftkeras.serving.client import ClientError

    flag, address = ("--grpc", config.grpc) if config.grpc else ("--rest", config.rest)
    if not config.name:
        raise SFTError("SFT104", flag="--name", remedy="Give the name under which the server has the model.")
    try:
        with ExitStack() as stack:
            client = stack.enter_context(_client(config))
            wanted = sorted(client.contract().signature("serving_default").inputs)
            if wanted not in (["text"], ["pair", "text"]):
                raise SFTError("SFT665", flag=flag, address=address, name=config.name, inputs=", ".join(wanted))
            parity = stack.enter_context(_parity(config)) if config.parity else None

            def answer(texts: Sequence[str], pairs: Sequence[str] | None, progress: Callable[[int], object]) -> Outputs:
                answers = client.answer_arrays(texts, pairs, progress=progress)
                if parity:
                    parity.compare(texts, pairs, answers)
                return answers

            load = parity.load if parity else lambda: None
            yield Model(flag, str(address), "pair" in wanted, parity.data if parity else {}, load, answer)
            if parity:
                parity.tell(flag, str(address))
    except ClientError as error:
        raise _coded(error, flag, str(address), config) from error


class Parity:
    """How far a server's answers are from those of an exported version.

    Args:
        config: names the version.
        process: answers from it.

    Attributes:
        data: the settings the version's training data was read with.
    """

    def __init__(self, config: PredictConfig, process: PredictionProcess) -> None:
        self._version = find_version(str(config.parity), "--parity")
        self._contract = read_contract(self._version)
        self.data: dict[str, Any] = self._contract["origin"].get("data", {})
        self._process = process
        self._batch_size = config.batch_size
        self._texts = 0
        self._largest = 0.0
        self._worst = ""

    def load(self) -> None:
        """Loads the version.

        Raises:
            SFTError: SFT504 or SFT505 if it cannot be trusted or loaded.
        """
        check_weights(self._version, self._contract)
        self._process.load(self._version)

    def compare(self, texts: Sequence[str], pairs: Sequence[str] | None, answers: Outputs) -> None:
        """Compares the server's answers to some texts."""
        expected = self._process.predict(texts, pairs, batch_size=self._batch_size)
        # The texts that went together decide how wide rows of spans or masks are.
        width = max(width_of(expected), width_of(answers))
        expected, answers = widened(expected, width), widened(answers, width)
        if has_masks(expected) and has_masks(answers) and expected[TOKEN].shape == answers[TOKEN].shape:
            answers[TOKEN] = np.where(near_ties(expected[PROBABILITY], _TOLERANCE), expected[TOKEN], answers[TOKEN])
        self._texts += len(texts)
        for name, array in expected.items():
            difference = _difference(array, answers.get(name))
            if len(texts) and difference.max() > self._largest:
                row = int(difference.argmax())
                self._largest = float(difference[row])
                found = _plain(answers[name][row]) if name in answers else "missing"
                self._worst = f"{name} of {_short(texts[row])} is {found}, not {_plain(array[row])}"

    def tell(self, flag: str, address: str) -> None:
        """Says how large the largest difference is, on standard error.

        Raises:
            SFTError: SFT666 if it is too large, or a label or a name differs.
        """
        if self._largest > _TOLERANCE:
            raise SFTError("SFT666", flag=flag, address=address, version=self._version, difference=self._worst)
        texts, difference = counted(self._texts, "text"), f"largest difference {self._largest:.1e}"
        print(f"{texts} answered as {self._version} does, {difference}", file=sys.stderr)


def _difference(expected: np.ndarray, found: np.ndarray | None) -> np.ndarray:
    """The largest difference in each row: infinite where anything but a number differs, relative to the largest number
    where that exceeds one."""
    rows = len(expected)
    if found is None or found.shape != expected.shape:
        return np.full(rows, np.inf)
    expected, found = expected.reshape(rows, -1), found.reshape(rows, -1)
    if expected.dtype.kind != "f":
        return np.where((expected != found).any(axis=1), np.inf, 0.0)
    difference = np.abs(expected - found) / max(1.0, float(np.abs(expected).max(initial=0)))
    return np.nan_to_num(difference, nan=np.inf).max(axis=1, initial=0.0)


@contextmanager
def _parity(config: PredictConfig) -> Iterator[Parity]:
    with PredictionProcess(gpu=True) as process:
        yield Parity(config, process)


def _client(config: PredictConfig) -> Client:
    from sftkeras.serving.client import TLS, Client

    tls = TLS(config.tls_ca, config.tls_certificate, config.tls_key)
    secure = config.tls or tls != TLS()
    try:
        token = _token(Path(config.token_file).expanduser()) if config.token_file else None
        make = partial(Client.grpc, config.grpc) if config.grpc else partial(Client.rest, str(config.rest))
        return make(
            model=str(config.name),
            version=config.version,
            label=config.version_label,
            token=token,
            tls=tls if secure else None,
            timeout=float(config.timeout),
            batch_size=int(config.batch_size),
        )
    except OSError as error:
        problem = f"{error.filename or 'a file'}: {error.strerror or error}"
        raise SFTError("SFT667", problem=problem) from error
    except ValueError as error:
        raise SFTError("SFT102", flag="--rest", problem=f"{error}.") from error


def _token(file: Path) -> str:
    """The first token of a file; a server's own file may have another, while one is replaced."""
    words = file.read_text(encoding="utf-8", errors="replace").split()
    if not words or not words[0].isascii():
        raise SFTError("SFT667", problem=f"{file} holds no token")
    return words[0]


def _coded(error: ClientError, flag: str, address: str, config: PredictConfig) -> SFTError:
    place: dict[str, Any] = {"flag": flag, "address": address}
    reason = " ".join(error.message.split())[:300].rstrip(".")
    match error.status:
        case "UNAVAILABLE":
            return SFTError("SFT660", **place, reason=reason)
        case "DEADLINE_EXCEEDED":
            return SFTError("SFT661", **place, timeout=config.timeout)
        case "NOT_FOUND":
            return SFTError("SFT662", **place, reason=reason)
        case "UNAUTHENTICATED" | "PERMISSION_DENIED":
            return SFTError("SFT663", **place, reason=reason)
    return SFTError("SFT664", **place, status=error.status, reason=reason)


def _plain(value: Any) -> Any:
    return np.asarray(value).tolist()


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39] + "…")
