"""Prodigy's rows, which have the annotator's answer beside what was to be annotated."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.cells import shown

_KEYS = {"_input_hash", "_task_hash"}
ANSWER = "answer"
WHOSE = "Prodigy's answer"  # what messages call that column, which no setting names


def is_prodigy(names: Collection[str]) -> bool:
    """Returns whether these are the columns of Prodigy's rows."""
    return not _KEYS.isdisjoint(names)


def answer_column(names: Collection[str]) -> dict[str, str]:
    """Returns the column of answers with what messages call it; nothing if these are not Prodigy's, or it has none."""
    return {ANSWER: WHOSE} if is_prodigy(names) and ANSWER in names else {}


def not_accepted(answer: Any) -> Fault | None:
    """Returns the fault, SFT268, of a row that its annotator rejected or ignored, which is to be left out."""
    return None if answer in ("accept", None) else Fault("SFT268", {"answer": shown(answer)})
