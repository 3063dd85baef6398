"""The reports that are compared: those of runs, and those that `evaluate` wrote."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftkeras.errors import SFTError
from sftkeras.evaluation.statistics.resampled import Resampled, read_resampled
from sftkeras.tasks import TASKS

_FILE = "report.json"
_NEEDED = {"name", "task", "label_kind", "headline", "metrics", "intervals", "examples", "config"}


@dataclass(frozen=True, eq=False)
class ComparedReport:
    """A model with its report.

    Attributes:
        name: distinguishes it from the other ones.
        folder: that of the report.
        report: what `report.json` holds.
        resampled: its figures on resampled test rows; None if the folder has none.
        is_run: whether the folder is a run's.
    """

    name: str
    folder: Path
    report: dict[str, Any]
    resampled: Resampled | None
    is_run: bool


def read_reports(folders: Sequence[str | Path]) -> list[ComparedReport]:
    """Reads the reports in some folders, all of models that can be compared.

    Raises:
        SFTError: SFT618 for fewer than two folders, SFT619 for one without a report, SFT620 for models that are
            evaluated by different figures.
    """
    if len(folders) < 2:
        raise SFTError("SFT618", count=len(folders))
    paths = [Path(folder).expanduser() for folder in folders]
    paths = [path.parent if path.name == _FILE else path for path in paths]
    reports = [_read(path) for path in paths]
    first = reports[0]
    for path, report in zip(paths, reports, strict=True):
        for what in ("task", "label_kind"):
            if report[what] != first[what]:
                raise SFTError("SFT620", path=path, found=report[what], other=paths[0], expected=first[what])
    names = [str(report["name"]) for report in reports]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    return [
        ComparedReport(name, path, report, read_resampled(path), (path / "config.yaml").exists())
        for name, path, report in zip(names, paths, reports, strict=True)
    ]


def _read(folder: Path) -> dict[str, Any]:
    file = folder / _FILE
    try:
        report = json.loads(file.read_text(encoding="utf-8"))
        if not isinstance(report, dict) or not report.keys() >= _NEEDED:
            raise ValueError("it is no report of sftkeras")
        if report["task"] not in TASKS:
            raise ValueError(f"this version knows no task {report['task']}")
    except FileNotFoundError:
        if (folder / "config.yaml").exists():
            problem = "the run is not finished: it has no report.json yet"
        else:
            problem = f"there is no {_FILE}" if folder.is_dir() else "there is no such folder"
        raise SFTError("SFT619", path=folder, problem=problem) from None
    except (OSError, ValueError) as error:
        problem = getattr(error, "strerror", None) or " ".join(str(error).split())
        raise SFTError("SFT619", path=folder, problem=f"{_FILE} cannot be read: {problem}") from error
    return report
