"""A copy of the package in which docs/extending.md was followed to the letter."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

ROOT = Path(__file__).parents[2]
_BLOCK = re.compile(r"^```python\n# (in )?(\S+?\.py)(?:, (\w+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


def blocks() -> list[tuple[bool, str, str, str]]:
    """The blocks of code that the guide adds: whether inside of a file, the file, the table there, the code."""
    found = _BLOCK.findall((ROOT / "docs" / "extending.md").read_text("utf-8"))
    return [(bool(inside), file, table, code) for inside, file, table, code in found]


def write_extended(folder: Path) -> None:
    """Copies the package into `folder`, with the files of the guide and the lines that register them."""
    shutil.copytree(ROOT / "sftkeras", folder / "sftkeras")
    for inside, file, table, code in blocks():
        path = folder / file
        if inside:
            path.write_text(_with_line(path.read_text("utf-8"), table, code), encoding="utf-8")
        else:
            assert not path.exists(), f"{file} is there already: the guide needs another example"
            path.parent.mkdir(exist_ok=True)
            path.write_text(code, encoding="utf-8")


def _with_line(source: str, table: str, line: str) -> str:
    """Adds a line at the beginning of a table."""
    changed, places = re.subn(rf"^{table}\b.* = [{{(]\n", lambda found: found[0] + line, source, flags=re.MULTILINE)
    assert places == 1, f"{table} is no longer where the guide says"
    return changed
