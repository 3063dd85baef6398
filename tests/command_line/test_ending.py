"""A command that has loaded TensorFlow ends at once, after all that Python promises to do at an end."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sftkeras.command_line.ending import end

# A command of this package, as `python -m` starts it, which leaves a thread, an exit function and an object behind.
COMMAND = """
import atexit, os, sys, threading, types
from dataclasses import dataclass
from sftkeras.command_line import ending
from sftkeras.command_line import commands
from sftkeras.errors import Preempted

@dataclass(frozen=True)
class Config:
    "Nothing"

class Large:
    def __del__(self, write=os.write):  # names of modules may be gone by then
        write(1, b"taken apart\\n")

large, written = Large(), threading.Event()

def main(config):
    {loaded}
    threading.Thread(target=lambda: (written.wait(), print("the thread ends"))).start()
    atexit.register(print, "the exit function is called")
    {alone}
    print("the last line")
    written.set()
    raise Preempted

sys.modules["__main__"].__spec__ = types.SimpleNamespace(name="sftkeras.train")
commands.run(main, Config)
"""
DONE = ["the last line", "the thread ends", "the exit function is called"]


def said(*, loaded: bool = True, alone: bool = True) -> list[str]:
    code = COMMAND.format(
        loaded="sys.modules['tensorflow'] = types.ModuleType('tensorflow')" if loaded else "",
        alone="" if alone else "ending.take_apart_at_end()",
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=600)
    assert (done.returncode, done.stderr) == (75, "")
    return done.stdout.splitlines()


@pytest.mark.processes
def test_nothing_is_taken_apart_and_nothing_is_lost() -> None:
    assert said() == DONE


@pytest.mark.processes
@pytest.mark.parametrize("how", [{"loaded": False}, {"alone": False}])
def test_others_end_as_python_ends_them(how: dict[str, bool]) -> None:
    assert said(**how) == [*DONE, "taken apart"]


def test_a_caller_in_the_same_process_gets_an_exception() -> None:
    with pytest.raises(SystemExit) as ended:
        end(75)
    assert ended.value.code == 75
