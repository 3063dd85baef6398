"""Cells of labels in the forms that tools write: one label, a list of them, or zeros and ones."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.cells import cell_text, is_missing, shown, structured, zero_or_one
from sftkeras.data.labels.names import LabelNames
from sftkeras.errors import SFTError

_BARE_LIST = re.compile(r"\[([^\[\](){}\"']*)\]")  # [plot, cast], which is neither JSON nor Python
_BETWEEN_FLAGS = re.compile(r"[\s,;|]+")
_PLACES = {"start", "end", "start_offset", "end_offset"}  # of what is labelled in a text: no label of the whole
_MOST_SHOWN = 8  # places of a vector that a message writes out


def wrong_shape(column: str, found: str, expected: str, hint: str = "") -> Fault:
    """Makes the fault of a cell that holds something of another kind."""
    return Fault("SFT219", {"column": column, "found": found, "expected": expected, "hint": hint})


class LabelCells:
    """Turns cells into the numbers of their labels.

    A list of labels, or text that holds one in JSON, Python's or NumPy's form; an object of zeros and ones by label,
    such as {"POS": 1, "NEG": 0}; a vector of zeros and ones, whose places data.label_names names; Label Studio's
    {"choices": […]}; objects with a `label` each; or one label.

    Args:
        names: the labels.
        separator: stands between the labels of a cell of text; None where such a cell is one label.
    """

    def __init__(self, names: LabelNames, separator: str | None = None) -> None:
        self._names = names
        self._separator = separator
        self._width = 0  # of vectors of zeros and ones, if the cells hold them
        self._looked = False

    def look_at(self, cells: Sequence[Any]) -> None:
        """Finds out from the first cells that are not empty whether they are vectors of zeros and ones.

        Raises:
            SFTError: SFT245 if they are, and data.label_names does not say what each place stands for.
        """
        if self._looked:
            return
        filled = [found for found in map(_unpacked, cells) if not (is_missing(found) or found == [])]
        self._looked = bool(filled)
        vectors = [flags for found in filled if (flags := self._vector(found))]
        widths = Counter(map(len, vectors))
        if not filled or len(vectors) < len(filled) or (len(widths) > 1 and not any(map(_repeats, vectors))):
            return
        self._width = widths.most_common(1)[0][0]
        places = [str(place) for place in range(self._width)]
        if set(self._names.given or ()) != set(places):
            written = [f"{place}: NAME" for place in places[:_MOST_SHOWN]] + ["…"] * (self._width > _MOST_SHOWN)
            example = "'{" + ", ".join(written) + "}'"
            raise SFTError("SFT245", column=self._names.column, width=self._width, example=example)

    def numbers(self, cell: Any) -> list[int] | Fault:
        """Returns the numbers of the labels in a cell, each once, or why it holds something else."""
        found = _unpacked(cell)
        if self._width:
            return self._of_vector(found)
        if isinstance(found, dict):
            return self._of_flags(found)
        if isinstance(found, str) and self._separator is not None:
            found = _divided(found, self._separator)
        if not isinstance(found, list):
            found = [found]
        elif any(isinstance(item, (list, tuple, dict)) for item in found):
            hint = " For labels of parts of a text, set --task.kind tagging"
            return wrong_shape(self._names.column, "a list of lists or objects", "labels of whole texts", hint)
        elif (flags := self._vector(found)) and _repeats(flags):
            return self._fault(shown(found), "a list of different labels")
        return self._learned(filter(None, map(cell_text, found)))

    def _learned(self, labels: Iterable[str]) -> list[int] | Fault:
        numbers: dict[int, None] = {}
        for label in labels:
            number = self._names.learn(label)
            if isinstance(number, Fault):
                return number
            numbers[number] = None
        return list(numbers)

    def _of_vector(self, cell: Any) -> list[int] | Fault:
        if is_missing(cell) or cell == []:
            return []
        flags = self._vector(cell)
        if flags is None or len(flags) != self._width:
            return self._fault(shown(cell), f"a list of {self._width} zeros and ones")
        return self._of_flags({str(place): has for place, has in enumerate(flags)})

    def _of_flags(self, cell: dict[Any, Any]) -> list[int] | Fault:
        labels = []
        for label, value in cell.items():
            has = zero_or_one(value)
            if has is None:
                return self._fault("nothing" if is_missing(value) else shown(value), "0 or 1", f" for {label}")
            if has:
                labels.append(str(label))
            elif self._names.open:  # a label that no row has is one all the same
                self._names.learn(str(label))
        return self._learned(labels)

    def _vector(self, cell: Any) -> list[bool] | None:
        """The zeros and ones of a list, or of text where a cell may have several labels; None for anything else."""
        if isinstance(cell, str) and self._separator is not None:
            cell = _BETWEEN_FLAGS.split(cell.strip(" \t\r\n[]()"))
        if not isinstance(cell, list) or len(cell) < 2:
            return None
        flags = [zero_or_one(item) for item in cell]
        return None if None in flags else flags  # type: ignore[return-value]

    def _fault(self, found: str, expected: str, where: str = "") -> Fault:
        return Fault("SFT244", {"found": found + where, "column": self._names.column, "what": expected})


def _repeats(flags: list[bool]) -> bool:
    """Whether zeros and ones are no two different labels."""
    return len(set(flags)) < len(flags)


def _unpacked(cell: Any) -> Any:
    """A list of labels, an object of zeros and ones, or a single label as it is."""
    found = structured(cell)
    if isinstance(found, dict):
        choices = found.get("choices")
        return choices if isinstance(choices, list) else found
    if isinstance(found, (list, tuple, set, frozenset)):
        named = all(isinstance(item, dict) and "label" in item and _PLACES.isdisjoint(item) for item in found)
        return [item["label"] for item in found] if named else list(found)
    return cell


def _divided(text: str, separator: str) -> list[str]:
    if (bare := _BARE_LIST.fullmatch(text.strip())) and (separator == "," or separator not in text):
        return bare[1].split(",")
    return text.split(separator)
