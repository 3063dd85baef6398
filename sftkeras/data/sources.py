"""From the settings to the files: which file holds which part, and in what format. Reads no rows."""

from __future__ import annotations

import difflib
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sftkeras.config import DataConfig
from sftkeras.errors import SFTError

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")

Format = Literal["csv", "tsv", "json", "jsonl", "parquet", "conll", "text", "hub"]

_FORMATS: dict[str, Format] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".conll": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".txt": "text",
}

_HUB = re.compile(
    r"hf://(?P<name>[\w.-]+/[\w.-]+)(?:/(?P<config>[\w.-]+))?"
    r"(?:@(?P<revision>[\w./-]+))?(?::(?P<split>\w+(?:\[[\d:%-]*\])?))?"
)


@dataclass(frozen=True)
class HubName:
    """A data set on the Hugging Face hub; `config` and `revision` are None for the data set's own choice."""

    name: str
    config: str | None
    revision: str | None
    split: str


@dataclass(frozen=True)
class Source:
    """Where the rows of one part are.

    Attributes:
        part: the part of the data, when the file is not split further.
        name: what messages call it.
        flag: the setting that named it.
        format: how it is written.
        path: the file; None for a data set of the hub.
        hub: the data set of the hub; None for a file.
    """

    part: Part
    name: str
    flag: str
    format: Format
    path: Path | None = None
    hub: HubName | None = None

    @property
    def file(self) -> Path:
        """The file of a source that is one."""
        if self.path is None:
            raise ValueError(f"{self.name} is not a file")
        return self.path


def find_sources(config: DataConfig, *, offline: bool = False) -> list[Source]:
    """Finds the file of each part that has one, train first.

    Args:
        offline: raise SFT317 rather than download what a `pypi:` handle names.

    Raises:
        SFTError: SFT104 without data.train, SFT201 for a missing file, SFT212 for an unknown format, SFT233 for a
            malformed `hf://` name, and the errors of `sftkeras.handles`.
    """
    if not config.train:
        raise SFTError("SFT104", flag="--data.train", remedy="Give a file of labelled examples.")
    handles = {"train": config.train, "validation": config.validation, "test": config.test}
    return [find_source(handle, part, offline=offline) for part in PARTS if (handle := handles[part])]


def find_source(handle: str, part: Part, *, flag: str | None = None, offline: bool = False) -> Source:
    """Finds the file that one setting names; raises as `find_sources`."""
    flag = flag or f"--data.{part}"
    if handle.startswith("hf://"):
        return Source(part, handle, flag, "hub", hub=_hub_name(handle, part, flag))
    if handle.startswith("pypi:"):
        from sftkeras.handles import resolve

        path = resolve(handle, flag=flag, offline=offline)
        return Source(part, path.name, flag, _format(path, flag), path=path)
    path = Path(handle).expanduser()
    if not path.is_file():
        raise SFTError("SFT201", flag=flag, file=handle, suggestion=_nearby_file(path))
    return Source(part, handle, flag, _format(path, flag), path=path)


def _format(path: Path, flag: str) -> Format:
    if known := _FORMATS.get(path.suffix.lower()):
        return known
    raise unknown_format(path, flag)


def unknown_format(path: Path, flag: str) -> SFTError:
    """Makes the error for a file that cannot be read as rows with texts."""
    known = ", ".join(ending for ending, form in _FORMATS.items() if form not in ("conll", "text"))
    return SFTError("SFT212", flag=flag, file=path.name, known=known)


def _hub_name(handle: str, part: Part, flag: str) -> HubName:
    found = _HUB.fullmatch(handle)
    if not found:
        raise SFTError("SFT233", flag=flag, handle=handle)
    return HubName(found["name"], found["config"], found["revision"], found["split"] or part)


def _nearby_file(path: Path) -> str:
    if path.is_dir():
        return " It is a folder: give one of its files."
    if not path.parent.is_dir():
        return f" There is no folder {path.parent} either."
    data_files = [other.name for other in path.parent.iterdir() if other.suffix.lower() in _FORMATS]
    near = difflib.get_close_matches(path.name, data_files, n=1, cutoff=0.6)
    return f' Did you mean "{path.with_name(near[0])}"?' if near else ""
