"""Replay: training rows of earlier runs, some of which come beside a run's own rows in each epoch."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from sftkeras.data.storage.joined import LearnedRows, joined
from sftkeras.errors import SFTError
from sftkeras.plurals import counted


class Replay(NamedTuple):
    """The rows that are replayed.

    Attributes:
        pool: their numbers among all rows, [n] int32; None replays nothing.
        drawn: how many of them an epoch has.
        note: the same in words.
    """

    pool: np.ndarray | None = None
    drawn: int = 0
    note: str = ""


def with_replay(
    share: float, own: LearnedRows, earlier: Sequence[LearnedRows], runs: Sequence[str]
) -> tuple[LearnedRows, Replay]:
    """Join a run's rows with those that it replays.

    Args:
        share: of an epoch's rows that are replayed: so many, or all that there are.
        own: the run's rows.
        earlier: the rows of earlier runs.
        runs: the folders of these.

    Raises:
        SFTError: SFT467 if there are none to replay.
    """
    if not share:
        return own, Replay()
    if not sum(len(rows.rows) for rows in earlier):
        raise SFTError("SFT467")
    rows, pool = joined([own, *earlier])
    drawn = min(len(pool), max(1, round(share / (1 - share) * len(own.rows))))
    of = "all" if drawn == len(pool) else f"{drawn:,} of"
    note = f"Replayed in an epoch: {of} {counted(len(pool), 'training row')} of {', '.join(runs)}."
    return rows, Replay(pool, drawn, note)
