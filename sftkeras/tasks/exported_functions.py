"""The functions of an exported version, as a task calls them to evaluate it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    import numpy as np


class ExportedFunctions(NamedTuple):
    """An exported version whose functions can be called.

    Attributes:
        run: a signature's name, and inputs by their names → outputs by their names.
        facts: what `Generating.facts` were; None if it does not generate.
        max_length: tokens that a row of training had at most.
    """

    run: Callable[[str, Mapping[str, Any]], Mapping[str, np.ndarray]]
    facts: Mapping[str, Any] | None
    max_length: int | None
