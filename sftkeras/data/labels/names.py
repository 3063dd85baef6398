"""The names of labels: found in the data or given beforehand, each with its number."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

import numpy as np

from sftkeras.config import other_writing
from sftkeras.data.checks.findings import Fault
from sftkeras.errors import SFTError, did_you_mean

MOST_LABELS = 10_000  # a column of more different labels is hardly one of labels


class LabelNames:
    """The names of the labels in the order they were first seen, and why a value has none.

    Args:
        column: the name of the label column, for messages.
        label_names: names for raw values; None keeps the values.
        known: the only labels there may be, in the order of their ids; None learns them.

    Attributes:
        ids: the number of each name.
        given: `label_names`.
        open: whether new names are learned.

    Raises:
        SFTError: SFT102 if a name that is given is empty.
    """

    def __init__(self, column: str, label_names: Mapping[str, str] | None, known: Sequence[str] | None) -> None:
        if nameless := [value for value, name in (label_names or {}).items() if not name.strip()]:
            raise SFTError("SFT102", flag="--data.label_names", problem=f'"{nameless[0]}" gets an empty name.')
        self.column = column
        self.ids: dict[str, int] = {name: number for number, name in enumerate(known or ())}
        self.given = label_names
        self.open = known is None

    def learn(self, value: str) -> int | Fault:
        """Returns the id of a raw value, a new one if need be, or the fault that it has none."""
        if not value.isprintable() and any("\ud800" <= letter <= "\udfff" for letter in value):
            return Fault("SFT207", {"found": f"in column {self.column}"})
        name = value
        if self.given is not None:
            if (raw := _as_known(value, self.given)) is None:
                return Fault("SFT215", {"label": f'"{value}"', "known": _listed(self.given)})
            name = self.given[raw]
        if name in self.ids:
            return self.ids[name]
        if not self.open:
            if (writing := _as_known(name, self.ids)) is not None:
                return self.ids[writing]
            details = {"label": f'"{name}"', "known": _listed(self.ids), "suggestion": did_you_mean(name, self.ids)}
            return Fault("SFT214", details)
        if len(self.ids) == MOST_LABELS:
            examples = ", ".join(f'"{name[:30]}"' for name in list(self.ids)[:3])
            raise SFTError("SFT229", column=self.column, flag="--data.label", limit=MOST_LABELS, examples=examples)
        self.ids[name] = len(self.ids)
        return self.ids[name]

    def sorted(self) -> tuple[tuple[str, ...], np.ndarray]:
        """Returns the final names, and the final id of each first-seen id.

        Names are sorted, as numbers if all of them are whole numbers; known names keep their order. Where the data has
        both 1 and 1.0, they are one label, 1.
        """
        if not self.open:
            return tuple(self.ids), np.arange(len(self.ids), dtype=np.int32)
        one_name = {name: _plainer(name, self.ids) for name in self.ids}
        names = sorted(set(one_name.values()))
        if all(name.isdecimal() for name in names):
            names.sort(key=int)
        final = {name: number for number, name in enumerate(names)}
        return tuple(names), np.array([final[name] for name in one_name.values()], np.int32)


def _as_known(value: str, known: Collection[str]) -> str | None:
    """The writing of a value that is among the known ones: its own, or 1 for 1.0 and the other way round."""
    return next((writing for writing in (value, other_writing(value)) if writing in known), None)


def _plainer(name: str, names: Collection[str]) -> str:
    """1 for 1.0 where both are labels, else the name itself."""
    other = other_writing(name)
    return other if other is not None and other in names and len(other) < len(name) else name


def _listed(names: Mapping[str, Any]) -> str:
    return ", ".join(list(names)[:10]) + (", …" if len(names) > 10 else "")
