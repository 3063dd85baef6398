"""Limits for archives that are not trusted: names that stay inside the folder, bounded number and size.

`wheels` and `tar_archives` unpack by these rules. Nothing from an archive is ever imported or run.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from sftkeras.errors import SFTError


@dataclass(frozen=True)
class Bounds:
    """Limits of an archive's contents."""

    files: int = 10_000
    size: int = 20 * 2**30  # bytes; weights of an encoder do not come near it, packed or unpacked
    # Text and tables seldom shrink 50 times and weights hardly at all; a bomb shrinks 1000 times.
    ratio: int = 200
    ratio_from: int = 10 * 2**20  # bytes; below it any ratio is harmless

    def excess(self, *, files: int, size: int, packed: int) -> str:
        """Says what is too much if `packed` bytes unpack to so many files and bytes; empty if nothing is."""
        if files > self.files:
            return f"{files:,} files, more than {self.files:,}"
        if size > self.size:
            return f"{size:,} bytes unpacked, more than {self.size:,}"
        if size > self.ratio_from and size > self.ratio * packed:
            return f"{packed:,} bytes would unpack to {size:,}"
        return ""


BOUNDS = Bounds()


def unsafe_reason(name: str) -> str:
    """Says why a member of this name must not be unpacked; empty if it stays inside the folder."""
    if not name or re.search(r"[\0-\x1f\x7f]", name):
        return f"member {name!r} has no name or a control character in it"
    if "\\" in name or name.startswith("/") or re.match(r"[A-Za-z]:", name):
        return f"member {name!r} has an absolute path or a backslash"
    if any(part in ("", ".", "..") for part in name.split("/")):
        return f"member {name!r} may leave the folder"
    return ""


def refuse_if(problem: str, archive: object) -> None:
    """Raises SFT316, which refuses the whole archive, unless `problem` is empty."""
    if problem:
        raise SFTError("SFT316", archive=archive, problem=problem)


def two_in_one(archive: object) -> SFTError:
    """The refusal of an archive that would write one file of this disk twice."""
    return SFTError("SFT316", archive=archive, problem="two members are one file on this disk")
