"""From the command line to a typed config, and from an error to one line: what every command shares.

Imports no TensorFlow, so that `--help` and mistakes in the configuration answer at once.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Sequence
from dataclasses import fields
from pathlib import Path
from typing import Any, NoReturn, TypeVar

from jsonargparse import ArgumentParser, set_parsing_settings

from sftkeras.errors import SFTError, did_you_mean

set_parsing_settings(docstring_parse_attribute_docstrings=True)

Config = TypeVar("Config")

# How jsonargparse 4.53 words an unknown flag, and an unknown key of a config file.
_UNKNOWN = (
    r"[Uu]nrecognized arguments: (\S+)",
    r"Group '([\w.]+)' does not accept option '([\w.]+)'",
    r"Option '([\w.]+)' is not accepted",
)


class _Parser(ArgumentParser):
    """An `ArgumentParser` whose every complaint is an `SFTError`."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        raise self._coded(message)

    def _coded(self, message: str) -> SFTError:
        message = " ".join(message.split())
        for pattern in _UNKNOWN:
            if found := re.search(pattern, message):
                setting = ".".join(group for group in found.groups() if group).split("=")[0]
                return SFTError("SFT101", flag=setting, suggestion=self._suggestion(setting.lstrip("-")))
        key = re.match(r'Parser key "([\w.]+)": (.*)', message)
        flag, problem = (f"--{key[1]}", key[2]) if key else ("settings", message)
        return SFTError("SFT102", flag=flag, problem=problem.rstrip(".") + ".")

    def _suggestion(self, setting: str) -> str:
        known = [action.dest for action in self._actions if action.dest not in ("help", "config")]
        return did_you_mean(setting, known)


def parse(config_class: type[Config], arguments: Sequence[str] | None = None) -> Config:
    """Reads flags and `--config` files into `config_class`.

    Args:
        config_class: a dataclass of `sftkeras.config`; its docstring is the command's description.
        arguments: the command's words; the process's own by default.

    Raises:
        SFTError: SFT101 for an unknown setting, SFT102 for a wrong value, SFT103 for an unreadable config file.
    """
    parser = _Parser(prog=f"python -m {_module_name()}", description=config_class.__doc__, allow_abbrev=False)
    parser.add_argument("--config", action="config", help="A YAML file of settings; later flags override it.")
    parser.add_class_arguments(config_class, nested_key=None)
    words = ["--print_config=comments" if word == "--print_config" else word for word in arguments or sys.argv[1:]]
    for bare in fields(config_class):  # type: ignore[arg-type]
        if bare.metadata.get("bare_words"):
            words = _gather_bare_words(words, bare.name)
    settings = parser.instantiate(parser.parse_args(words))
    settings.pop("config", None)
    return config_class(**vars(settings))


def _gather_bare_words(words: Sequence[str], setting: str) -> list[str]:
    """Makes words that belong to no flag the value of `setting`, a list; every flag but --help takes one value."""
    kept: list[str] = []
    bare: list[str] = []
    for word in words:
        takes_value = bool(kept) and kept[-1].startswith("--") and "=" not in kept[-1] and kept[-1] != "--help"
        (kept if word.startswith("-") or takes_value else bare).append(word)
    return [*kept, f"--{setting}={json.dumps(bare)}"] if bare else kept


def run(main: Callable[[Any], object], config_class: type) -> NoReturn:
    """Runs a command: parses, calls `main(config)`, and turns an `SFTError` into one line and exit code 2."""
    try:
        main(parse(config_class))
    except SFTError as error:
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)
    except KeyboardInterrupt:
        sys.exit(130)
    except BrokenPipeError:  # the reader, such as `head`, has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())  # or Python flushes into the pipe once more
    sys.exit(0)


def _module_name() -> str:
    return getattr(sys.modules["__main__"].__spec__, "name", None) or Path(sys.argv[0]).name
