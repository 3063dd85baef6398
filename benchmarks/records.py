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

from sftkeras.processor import cpuinfo, processor

Rows = tuple[list[str], list[list[str]]]
"""A table: its columns, and its rows."""

FEATURES = ("avx2", "avx512f", "avx512_vnni", "avx512_bf16", "amx_bf16", "amx_int8")


def now() -> str:
    return datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds")


def machine() -> dict[str, Any]:
    return {
        "processor": processor(),
        "features": features(),
        "cores": psutil.cpu_count(logical=False) or os.cpu_count(),
        "threads": psutil.cpu_count(),
        "memory": psutil.virtual_memory().total,
        "system": platform.platform(terse=True),
        "load_at_the_end": os.getloadavg()[0],
    }


def features() -> list[str]:
    """Instructions of the processor that matter to matrix products."""
    flags = cpuinfo().get("flags", "").split()
    return [flag for flag in FEATURES if flag in flags]


def shown_machine(record: dict[str, Any]) -> str:
    """When and where a record was made."""
    at = record["machine"]
    named = " ".join([at["processor"], *at["features"]])
    others = f" Other processes used {record['others']:.0%} of the processor." if "others" in record else ""
    return f"{record['when'][:10]}, {named}, {at['cores']} cores, {at['memory'] / 2**30:.0f} GiB.{others}"


def keep_and_show(record: dict[str, Any], folder: Path, name: str, about: str, tables: list[Rows]) -> None:
    """Appends the record to NAME.jsonl, writes the tables of the latest to NAME.md, and prints them."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / f"{name}.jsonl").open("a", encoding="utf-8") as file:
        file.write(json.dumps(record) + "\n")
    text = "\n\n".join([about, *map(markdown, tables)])
    (folder / f"{name}.md").write_text(text + "\n", encoding="utf-8")
    show(about, tables)


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


def mean(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.mean(known) if known else None


def deviation(values: list[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.stdev(known) if len(known) > 1 else None
