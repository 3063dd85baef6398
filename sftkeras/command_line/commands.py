"""From the command line to a typed config, and from an error to one line: what every command shares.

Imports no TensorFlow, so that `--help` and mistakes in the configuration answer at once.
"""

from __future__ import annotations

import io
import itertools
import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from copy import copy
from dataclasses import fields, is_dataclass
from functools import cache, partial
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from jsonargparse import ArgumentParser, Namespace, set_parsing_settings

from sftkeras.command_line.ending import end
from sftkeras.command_line.help import help_text
from sftkeras.command_line.old_names import notes_on_old_names, with_new_names
from sftkeras.command_line.remedies import in_flags_of, with_owners
from sftkeras.command_line.settings_file import Place, in_words, read_settings, settings_of, with_names_quoted
from sftkeras.command_line.task_choice import (
    KIND,
    chosen_task,
    has_task,
    no_such_task,
    not_set_before,
    refuse_others,
    settings_of_others,
    with_task,
    without_others,
)
from sftkeras.console import say
from sftkeras.errors import Preempted, SFTError, did_you_mean

set_parsing_settings(docstring_parse_attribute_docstrings=True)

Config = TypeVar("Config")

# How jsonargparse 4.53 names a setting in a complaint, and words an unknown flag.
_KEY = re.compile(r'(?:Parser key "|argument --)([\w.]+)"?: ')
_UNKNOWN = re.compile(r"[Uu]nrecognized arguments: (\S+)")
_LONGEST_VALUE = 60  # characters of a wrong value that are repeated


class _ComplaintError(Exception):
    """A problem that jsonargparse found."""


class _Parser(ArgumentParser):
    """An `ArgumentParser` that raises its complaints, and has a help text of its own."""

    command: type

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise _ComplaintError(" ".join(message.split()))

    def format_help(self, formatter: Any = None) -> str:
        """Return the text of --help."""
        return help_text(self.command, {action.dest: str(action.help) for action in self._actions})


def parse(config_class: type[Config], arguments: Sequence[str] | None = None) -> Config:
    """Reads flags and `--config` files into `config_class`.

    Args:
        config_class: a dataclass of `sftkeras.config`; its docstring is the command's description.
        arguments: the command's words; the process's own by default.

    Raises:
        SFTError: SFT101 for an unknown flag, SFT102 for a wrong value, SFT103 for anything wrong in a config file.
    """
    given = sys.argv[1:] if arguments is None else arguments
    for word in given:
        if not _is_utf8(word):
            raise SFTError("SFT102", flag=ascii(word), problem="not valid UTF-8. Rename the file, or correct the word.")
    words = ["--print_config=comments" if word == "--print_config" else word for word in with_new_names(given)]
    if not has_task(config_class):
        return config_class(**vars(_read(_spell_out(words, config_class), config_class)[0]))
    task = chosen_task(words)
    own = with_task(config_class, task)
    words, of_others = without_others(_with_values(words, f"--{KIND}", lambda _: task), task)
    settings, in_files = _read(
        _spell_out(words, own),
        own,
        leave_out=settings_of_others(task),
        not_set=not_set_before(task),
        fixed={KIND: task},
    )
    refuse_others(settings.task, {**in_files, **of_others})
    return config_class(**vars(settings))


def _read(words: Sequence[str], config_class: type, **of_files: Any) -> tuple[Namespace, dict[str, str]]:
    """Reads the words of a command into its groups of settings; also gives what is left out of its files.

    Args:
        words: spelled out.
        config_class: has all settings that are read.
        of_files: how the files are read, see `read_settings`.
    """
    parser = copy(_parser(config_class))  # which keeps that --print_config was asked for, if a wrong word ends this
    kinds = settings_of(config_class)
    texts: dict[str, str] = {}
    left_out: dict[str, str] = {}
    for file in _values_of("--config", words):
        written = read_settings(file, kinds, **of_files)
        left_out |= written.left_out
        try:
            parser.parse_string(written.text)
        except _ComplaintError as complaint:
            raise _wrong_in_file(str(complaint), file, written.places, kinds) from None
        texts[file] = written.text
    quoted = _with_values(_quote_names(words, kinds), "--config", lambda file: texts.get(file, file))
    try:
        settings = parser.instantiate(parser.parse_args(quoted))
    except _ComplaintError as complaint:
        raise _wrong_flag(str(complaint), words, kinds) from None
    settings.pop("config", None)
    return settings, left_out


