"""Shared parts of the comparisons: the machine they ran on, their records and their tables. What is measured
stands in each of them."""

from __future__ import annotations

import datetime
import json
import os
import platform
import statistics
from pathlib import Path
from typing import Any

import psutil
from rich.console import Console
from rich.table import Table

Rows = tuple[list[str], list[list[str]]]
"""A table: its columns, and its rows."""


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def machine() -> dict[str, Any]:
    return {
        "processor": processor(),
        "cores": psutil.cpu_count(logical=False) or os.cpu_count(),
        "threads": psutil.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "system": platform.platform(terse=True),
        "load_at_the_end": os.getloadavg()[0],
    }


def processor() -> str:
    """The processor's model, with the instructions that matter to matrix products."""
    file = Path("/proc/cpuinfo")
    if not file.exists():
        return platform.processor() or platform.machine()
    lines = dict(line.split(":", 1) for line in file.read_text().splitlines() if ":" in line)
    values = {name.strip(): value.strip() for name, value in lines.items()}
    flags = values.get("flags", "").split()
    known = [flag for flag in ("avx2", "avx512f", "avx512_vnni", "amx_tile") if flag in flags]
    return " ".join([values.get("model name", platform.machine()), *known])


def shown_machine(record: dict[str, Any]) -> str:
    """When and where a record was made."""
    at = record["machine"]
    return f"{record['when'][:10]}, {at['processor']}, {at['cores']} cores, {at['memory'] / 2**30:.0f} GiB."


def keep(record: dict[str, Any], folder: Path, name: str, about: str, tables: list[Rows]) -> None:
    """Appends the record to NAME.jsonl and writes the tables of the latest to NAME.md."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    text = "\n\n".join([about, *map(markdown, tables)])
    (folder / f"{name}.md").write_text(text + "\n", encoding="utf-8")


def show(about: str, tables: list[Rows]) -> None:
    console = Console(width=140, highlight=False)
    console.print(about, markup=False)
    for columns, rows in tables:
        table = Table(*columns)
        for row in rows:
            table.add_row(*row)
        console.print(table)


def markdown(table: Rows) -> str:
    columns, rows = table
    lines = [columns, ["---"] + ["---:"] * (len(columns) - 1), *rows]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def shown(value: float | None, form: str, unit: str = "", *, before: str = "", missing: str = "-") -> str:
    return missing if value is None else f"{before}{value:{form}}{unit}"


def ratio(part: float | None, whole: float | None) -> float | None:
    return part / whole if part is not None and whole else None


def difference(ours: float | None, theirs: float | None) -> float | None:
    """In points: hundredths."""
    return 100 * (ours - theirs) if ours is not None and theirs is not None else None


def mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known else None


def deviation(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) > 1 else None
