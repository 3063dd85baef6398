"""The commands that a command ends with: what can be typed next with what it made. Each works as it is printed, but for
FILE and NAME, which the user knows."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from sftkeras.console import program
from sftkeras.tasks import spec_of


def with_model(version: Path) -> dict[str, str]:
    """Returns what can be done with an exported version, by the name of the command that does it."""
    from sftkeras.exporting.contract import read_contract  # NumPy comes with it, which --help does not wait for

    model = shlex.quote(str(version.parent))
    texts = "--file FILE" if read_contract(version)["pairs"] else '"a text of yours"'
    return {
        "predict": command("predict", f"--model {model} {texts}"),
        "serve": command("serve", f"--models {model}"),
        "evaluate": command("evaluate", f"--model {model} --data FILE"),
    }


def with_backbone(folder: Path, task: str | None = None) -> str:
    """Returns the command that trains on from a backbone's folder.

    Args:
        folder: of an encoder, for another task or other data; or of a decoder.
        task: whose run wrote it; a decoder learns the same again from other data.
    """
    kind = f"--task.kind {task} " if task and spec_of(task).backbone_kind == "decoder" else ""
    return command("train", f"{kind}--backbone.handle {shlex.quote(str(folder))} --data.train FILE --name NAME")


def export_of(run: Path) -> str:
    """Returns the command that exports a run's best epoch."""
    return command("export", f"--run {shlex.quote(str(run))}")


def command(name: str, words: str) -> str:
    """Returns the command line of a command of this environment, in the form in which this program was started."""
    if Path(sys.argv[0]).name == "sftkeras":
        return f"{program('sftkeras')} {name} {words}"
    return f"{program('python')} -m sftkeras.{name} {words}"
