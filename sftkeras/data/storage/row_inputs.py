"""The model inputs of every row: what batches ask of them, and texts as they are. Tokens are in `tokens`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Protocol

import numpy as np

from sftkeras.data.batches import BatchPlan
from sftkeras.data.checks.findings import Finding
from sftkeras.data.storage.examples import Texts

_ROWS_AT_ONCE = 1000


class RowInputs(Protocol):
    """Gives the model inputs of any rows; batches are made of it.

    Attributes:
        lengths: [n] int32, how long each row is.
        unit: what `lengths` counts: "tokens" or "words".
    """

    lengths: np.ndarray
    unit: str

    def batch(self, rows: np.ndarray, length: int) -> dict[str, np.ndarray]:
        """Returns the inputs of `rows` [batch], padded to `length` where padding is needed."""

    def at(self, epoch: int) -> RowInputs:
        """Returns the inputs as they are in an epoch: augmented texts change."""

    def rows_of(self, examples: np.ndarray) -> np.ndarray:
        """Returns the rows of some examples, ascending: a long text may have several."""

    def of_rows(self, values: Any) -> Any:
        """Returns for each row what `values` has of its example."""

    def describe(self, plan: BatchPlan) -> str:
        """Says in a few words what planning cost: padding, texts that were cut."""

    def findings(self) -> list[Finding]:
        """Returns warnings about these inputs."""


class RawTexts:
    """Texts as they are, for an encoder that reads them itself.

    Args:
        examples: whose texts.
        name: of the model input.
        clean: what is done to texts first, if anything.

    Attributes:
        lengths: [n] int32, words of each row as spaces divide them: near enough to group texts of like length.
    """

    unit = "words"

    def __init__(self, examples: Texts, name: str, clean: Callable[[list[str]], list[str]] | None = None) -> None:
        self._examples = examples
        self._name = name
        self._clean = clean or list
        self.lengths = np.empty(len(examples), np.int32)
        begin = 0
        for texts, _ in examples.text_batches(_ROWS_AT_ONCE):
            self.lengths[begin : begin + len(texts)] = [max(1, len(text.split())) for text in self._clean(texts)]
            begin += len(texts)

    def __len__(self) -> int:
        return len(self.lengths)

    def batch(self, rows: np.ndarray, length: int) -> dict[str, np.ndarray]:
        """Returns the texts of `rows` [batch], as objects; `length` has no meaning here."""
        return {self._name: np.array(self._clean(self._examples.texts(rows)), object)}

    def at(self, epoch: int) -> RawTexts:
        """The same in every epoch."""
        return self

    def rows_of(self, examples: np.ndarray) -> np.ndarray:
        """Each example is one row."""
        return examples

    def of_rows(self, values: Any) -> Any:
        """Each example is one row."""
        return values

    def describe(self, plan: BatchPlan) -> str:
        """Nothing is padded or cut before the encoder."""
        return "texts as they are"

    def findings(self) -> list[Finding]:
        """Nothing to know."""
        return []


class Variants:
    """Inputs that change from epoch to epoch: epoch e has number e modulo how many there are.

    Args:
        variants: the inputs of the same rows, rewritten.

    Attributes:
        lengths: [variants, n] int32.
    """

    def __init__(self, variants: Sequence[RowInputs]) -> None:
        self._variants = variants
        self.unit = variants[0].unit
        self.lengths = np.stack([variant.lengths for variant in variants])

    def at(self, epoch: int) -> RowInputs:
        """Returns the inputs of an epoch."""
        return self._variants[epoch % len(self._variants)]
