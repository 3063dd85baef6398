"""Names that settings give and data has: text, whatever a reader of numbers or of YAML would make of them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, TypeVar

Value = TypeVar("Value")

_WHOLE = re.compile(r"-?\d+")
_WITH_POINT = re.compile(r"(-?\d+)\.0+")


def by_name(values: Mapping[Any, Value]) -> dict[str, Value]:
    """Returns a mapping whose keys are text, as cells of data are: `1` for the number and `true` for the truth."""
    return {name_of(key): value for key, value in values.items()}


def name_of(value: Any) -> str:
    """Returns a name as text."""
    return str(value).lower() if isinstance(value, bool) else str(value)


def other_writing(name: str) -> str | None:
    """Returns how a whole number may be written too, `1` for `1.0` and `1.0` for `1`; None for what is none.

    Tables with gaps have whole numbers with a point: the same label may be 1 in one file and 1.0 in another.
    """
    if found := _WITH_POINT.fullmatch(name):
        return found[1]
    return f"{name}.0" if _WHOLE.fullmatch(name) else None
