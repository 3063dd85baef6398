"""Parity: how far a server's predictions are from those of an exported version. Imports no TensorFlow."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from sftkeras.conversations import Conversation
from sftkeras.errors import SFTError
from sftkeras.plurals import counted
from sftkeras.prediction.backends import Batch, LocalModel, Model
from sftkeras.prediction.generating import Options
from sftkeras.tasks.padding import widened, width_of
from sftkeras.tasks.predictions import Outputs

TOLERANCE = 1e-4  # that of the gate before an export is published


class ComparedModel:
    """A server's model whose predictions are compared with those of an exported version.

    Args:
        served: predicts.
        local: predicts for the same texts, to be compared.

    Attributes:
        data: the settings the version's training data was read with.
    """

    def __init__(self, served: Model, local: LocalModel) -> None:
        self._served, self._local = served, local
        self.flag, self.name = served.flag, served.name
        self.pairs, self.predictions = served.pairs, served.predictions
        self.identity, self.generates, self.chats = served.identity, served.generates, served.chats
        self.data: Mapping[str, Any] = local.data
        self._texts = 0
        self._largest = 0.0
        self._worst = ""

    def load(self) -> None:
        """Loads the exported version.

        Raises:
            SFTError: SFT504 or SFT505 if it cannot be trusted or loaded.
        """
        self._local.load()

    def predict(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> Outputs:
        """Returns the server's named outputs, one row a text."""
        outputs = self._served.predict(texts, pairs)
        self._compare(texts, outputs, self._local.predict(texts, pairs))
        return outputs

    def predict_each(self, batches: Iterable[Batch]) -> Iterator[Outputs]:
        """Yields the server's named outputs of each batch, in their order."""
        return (self.predict(*batch) for batch in batches)

    def write(self, texts: Sequence[str], asked: Sequence[Conversation] | None, options: Options) -> Outputs:
        """Returns what the server's model writes."""
        outputs = self._served.write(texts, asked, options)
        self._compare(texts, outputs, self._local.write(texts, asked, options))
        return outputs

    def report(self) -> None:
        """Prints the largest difference to standard error.

        Raises:
            SFTError: SFT666 if it is too large, or a label or a name differs.
        """
        version = self._local.version
        if self._largest > TOLERANCE:
            raise SFTError("SFT666", flag=self.flag, address=self.name, version=version, difference=self._worst)
        texts, difference = counted(self._texts, "text"), f"largest difference {self._largest:.1e}"
        print(f"{texts} answered as {version} does, {difference}", file=sys.stderr)

    def _compare(self, texts: Sequence[str], found: Outputs, expected: Outputs) -> None:
        # The texts that went together decide how wide rows of spans or masks are.
        width = max(width_of(expected), width_of(found))
        expected, found = widened(expected, width), widened(found, width)
        for name, either_way in self._local.predictions.near_ties(expected, TOLERANCE).items():
            if name in found and found[name].shape == expected[name].shape:
                found[name] = np.where(either_way, expected[name], found[name])
        self._texts += len(texts)
        for name, array in expected.items():
            difference = _difference(array, found.get(name))
            if len(texts) and difference.max() > self._largest:
                row = int(difference.argmax())
                self._largest = float(difference[row])
                given = _plain(found[name][row]) if name in found else "missing"
                self._worst = f"{name} of {_short(texts[row])} is {given}, not {_plain(array[row])}"


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


def _plain(value: Any) -> Any:
    return np.asarray(value).tolist()


def _short(text: str) -> str:
    return repr(text if len(text) <= 40 else text[:39] + "…")
