"""Names that earlier versions had for settings, among the words of a command: they are read, with a note."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from sftkeras.command_line.settings_file import place_of
from sftkeras.config.renamed import RENAMED

_NOT_SET = ("null", "false")  # files that list all settings have these too


def with_new_names(words: Sequence[str]) -> list[str]:
    """Return the words of a command with the flags of today in place of earlier ones."""
    return [_with_new_name(word) for word in words]


def notes_on_old_names(words: Sequence[str], files: Sequence[str]) -> Iterator[str]:
    """Yield a sentence for each setting that is given by an earlier name.

    Args:
        words: of a command.
        files: its files of settings.
    """
    for word in words:
        if (changed := _with_new_name(word)) != word:
            old, new = (text.partition("=")[0] for text in (word, changed))
            yield f"Note: {old} is now {new}. The old name still works."
    for file in files:
        for old, new in RENAMED.items():
            place = place_of(old, file)
            if place and place.value not in _NOT_SET:
                yield f"Note: {file} line {place.line}: {old} is now {new}. The old name still works."


def _with_new_name(word: str) -> str:
    flag, equals, value = word.partition("=")
    new = RENAMED.get(flag.removeprefix("--")) if flag.startswith("--") else None
    return f"--{new}{equals}{value}" if new else word
