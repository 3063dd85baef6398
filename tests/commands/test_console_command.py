"""`sftkeras COMMAND` is `python -m sftkeras.COMMAND`, and what it says by itself costs no TensorFlow."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path

import pytest

from sftkeras import __version__
from sftkeras.__main__ import COMMANDS

ROOT = Path(__file__).parents[2]

# The script that pip makes of the entry point, in a process that says whether Python took it apart at its end.
SCRIPT = """
import os, sys
from sftkeras.__main__ import main

class Large:
    def __del__(self, write=os.write):
        write(1, b"taken apart")

large = Large()
sys.argv[0] = "/usr/bin/sftkeras"
{loaded}
sys.exit(main())
"""
LOADED = "import types; sys.modules['tensorflow'] = types.ModuleType('tensorflow')"


def run(*words: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run([sys.executable, *words], capture_output=True, text=True, check=False, timeout=600)


def sftkeras(*words: str, loaded: str = "") -> subprocess.CompletedProcess[str]:
    return run("-c", SCRIPT.format(loaded=loaded), *words)


def test_the_entry_point_is_the_function_that_is_tested_here() -> None:
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    [line] = settings["options.entry_points"]["console_scripts"].split("\n")[1:]
    assert line == "sftkeras = sftkeras.__main__:main"


def test_every_module_that_is_a_command_is_listed() -> None:
    modules = [path for path in (ROOT / "sftkeras").glob("*.py") if path.name != "__main__.py"]
    assert set(COMMANDS) == {path.stem for path in modules if '__name__ == "__main__"' in path.read_text()}


@pytest.mark.parametrize("start", [sftkeras, lambda *words: run("-m", "sftkeras", *words)], ids=["script", "module"])
@pytest.mark.parametrize("words", [(), ("--help",), ("-h",)])
def test_each_command_is_listed_with_a_sentence_and_an_example(start: type, words: Sequence[str]) -> None:
    done = start(*words)
    assert (done.returncode, done.stderr) == (0, "")
    for command in COMMANDS:
        assert re.search(rf"^  {command} +[A-Z].*\.\n +sftkeras {command} \S", done.stdout, re.MULTILINE), command


def test_the_list_needs_no_tensorflow() -> None:
    code = "import sys; from sftkeras.__main__ import help_text; help_text(); sys.exit('tensorflow' in sys.modules)"
    assert run("-c", code).returncode == 0


def test_the_version_is_said() -> None:
    assert sftkeras("--version").stdout.startswith(f"sftkeras {__version__}\n")


@pytest.mark.parametrize(
    ("word", "said"), [("trian", 'Did you mean "train"? The commands are compare, '), ("--name", "The commands are ")]
)
def test_an_unknown_command_is_one_line(word: str, said: str) -> None:
    done = sftkeras(word, "--seed", "1")
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert done.stderr.startswith(f"SFT125  {word}: no such command. {said}")


@pytest.mark.parametrize("words", [("--help",), ("--modle", "x"), ("--model", "nowhere", "--", "a text", "-v")])
def test_a_command_says_what_its_module_says(words: Sequence[str]) -> None:
    by_name, by_module = sftkeras("predict", *words), run("-m", "sftkeras.predict", *words)
    assert (by_name.returncode, by_name.stderr) == (by_module.returncode, by_module.stderr)
    assert by_name.stdout.removesuffix("taken apart") == by_module.stdout


def test_a_command_ends_its_process_as_its_module_does() -> None:
    assert sftkeras("export", "--run", "nowhere").stdout == "taken apart"  # no TensorFlow, nothing to save
    done = sftkeras("export", "--run", "nowhere", loaded=LOADED)
    assert (done.returncode, done.stdout) == (2, "")


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_has_the_settings_that_its_list_shows(command: str) -> None:
    module = import_module(f"sftkeras.{command}")
    assert hasattr(module, COMMANDS[command])
