"""The figures of one report on resampled test rows, kept beside it: what pairs it with other reports on the same rows.

The draws depend on the rows alone. Two models that were evaluated on the same rows so saw the same draws, whatever
their seeds are, and the differences between their figures are paired. Of other rows, the draws are independent.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sftkeras.evaluation.statistics.bootstrap import resample
from sftkeras.evaluation.statistics.metrics import Tally

FILE = "resampled.npz"
DRAWS = 1000
_FORMAT = 1


@dataclass(frozen=True, eq=False)
class Resampled:
    """Figures of one model on resampled test rows.

    Attributes:
        rows: the fingerprint of the test rows, in hexadecimal digits.
        figures: of each figure, its value on each draw, [DRAWS] float.
    """

    rows: str
    figures: dict[str, np.ndarray]

    @classmethod
    def of(cls, tally: Tally, rows: str) -> Resampled:
        """Computes the figures on draws that are decided by the fingerprint of the rows."""
        [figures] = resample([tally], DRAWS, int(rows[:16], 16))
        return cls(rows, figures)

    def to_bytes(self) -> bytes:
        """Returns the content of the file."""
        buffer = io.BytesIO()
        values = np.stack(list(self.figures.values())).astype(np.float32)  # intervals are far wider than its rounding
        np.savez(buffer, format=_FORMAT, rows=self.rows, names=np.array(list(self.figures)), values=values)
        return buffer.getvalue()


def read_resampled(folder: Path) -> Resampled | None:
    """Reads the file of a report's folder; None if there is none that this version understands."""
    try:
        with np.load(folder / FILE, allow_pickle=False) as file:
            if int(file["format"]) != _FORMAT or file["values"].shape != (len(file["names"]), DRAWS):
                return None
            return Resampled(str(file["rows"]), dict(zip(file["names"].tolist(), file["values"], strict=True)))
    except (OSError, EOFError, ValueError, KeyError, zipfile.BadZipFile):
        return None
