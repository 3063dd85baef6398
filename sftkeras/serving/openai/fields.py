"""The arguments of a request: read by name, checked, and refused in OpenAI's words where they are wrong.

An argument that is `null` counts as left out. One that no route reads is refused, so that nothing a caller asks for is
ignored in silence.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from sftkeras.serving.openai.errors import RequestError

# Names and values that messages repeat are cut to this.
_LONGEST_SHOWN = 100  # characters

_TYPES = ((bool, "a boolean"), (str, "a string"), (int, "an integer"), (float, "a decimal"), (list, "an array"))


class Fields:
    """The arguments of a request, or the members of an object within it.

    Every method returns the default for an argument that is left out, and raises `RequestError` for one that is wrong.

    Args:
        values: the object as it was sent.
        place: where it stands, such as "messages[0]."; "" for the request itself.
    """

    def __init__(self, values: Mapping[str, Any], place: str = "") -> None:
        self._values, self._place = values, place
        self._read: set[str] = set()

    def name(self, field: str) -> str:
        """Return what messages call an argument."""
        return self._place + field

    def given(self, field: str) -> Any:
        """Return an argument of any type, None if it is left out."""
        self._read.add(field)
        return self._values.get(field)

    def required(self, field: str) -> Any:
        """Return an argument of any type that must be there."""
        value = self.given(field)
        if value is None:
            name = self.name(field)
            message = f"Missing required parameter: '{name}'."
            raise RequestError(message, param=name, reason="missing_required_parameter")
        return value

    def inside(self, field: str) -> Fields:
        """Return the members of an object that must be there."""
        return self.members(field, self.required(field))

    def members(self, place: str, value: Any) -> Fields:
        """Return the members of a value that must be an object, such as the one at "tools[0]"."""
        if not isinstance(value, dict):
            raise self.wrong_type(place, "an object", value)
        return Fields(value, f"{self.name(place)}.")

    def function(self) -> Fields:
        """Return the members of `function` where `type` must be "function", and nothing else may stand beside them."""
        self.required("type")
        self.choice("type", ("function",))
        function = self.inside("function")
        self.end()
        return function

    def text(self, field: str) -> str:
        """Return a string that must be there and not be empty."""
        value = self.required(field)
        if not isinstance(value, str):
            raise self.wrong_type(field, "a string", value)
        if not value:
            message = f"Invalid '{self.name(field)}': empty string. Expected a string with minimum length 1."
            raise RequestError(message, param=self.name(field), reason="empty_string")
        return value

    def optional_text(self, field: str) -> str | None:
        """Return a string."""
        value = self.given(field)
        if value is not None and not isinstance(value, str):
            raise self.wrong_type(field, "a string", value)
        return value

    def choice(self, field: str, choices: Iterable[str]) -> str | None:
        """Return one of some strings."""
        value = self.given(field)
        if value is None:
            return None
        if not isinstance(value, str):
            raise self.wrong_type(field, "a string", value)
        known = tuple(choices)
        if value not in known:
            listed = ", ".join(f"'{one}'" for one in known)
            message = f"Invalid value: '{cut(value)}'. Supported values are: {listed}."
            raise RequestError(message, param=self.name(field), reason="invalid_value")
        return value

    def flag(self, field: str) -> bool:
        """Return a boolean, which is false if left out."""
        value = self.given(field)
        if value is None:
            return False
        if not isinstance(value, bool):
            raise self.wrong_type(field, "a boolean", value)
        return value

    def integer(self, field: str, lowest: int, highest: int) -> int | None:
        """Return an integer within bounds."""
        value = self.given(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int):
            raise self.wrong_type(field, "an integer", value)
        self._check_bounds(field, value, lowest, highest, "integer")
        return value

    def decimal(self, field: str, lowest: float, highest: float) -> float | None:
        """Return a finite number within bounds."""
        value = self.given(field)
        if value is None:
            return None
        if isinstance(value, bool) or not isinstance(value, int | float) or not _is_finite(value):
            raise self.wrong_type(field, "a decimal", value)
        self._check_bounds(field, value, lowest, highest, "decimal")
        return float(value)

    def unsupported(self, field: str) -> None:
        """Refuse an argument that is of no use here, unless its value asks for nothing: 0, false or empty."""
        if self.given(field):
            name = self.name(field)
            message = f"Unsupported parameter: '{name}' is not supported by this server."
            raise RequestError(message, param=name, reason="unsupported_parameter")

    def end(self) -> None:
        """Refuse arguments that have not been read."""
        for field in self._values:
            if field not in self._read:
                name = self.name(cut(field))
                raise RequestError(f"Unknown parameter: '{name}'.", param=name, reason="unknown_parameter")

    def wrong_type(self, field: str, expected: str, value: Any) -> RequestError:
        """Return the error for an argument of another type."""
        name = self.name(field)
        message = f"Invalid type for '{name}': expected {expected}, but got {_type_of(value)} instead."
        return RequestError(message, param=name, reason="invalid_type")

    def _check_bounds(self, field: str, value: float, lowest: float, highest: float, kind: str) -> None:
        if lowest <= value <= highest:
            return
        name = self.name(field)
        side, sign, bound = ("below min", ">=", lowest) if value < lowest else ("above max", "<=", highest)
        message = f"Invalid '{name}': {kind} {side}imum value. Expected a value {sign} {bound}, but got {cut(value)}."
        raise RequestError(message, param=name, reason=f"{kind}_{side.replace(' ', '_')}_value")


def cut(value: Any) -> str:
    """Return a value as messages show it, cut if it is long."""
    if isinstance(value, int) and value.bit_length() > _LONGEST_SHOWN:
        return "a number of many digits"  # of which Python refuses to write more than 4,300
    text = str(value)
    return text if len(text) <= _LONGEST_SHOWN else text[:_LONGEST_SHOWN] + "…"


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # an integer that no float can be
        return False


def _type_of(value: Any) -> str:
    if value is None:
        return "null"
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    return next((name for kind, name in _TYPES if isinstance(value, kind)), "an object")