@cache
def _parser(config_class: type) -> _Parser:
    """The parser of a config class; making it takes longer than reading a command."""
    parser = _Parser(prog=f"python -m {_module_name()}", description=config_class.__doc__, allow_abbrev=False)
    parser.add_argument("--config", action="config", help="A YAML file of settings; later flags override it.")
    parser.add_class_arguments(config_class, nested_key=None)
    parser.command = config_class
    return parser


def _wrong_in_file(complaint: str, file: str, places: dict[str, Place], kinds: dict[str, Any]) -> SFTError:
    """Words a complaint about a setting in a file."""
    key = _KEY.match(complaint)
    if key and key[1] in places:
        place = places[key[1]]
        return place.error(f"{key[1]}: {_expected(kinds[key[1]], place.value)}")
    return SFTError("SFT103", file=file, problem=complaint.rstrip(".") + ".")


def _wrong_flag(complaint: str, words: Sequence[str], kinds: dict[str, Any]) -> SFTError:
    """Words a complaint about a flag."""
    if unknown := _UNKNOWN.search(complaint):
        flag = unknown[1].partition("=")[0]
        if not flag.startswith("-"):
            problem = "no flag stands before it. Settings are written --NAME VALUE, with quotes around spaces."
            if Path(flag).is_file():  # the shell may have put files in the place of a pattern
                problem += " Several files are one value: with commas between, or a pattern in quotes."
            return SFTError("SFT102", flag=flag, problem=problem)
        flags = [f"--{name}" for name in (*kinds, "config", "print_config")]
        return SFTError("SFT101", flag=flag, suggestion=did_you_mean(flag, flags))
    key = _KEY.match(complaint)
    if not key or key[1] not in kinds:
        flag, problem = (f"--{key[1]}", complaint[key.end() :]) if key else ("settings", complaint)
        return SFTError("SFT102", flag=flag, problem=problem.rstrip(".") + ".")
    name = key[1]
    if is_dataclass(kinds[name]):
        first = next(setting for setting in kinds if setting.startswith(f"{name}."))
        problem = f"a group of settings: set each by itself, such as --{first}."
    else:
        values = _values_of(f"--{name}", words)
        problem = no_such_task("") if name == KIND else _expected(kinds[name], values[-1] if values else "")
    return SFTError("SFT102", flag=f"--{name}", problem=problem)


def _expected(kind: Any, value: str) -> str:
    shown = value if len(value) <= _LONGEST_VALUE else value[:_LONGEST_VALUE] + "…"
    return f"expected {in_words(kind)}; got {shown or 'nothing'}."


def notes(words: Sequence[str]) -> list[str]:
    """Return what a user should know of the words of a command, which were parsed: a sentence each."""
    return list(notes_on_old_names(words, _values_of("--config", words)))


def _values_of(flag: str, words: Sequence[str]) -> list[str]:
    """The values that `flag` has among the words of a command."""
    values = [following for word, following in itertools.pairwise(words) if word == flag]
    return values + [word.partition("=")[2] for word in words if word.startswith(f"{flag}=")]


