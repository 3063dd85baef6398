"""Records for a terminal, for a pipe, and where rows are empty. Imports no TensorFlow."""

from __future__ import annotations

import io
import sys
from collections.abc import Iterable

from rich.console import Console

from sftkeras.prediction.files import json_line
from sftkeras.tasks.predictions import Predictions, Record


def print_records(records: Iterable[Record], predictions: Predictions) -> None:
    """Prints records as soon as they are there: as lines to read on a terminal, as JSON Lines elsewhere."""
    if sys.stdout.isatty():
        _show(records, predictions, Console(highlight=False))
        return
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(encoding="utf-8")  # JSON Lines are, whatever the terminal is set to
    for record in records:
        sys.stdout.write(json_line(record))
        sys.stdout.flush()  # the reader of the pipe may be waiting


def _show(records: Iterable[Record], predictions: Predictions, console: Console) -> None:
    for record in records:
        line = predictions.line(record)
        console.print(line, soft_wrap=not line.no_wrap)
