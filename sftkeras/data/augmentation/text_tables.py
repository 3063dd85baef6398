"""Tables that users give for augmentation: words with synonyms, texts with paraphrases. Imports no NumPy."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass

from sftkeras.config import AugmentationConfig
from sftkeras.data.formats.sources import Source, find_source
from sftkeras.data.formats.text_files import readable
from sftkeras.data.labels.contract import LabelKind
from sftkeras.errors import SFTError

_SYNONYMS, _PARAPHRASES = "--data.augmentation.synonyms", "--data.augmentation.paraphrases"


@dataclass(frozen=True)
class TextTable:
    """Replacements of words or texts.

    Attributes:
        name: what messages call the file.
        entries: for each word or text, as it is compared, what may take its place.
        fingerprint: a hash of the file.
    """

    name: str
    entries: dict[str, tuple[str, ...]]
    fingerprint: str


def comparable(text: str) -> str:
    """A word or text as it is compared: case and outer spaces make no difference."""
    return text.strip().lower()


def check_augmentation(config: AugmentationConfig, label_kind: LabelKind) -> None:
    """Checks that the settings fit each other, the labels and the files.

    Raises:
        SFTError: SFT240 for labels that are places in the texts, SFT242 for half of a setting, SFT201 for a
            missing file, SFT241 for one that is no .tsv file.
    """
    if not config.active and config.synonyms is None:
        return
    if label_kind.in_text:
        raise SFTError("SFT240")
    if bool(config.synonym) != (config.synonyms is not None):
        missing, given = ("synonyms", "synonym") if config.synonym else ("synonym", "synonyms")
        raise SFTError("SFT242", given=f"--data.augmentation.{given}", missing=f"--data.augmentation.{missing}")
    for handle, flag in ((config.synonyms, _SYNONYMS), (config.paraphrases, _PARAPHRASES)):
        if handle is not None:
            try:
                _find(handle, flag, offline=True)
            except SFTError as error:
                if error.code != "SFT317":  # not in the cache yet
                    raise


def read_tables(config: AugmentationConfig) -> tuple[TextTable | None, TextTable | None]:
    """Reads the synonyms and the paraphrases, each None if there are none.

    Raises:
        SFTError: SFT201, SFT241.
    """
    return _read(config.synonyms, _SYNONYMS), _read(config.paraphrases, _PARAPHRASES)


def _read(handle: str | None, flag: str) -> TextTable | None:
    if handle is None:
        return None
    source = _find(handle, flag)
    entries: dict[str, tuple[str, ...]] = {}
    digest = hashlib.sha256()
    for number, line in _lines(source):
        digest.update(line)
        entry = _entry(line, f"{source.name} line {number}")
        if entry:
            entries[entry[0]] = tuple(dict.fromkeys((*entries.get(entry[0], ()), *entry[1])))
    if not entries:
        raise SFTError("SFT241", place=source.name, problem="no entry")
    return TextTable(source.name, entries, digest.hexdigest())


def _find(handle: str, flag: str, *, offline: bool = False) -> Source:
    try:
        source = find_source(handle, "train", flag=flag, offline=offline)
    except SFTError as error:
        if error.code != "SFT212":
            raise
        raise SFTError("SFT241", place=handle, problem="not a .tsv file") from None
    if source.format != "tsv":
        raise SFTError("SFT241", place=source.name, problem="not a .tsv file")
    return source


def _lines(source: Source) -> Iterator[tuple[int, bytes]]:
    with readable(source) as file:
        yield from enumerate(file, start=1)


def _entry(line: bytes, place: str) -> tuple[str, tuple[str, ...]] | None:
    """The entry of a line; None for an empty one."""
    try:
        text = line.decode("utf-8-sig").rstrip("\r\n")
    except UnicodeDecodeError as error:
        raise SFTError("SFT241", place=place, problem=f"not valid UTF-8 (byte 0x{line[error.start]:02X})") from error
    if not text.strip():
        return None
    key, *others = (cell.strip() for cell in text.split("\t"))
    if not key or not any(others):
        raise SFTError("SFT241", place=place, problem="not two cells with a tab between")
    return comparable(key), tuple(other for other in others if other)
