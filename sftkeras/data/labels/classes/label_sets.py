"""The strata of rows with several labels each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from sftkeras.data.split import rows_of_each

_RARE_SET = 10  # label sets with fewer rows are pooled with others that share their rarest label


def strata_of_sets(set_ids: np.ndarray, sets: Sequence[tuple[int, ...]]) -> np.ndarray:
    """Returns one stratum for each frequent label set, and for the others one for each rarest label, [n] int32."""
    rows = rows_of_each(set_ids, len(sets))
    frequency: dict[int, int] = {}
    for count, labels in zip(rows.tolist(), sets, strict=True):
        for label in labels:
            frequency[label] = frequency.get(label, 0) + count
    pools: dict[object, int] = {}
    stratum = np.empty(len(sets), np.int32)
    for number, (count, labels) in enumerate(zip(rows.tolist(), sets, strict=True)):
        rare = count < _RARE_SET and labels
        key = ("rarest", min(labels, key=lambda label: (frequency[label], label))) if rare else ("set", number)
        stratum[number] = pools.setdefault(key, len(pools))
    return stratum[set_ids]
