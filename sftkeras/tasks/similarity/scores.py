"""Evaluated pairs of texts: ranks of partners, or cosines against the numbers of the pairs; and the figures of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from sftkeras.evaluation.evaluated import EvaluatedRows, check_finite
from sftkeras.evaluation.statistics.metrics import Tally

RANKS = (1, 5, 10)  # the ranks from which a partner counts as found
NOTHING = -1  # in place of a row, where there is no wrong text at all

_CELLS = 4_000_000  # cosines held at once


@dataclass(frozen=True, eq=False)
class EvaluatedMatches(EvaluatedRows):
    """Pairs of related texts, and the rank of each text's partner among all second texts.

    Args:
        texts: the first text of each row.
        pairs: its partner.
        places: file name and 1-based line of each row.
        cosines: `[rows]` float, of each text and its partner.
        ranks: `[rows]` int from 1: the partner's, by cosine. A wrong text that is as near stands before it.
        nearest: `[rows]` int, the row of the nearest wrong text; `NOTHING` if there is none.
        nearest_cosines: `[rows]` float, the cosine of the nearest wrong text.
        candidates: how many different second texts there are.

    Raises:
        SFTError: SFT602 for no rows.
    """

    pairs: Sequence[str]
    cosines: np.ndarray
    ranks: np.ndarray
    nearest: np.ndarray
    nearest_cosines: np.ndarray
    candidates: int

    def in_words(self, row: int) -> tuple[str, str]:
        """The partner of a row's text, and the second text that is nearest to it."""
        is_right = self.ranks[row] == 1
        return self.pairs[row], self.pairs[row if is_right else self.nearest[row]]

    def with_vectors(self, first: Any, second: Any) -> EvaluatedMatches:
        """Returns the same rows with the vectors of another model, see `find_matches`."""
        return find_matches({"texts": self.texts, "pairs": self.pairs, "places": self.places}, first, second)


@dataclass(frozen=True, eq=False)
class EvaluatedScores(EvaluatedRows):
    """Pairs of texts with a number each, and the cosines of their vectors.

    Args:
        texts: the first text of each row.
        pairs: the second one.
        places: file name and 1-based line of each row.
        truth: `[rows]` float.
        cosines: `[rows]` float.
        lowest: the number that stands for a cosine of 0.
        highest: the number that stands for a cosine of 1.

    Raises:
        SFTError: SFT602 for no rows.
    """

    pairs: Sequence[str]
    truth: np.ndarray
    cosines: np.ndarray
    lowest: float
    highest: float

    @property
    def predictions(self) -> np.ndarray:
        """`[rows]` float: the cosines in the unit of the truth."""
        return self.lowest + self.cosines * (self.highest - self.lowest)

    def in_words(self, row: int) -> tuple[str, str]:
        """The truth and the answer of a row, for people."""
        return f"{self.truth[row]:g}", f"{self.predictions[row]:.3g}"

    def with_vectors(self, first: Any, second: Any) -> EvaluatedScores:
        """Returns the same rows with the vectors of another model."""
        return replace(self, cosines=row_cosines(first, second))


