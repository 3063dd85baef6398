"""The catalogue of coded errors: what is wrong, where, and what to do about it.

Every failure a user can cause or meet has a code here. Code raises `SFTError("SFT210", column="text", ...)`; the
commands print it as one line and end with exit code 2. Imports nothing but the standard library.

Ranges, one module each: 1xx configuration, commands and environment; 2xx data; 3xx handles and backbones; 4xx training;
5xx export and loading of exports; 6xx evaluation and prediction; 7xx serving.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterable

from sftkeras.errors import configuration, data, evaluation, exporting, models, serving, training

CATALOGUE: dict[str, str] = {
    **configuration.MESSAGES,
    **data.MESSAGES,
    **models.MESSAGES,
    **training.MESSAGES,
    **exporting.MESSAGES,
    **evaluation.MESSAGES,
    **serving.MESSAGES,
}


class SFTError(Exception):
    """A failure with a code, a place and a remedy, shown to the user as one line.

    Args:
        code: a key of `CATALOGUE`.
        **details: the values that the catalogue's text names.
    """

    exit_code = 2

    def __init__(self, code: str, **details: object) -> None:
        self.code = code
        self.details = details
        super().__init__(f"{code}  {CATALOGUE[code].format(**details)}")


class WorkerLostError(SFTError):
    """Another worker of the same training is gone. What started the workers may start them again."""

    exit_code = 1


class Preempted(KeyboardInterrupt):
    """A stop that loses nothing: the same command resumes from there."""

    exit_code = 75  # EX_TEMPFAIL of sysexits.h: try again later


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """Returns ` Did you mean "…"?` for the known word nearest to `word`, or an empty string."""
    near = difflib.get_close_matches(word, list(known), n=1, cutoff=0.6)
    return f' Did you mean "{near[0]}"?' if near else ""
