"""Plan of batches: a pure function of seed, epoch, step and the rows' lengths. Knows no tokens."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from sftkeras.data.packing import first_fit, packed_length

WINDOW = 50  # batches whose rows are sorted by length together: little padding, yet the order stays random
MULTIPLE = 8  # padded lengths are multiples of it, so that there are few shapes


class BatchPlan:
    """The batches of any epoch, found without walking there.

    With `shuffle`, an epoch's rows come in an order drawn from (seed, epoch). The order is cut into windows of some
    `WINDOW` batches; within a window, rows are sorted by length and cut into batches, and these are shuffled. Every row
    comes once an epoch, those of the pool aside; only an epoch's last batch may be smaller. Without `shuffle`, all
    epochs are equal, and rows are sorted by length throughout.

    Args:
        lengths: [n] int32, tokens of every row; or [variants, n], where epoch e has number e modulo how many there are.
        rows: the rows to plan for, always in the same order.
        batch_size: rows of a batch.
        seed: with the epoch, decides the order.
        shuffle: false for evaluation.
        group_by_length: false leaves the drawn (or given) order as it is.
        multiple: padded lengths are multiples of this.
        room: tokens of the packed rows that the rows of a batch are put into; None does not pack.
        pool: rows of which some come beside the others in an epoch that is shuffled, drawn from (seed, epoch).
        drawn: how many of these, at most all.

    Attributes:
        examples: rows of an epoch.
        steps: batches of an epoch.
        seed: as given.
    """

    def __init__(
        self,
        lengths: np.ndarray,
        rows: np.ndarray,
        batch_size: int,
        seed: int,
        shuffle: bool = True,
        group_by_length: bool = True,
        multiple: int = MULTIPLE,
        room: int | None = None,
        pool: np.ndarray | None = None,
        drawn: int = 0,
    ) -> None:
        if not len(rows) or batch_size < 1:
            raise ValueError(f"nothing to plan: {len(rows)} rows in batches of {batch_size}")
        self.examples = len(rows) + drawn
        self.steps = -(-self.examples // batch_size)
        self._lengths = np.atleast_2d(lengths)
        self._rows = np.asarray(rows, np.int32)
        self._pool, self._drawn = pool, drawn
        self._batch_size = batch_size
        self.seed = seed
        self._shuffle = shuffle
        self._group_by_length = group_by_length
        self._multiple = multiple
        self._room = room
        # Windows are equally large, so that none is too small to sort well; each ends with a whole batch.
        windows = max(1, round(self.steps / WINDOW))
        self._bounds = np.arange(windows + 1) * self.steps // windows  # first step of each window, and the end
        # One thread may prepare batches ahead of another that looks at the present one: hence two windows.
        self._epoch_order = lru_cache(maxsize=1)(self._draw_order)
        self._window = lru_cache(maxsize=2)(self._sort_window)

    def batch(self, epoch: int, step: int) -> tuple[np.ndarray, int]:
        """Returns one batch.

        Args:
            epoch: from 0.
            step: from 0, below `steps`.

        Returns:
            The rows, [batch] int32, and the length to pad them to, or the packed rows made of them, in tokens.
        """
        if not 0 <= step < self.steps:
            raise IndexError(f"step {step} of an epoch that has {self.steps}")
        if self._shuffle and self._group_by_length:
            window = int(np.searchsorted(self._bounds, step, side="right")) - 1
            rows = self._window(epoch, window)[step - self._bounds[window]]
        else:
            rows = self._epoch_order(epoch if self._shuffle else 0)[step * self._batch_size :][: self._batch_size]
        lengths = self.lengths(epoch)[rows]
        longest = int(lengths.max()) if self._room is None else packed_length(lengths, self._packs(lengths))
        return rows, -(-longest // self._multiple) * self._multiple

    def packs(self, epoch: int, step: int) -> np.ndarray | None:
        """Returns which packed row each row of a batch goes to, [batch] int32; None where rows are not packed."""
        if self._room is None:
            return None
        return self._packs(self.lengths(epoch)[self.batch(epoch, step)[0]])

    def padding(self, epoch: int = 0) -> float:
        """Returns the share of an epoch's cells that hold no token."""
        cells = tokens = 0
        for step in range(self.steps):
            rows, length = self.batch(epoch, step)
            packs = self.packs(epoch, step)
            cells += (len(rows) if packs is None else int(packs.max()) + 1) * length
            tokens += int(self.lengths(epoch)[rows].sum())
        return 1 - tokens / cells

    def lengths(self, epoch: int) -> np.ndarray:
        """Returns the length of every row in an epoch, [n] int32."""
        return self._lengths[epoch % len(self._lengths)]

    def _packs(self, lengths: np.ndarray) -> np.ndarray:
        assert self._room is not None
        return first_fit(lengths, self._room)

    def _draw_order(self, epoch: int) -> np.ndarray:
        if self._shuffle:
            random, order = np.random.default_rng([self.seed, epoch]), self._rows.copy()
            if self._pool is not None and self._drawn:
                order = np.concatenate([order, random.choice(self._pool, self._drawn, replace=False)])
            random.shuffle(order)
            return order
        if self._group_by_length:
            return self._rows[np.argsort(self.lengths(epoch)[self._rows], kind="stable")]
        return self._rows

    def _sort_window(self, epoch: int, window: int) -> list[np.ndarray]:
        first, end = int(self._bounds[window]), int(self._bounds[window + 1])
        rows = self._epoch_order(epoch)[first * self._batch_size : end * self._batch_size]
        rows = rows[np.argsort(self.lengths(epoch)[rows], kind="stable")]
        # Window + 1: NumPy seeds a generator alike from [seed, epoch] and [seed, epoch, 0].
        random = np.random.default_rng([self.seed, epoch, window + 1])
        whole, rest = divmod(len(rows), self._batch_size)
        # The epoch's smaller last batch is cut from a random place, lest it always hold the longest texts.
        cut = int(random.integers(whole + 1)) * self._batch_size if rest else 0
        last, rows = rows[cut : cut + rest], np.concatenate([rows[:cut], rows[cut + rest :]])
        batches = [rows[number * self._batch_size :][: self._batch_size] for number in random.permutation(whole)]
        return [*batches, last] if rest else batches


def length_histogram(lengths: np.ndarray, most_bins: int = 16) -> list[tuple[int, int, int]]:
    """Returns how many rows have which length: (shortest, longest, rows) of each bin, equally wide multiples of 8."""
    if not len(lengths):
        return []
    width = MULTIPLE * -(-int(lengths.max()) // (MULTIPLE * most_bins))
    rows = np.bincount((np.asarray(lengths) - 1) // width)
    return [(number * width + 1, (number + 1) * width, int(count)) for number, count in enumerate(rows)]