def _spell_out(words: Sequence[str], config_class: type, prefix: str = "--") -> list[str]:
    """Writes what may be written for short as jsonargparse reads it; the metadata of the fields say what that is.

    `separator`: stands between the items of a list. `bare_words`: words that belong to no flag are the list, and
    `bare_word`: a single one is the value. A group of settings with a `SHORT_FOR`, given a word, gives it to this one
    of its settings.
    """
    words = list(words)
    for setting in fields(config_class):
        flag, how = prefix + setting.name, setting.metadata
        if short_for := getattr(setting.default_factory, "SHORT_FOR", None):
            words = [re.sub(rf"^{re.escape(flag)}(?==|$)", f"{flag}.{short_for}", word) for word in words]
        if separator := how.get("separator"):
            words = _split_values(words, flag, separator)
        if how.get("bare_words"):
            words = _gather_bare_words(words, setting.name)
        if how.get("bare_word"):
            of_flags, bare = _apart(words)
            words = [*of_flags, f"{flag}={bare[0]}"] if len(bare) == 1 else words
        if isinstance(setting.default_factory, type) and is_dataclass(setting.default_factory):
            words = _spell_out(words, setting.default_factory, f"{flag}.")
    return words


def _split_values(words: Sequence[str], flag: str, separator: str) -> list[str]:
    """Makes each value of `flag` a list, unless it is written as one."""

    def split(value: str) -> str:
        if value.startswith("[") or value == "null":
            return value
        return json.dumps([item.strip() for item in value.split(separator) if item.strip()], ensure_ascii=False)

    return _with_values(words, flag, split)


def _quote_names(words: Sequence[str], kinds: dict[str, Any]) -> list[str]:
    """Quotes the names in values that are lists or mappings of them: `no` and `2020` are text there too."""
    words = list(words)
    for name, kind in kinds.items():
        try:
            words = _with_values(words, f"--{name}", partial(with_names_quoted, kind=kind))
        except ValueError as error:
            raise SFTError("SFT102", flag=f"--{name}", problem=f"{error}.") from None
    return words


def _with_values(words: Sequence[str], flag: str, change: Callable[[str], str]) -> list[str]:
    """The words of a command with each value of `flag` changed."""
    changed: list[str] = []
    for word in words:
        name, equals, value = word.partition("=")
        if changed and changed[-1] == flag:
            changed.pop()
            name, equals, value = flag, "=", word
        changed.append(f"{name}={change(value)}" if name == flag and equals else word)
    return changed


def _gather_bare_words(words: Sequence[str], setting: str) -> list[str]:
    """Makes words that belong to no flag the value of `setting`, a list."""
    of_flags, bare = _apart(words)
    return [*of_flags, f"--{setting}={json.dumps(bare, ensure_ascii=False)}"] if bare else of_flags


def _apart(words: Sequence[str]) -> tuple[list[str], list[str]]:
    """Returns the words of flags, of which every one but --help takes one value, and those that belong to none.

    All words after `--` are such words.
    """
    own = list(words).index("--") if "--" in words else len(words)
    of_flags: list[str] = []
    bare: list[str] = []
    for word in words[:own]:
        takes_value = bool(of_flags) and of_flags[-1].startswith("--") and "=" not in of_flags[-1]
        takes_value &= of_flags[-1:] != ["--help"]
        (of_flags if word.startswith("-") or takes_value else bare).append(word)
    return of_flags, bare + list(words[own + 1 :])


def run(main: Callable[[Any], object], config_class: type) -> NoReturn:
    """Runs a command: parses, calls `main(config)`, and turns an `SFTError` into one line and exit code 2."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper) and stream.errors == "strict":
            stream.reconfigure(errors="backslashreplace")  # a terminal without ✔ is no reason to fail
    try:
        config: Any = parse(config_class)
        say(*notes(sys.argv[1:]))
        main(config)
    except SFTError as error:
        print(_worded(config_class, error), file=sys.stderr)
        end(error.exit_code)
    except Preempted as stop:
        end(stop.exit_code)
    except KeyboardInterrupt:
        end(130)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python flushes into the pipe once more
    end(0)


def _worded(config_class: type, error: SFTError) -> str:
    """An error with the flags of a command; one about a flag that it does not have names that flag as it was typed."""
    return (with_owners if error.code == "SFT101" else in_flags_of)(config_class, str(error))


def _is_utf8(word: str) -> bool:
    try:
        word.encode()
    except UnicodeEncodeError:
        return False
    return True


def _module_name() -> str:
    return getattr(sys.modules["__main__"].__spec__, "name", None) or Path(sys.argv[0]).name