def checked_vectors(rows: dict[str, Any], vectors: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Takes apart the vectors that a model gave.

    Args:
        rows: texts, pairs and places.
        vectors: `[rows, 2, hidden]` float, of both texts, of length one.

    Returns:
        `[rows, hidden]` of the first texts, and of the second ones.

    Raises:
        SFTError: SFT603 for vectors that are not finite.
    """
    check_finite(vectors, rows["places"])
    return vectors[:, 0], vectors[:, 1]


def find_matches(rows: dict[str, Any], first: Any, second: Any) -> EvaluatedMatches:
    """Ranks all different second texts for each first text.

    What belongs to a text by another row is no wrong answer, and is left out. Texts are equal if they are but for case
    and outer spaces.

    Args:
        rows: texts, pairs and places.
        first: `[rows, hidden]`, the vectors of the texts, of length one or zero; NumPy or sparse.
        second: those of the second texts.
    """
    _, some_row, candidate = np.unique(_comparable(rows["pairs"]), return_index=True, return_inverse=True)
    partners: dict[str, list[int]] = {}  # of each text, candidates
    texts = _comparable(rows["texts"]).tolist()
    for text, number in zip(texts, candidate.tolist(), strict=True):
        partners.setdefault(text, []).append(number)
    count = len(texts)
    own, nearest_cosines = np.empty(count, np.float32), np.empty(count, np.float32)
    ranks, nearest = np.empty(count, np.int64), np.empty(count, np.int64)
    step = max(1, _CELLS // len(some_row))
    for begin in range(0, count, step):
        block = slice(begin, min(begin + step, count))
        cosines = _dense(first[block] @ second[some_row].T)  # [block, candidates]
        own[block] = cosines[np.arange(len(cosines)), candidate[block]]
        for row, text in enumerate(texts[block]):
            cosines[row, partners[text]] = -np.inf
        ranks[block] = 1 + (cosines >= own[block, np.newaxis]).sum(axis=1)
        nearest_cosines[block] = cosines.max(axis=1)
        nearest[block] = np.where(np.isneginf(nearest_cosines[block]), NOTHING, some_row[cosines.argmax(axis=1)])
    return EvaluatedMatches(
        **rows,
        cosines=own,
        ranks=ranks,
        nearest=nearest,
        nearest_cosines=nearest_cosines,
        candidates=len(some_row),
    )


def match_tally(evaluated: EvaluatedMatches) -> Tally:
    """Gives the additive facts of each row, and the figures of their sums."""
    from scipy.sparse import csr_array

    found = [evaluated.ranks <= rank for rank in RANKS]
    facts = np.stack([*found, 1 / evaluated.ranks], axis=1).astype(np.float64)

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        names = [*(f"recall_at_{rank}" for rank in RANKS), "mrr"]
        return dict(zip(names, np.moveaxis(sums / len(evaluated), -1, 0), strict=True))

    return Tally(csr_array(facts), figures)


def score_tally(evaluated: EvaluatedScores) -> Tally:
    """Gives the additive facts of each row, and the figures of their sums.

    Ranks are those among all rows, also where rows are resampled: ranking each sample anew changes very little.
    """
    from scipy.sparse import csr_array
    from scipy.stats import rankdata

    columns = {
        "spearman": (rankdata(evaluated.truth), rankdata(evaluated.cosines)),
        "pearson": (evaluated.truth.astype(np.float64), evaluated.cosines.astype(np.float64)),
    }
    facts = []
    for pair in columns.values():
        truth, predictions = (_standardised(column) for column in pair)
        facts += [truth, predictions, truth**2, predictions**2, truth * predictions]

    def figures(sums: np.ndarray) -> dict[str, np.ndarray]:
        means = np.moveaxis(sums / len(evaluated), -1, 0)
        return {name: _correlation(*means[5 * at : 5 * at + 5]) for at, name in enumerate(columns)}

    return Tally(csr_array(np.stack(facts, axis=1)), figures)


def _standardised(column: np.ndarray) -> np.ndarray:
    """Centred and scaled, so that sums of squares neither cancel nor overflow."""
    centred = column - column.mean()
    return centred / max(float(np.abs(centred).max()), 1e-300)


def _correlation(
    truth: np.ndarray, predictions: np.ndarray, truth2: np.ndarray, predictions2: np.ndarray, both: np.ndarray
) -> np.ndarray:
    """From means; not a number where one of the two does not vary."""
    spread = np.maximum(truth2 - truth**2, 0) * np.maximum(predictions2 - predictions**2, 0)
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(spread > 1e-24, np.clip((both - truth * predictions) / np.sqrt(spread), -1, 1), np.nan)


def row_cosines(first: Any, second: Any) -> np.ndarray:
    """Gives the cosine of each row's two vectors of length one, `[rows]`."""
    products = first.multiply(second) if hasattr(first, "multiply") else first * second
    return np.asarray(products.sum(axis=1)).ravel()


def _dense(cosines: Any) -> np.ndarray:
    return cosines.toarray() if hasattr(cosines, "toarray") else cosines


def _comparable(texts: Sequence[str]) -> np.ndarray:
    return np.array([text.strip().lower() for text in texts], object)
