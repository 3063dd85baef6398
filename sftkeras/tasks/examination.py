"""The result of a task's own check of the data."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from sftkeras.data import Finding


class Examination(NamedTuple):
    """Findings of a task's own check of the data, before anything is loaded.

    Attributes:
        title: of what is printed.
        statements: what is so if no finding has one of the codes.
        findings: errors among them stop the run.
        shown: samples of the data as the model will see it, to be printed.
    """

    title: str
    statements: Mapping[str, frozenset[str]]
    findings: Sequence[Finding]
    shown: Sequence[Any]
