"""Reports with pictures that are drawn once: their own tests look at them, and drawing takes as long as all else."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from unittest import mock

from matplotlib.figure import Figure

from sftkeras.evaluation import pictures


@contextmanager
def drawn_once() -> Iterator[None]:
    """Within it, the first picture of each format is drawn and stands for all."""
    stock, drawn = pictures._saved, {}

    def saved(figure: Figure, **options: Any) -> bytes:
        if options["format"] not in drawn:
            drawn[options["format"]] = stock(figure, **options)
        return drawn[options["format"]]

    with mock.patch.object(pictures, "_saved", saved):
        yield
