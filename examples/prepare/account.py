"""Shared parts of the scripts: where their files land, and an account of what was read, kept and skipped."""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sftkeras.disk.files import write_errors, write_text
from sftkeras.errors import SFTError


@dataclass
class Account:
    """The rows of one data set, and what became of everything that was read for them.

    Attributes:
        what: what is counted, such as "reviews".
        rows: what is kept, one JSON object each.
        left_out: how many were left out, by reason.
        notes: what else there is to say.
    """

    what: str
    rows: list[dict[str, Any]] = field(default_factory=list)
    left_out: Counter[str] = field(default_factory=Counter)
    notes: list[str] = field(default_factory=list)

    @property
    def read(self) -> int:
        """Number of rows."""
        return len(self.rows) + self.left_out.total()

    def lines(self) -> list[str]:
        """The account, to be printed."""
        labels = Counter(row["label"] for row in self.rows if "label" in row)
        reasons = [f"  left out: {count:,} {reason}" for reason, count in self.left_out.most_common()]
        by_label = [f"  by label: {', '.join(f'{label} {count:,}' for label, count in labels.most_common())}"]
        return [
            f"  {self.read:,} {self.what} read, {len(self.rows):,} kept",
            *reasons,
            *(by_label if labels else []),
            *(f"  {note}" for note in self.notes),
        ]


def run(about: str, make: Callable[[], Mapping[str, Account]]) -> int:
    """Runs a script: makes its data sets, writes each to a file of the folder `--output`, and prints the accounts.

    Args:
        about: what the script makes, for `--help`.
        make: gives the data sets by the names of their files.

    Returns:
        The exit code: 2 after an error, which is printed as one line.
    """
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--output", type=Path, default=Path("data"), help="folder for the files (default: data)")
    folder = parser.parse_args().output
    return reported(lambda: _write(make(), folder))


def reported(act: Callable[[], None]) -> int:
    """Calls `act`; an `SFTError` becomes one line on standard error and exit code 2."""
    try:
        act()
    except SFTError as error:
        print(error, file=sys.stderr)
        return error.exit_code
    return 0


def _write(accounts: Mapping[str, Account], folder: Path) -> None:
    for name, account in accounts.items():
        path = folder / name
        with write_errors(folder, "--output"):
            folder.mkdir(parents=True, exist_ok=True)
            write_text(path, "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in account.rows))
        print(path, *account.lines(), sep="\n")
