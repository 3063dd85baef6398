"""What is evaluated: the answers of a model on labelled rows, with the truth, checked. Figures are made elsewhere."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from sftkeras.config import LabelKind
from sftkeras.errors import SFTError

# How far the probabilities of a row may be from a sum of one: float32 rounding over thousands of labels stays below.
SUM_TOLERANCE = 1e-3


@dataclass(frozen=True, eq=False)
class EvaluatedRows:
    """Answers of a model on labelled rows, with the truth.

    Args:
        kind: `"class"` (one label a text), `"classes"` (none, one or several), `"number"`.
        label_names: one name a label; `()` for numbers.
        texts: the text of each row.
        pairs: the second text of each row, or None.
        places: file name and 1-based line of each row.
        truth: `[rows]` int label numbers | `[rows, labels]` 0 or 1 | `[rows]` float.
        answers: `[rows, labels]` float probabilities | the same | `[rows]` float.
        thresholds: `[labels]` float, the probability from which a label is given (`"classes"` only); None takes 0.5.

    Raises:
        SFTError: SFT601 for shapes that do not fit, SFT602 for no rows, SFT603 for answers that are not finite,
            SFT604 for a truth that is no label, SFT605 for answers that are no probabilities.
    """

    kind: LabelKind
    label_names: tuple[str, ...]
    texts: Sequence[str]
    pairs: Sequence[str] | None
    places: Sequence[tuple[str, int]]
    truth: np.ndarray
    answers: np.ndarray
    thresholds: np.ndarray | None = None

    def __post_init__(self) -> None:
        self._check_shapes()
        if not len(self):
            raise SFTError("SFT602")
        self._check_answers()
        self._check_truth()

    def __len__(self) -> int:
        return len(self.truth)

    @property
    def given(self) -> np.ndarray:
        """What the model decided: `[rows]` label numbers | `[rows, labels]` bool | `[rows]` numbers."""
        if self.kind == "class":
            return self.answers.argmax(axis=1)
        if self.kind == "classes":
            return self.answers >= self.label_thresholds
        return self.answers

    @property
    def label_thresholds(self) -> np.ndarray:
        """`[labels]` float: the probability from which each label is given."""
        if self.thresholds is None:
            return np.full(len(self.label_names), 0.5)
        return np.asarray(self.thresholds)

    def in_words(self, row: int) -> tuple[str, str]:
        """The truth and the answer of a row, for people."""
        return self._word(self.truth[row]), self._word(self.given[row])

    def _word(self, value: Any) -> str:
        if self.kind == "number":
            return f"{value:g}"
        if self.kind == "class":
            return self.label_names[value]
        return ", ".join(self.label_names[number] for number in np.flatnonzero(value)) or "none"

    def with_answers(self, answers: np.ndarray) -> EvaluatedRows:
        """Returns the same rows with the answers of another model, whose thresholds are 0.5."""
        return EvaluatedRows(self.kind, self.label_names, self.texts, self.pairs, self.places, self.truth, answers)

    def _check_shapes(self) -> None:
        rows, labels = len(self.truth), len(self.label_names)
        row_shape = (rows, labels)
        expected = {
            "truth": (self.truth, row_shape if self.kind == "classes" else (rows,)),
            "answers": (self.answers, (rows,) if self.kind == "number" else row_shape),
        }
        if self.thresholds is not None:
            expected["thresholds"] = (np.asarray(self.thresholds), (labels,))
        for name, (array, shape) in expected.items():
            if array.shape != shape:
                raise SFTError("SFT601", what=name, found=array.shape, expected=shape)
        for name, column in (("texts", self.texts), ("pairs", self.pairs), ("places", self.places)):
            if column is not None and len(column) != rows:
                raise SFTError("SFT601", what=name, found=(len(column),), expected=(rows,))

    def _check_answers(self) -> None:
        bad = self._rows_where(~np.isfinite(self.answers))
        if bad.size:
            raise SFTError("SFT603", count=bad.size, total=len(self), place=self._place(bad[0]))
        if self.kind == "number":
            return
        bad = self._rows_where((self.answers < 0) | (self.answers > 1 + SUM_TOLERANCE))
        if self.kind == "class" and not bad.size:
            sums = self.answers.sum(axis=1, dtype=np.float64)
            bad = self._rows_where(np.abs(sums - 1) > SUM_TOLERANCE)
        if bad.size:
            raise SFTError("SFT605", place=self._place(bad[0]), answers=np.round(self.answers[bad[0]][:5], 4).tolist())

    def _check_truth(self) -> None:
        if self.kind == "number":
            fits = np.isfinite(self.truth)
        elif self.kind == "classes":
            fits = (self.truth == 0) | (self.truth == 1)
        else:
            fits = (self.truth >= 0) & (self.truth < len(self.label_names))
        bad = self._rows_where(~fits)
        if bad.size:
            raise SFTError("SFT604", place=self._place(bad[0]), truth=self.truth[bad[0]])

    def _rows_where(self, wrong: np.ndarray) -> np.ndarray:
        """Numbers of the rows in which anything is wrong."""
        return np.flatnonzero(wrong.reshape(len(wrong), -1).any(axis=1))

    def _place(self, row: int) -> str:
        file, line = self.places[row]
        return f"{file} line {line}"
