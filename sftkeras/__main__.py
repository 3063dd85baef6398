"""`sftkeras COMMAND …`, and `python -m sftkeras COMMAND …`: runs a module as `python -m sftkeras.COMMAND …` does."""

from __future__ import annotations

import runpy
import sys

from sftkeras import __version__
from sftkeras.errors import SFTError, did_you_mean

# Each command with the class of its settings, which says in a sentence what it does, and shows an example.
COMMANDS = {
    "train": "TrainConfig",
    "evaluate": "EvaluateConfig",
    "compare": "CompareConfig",
    "predict": "PredictConfig",
    "export": "ExportCommandConfig",
    "shrink": "ShrinkConfig",
    "serve": "ServeConfig",
    "publish": "PublishConfig",
    "launch": "LaunchConfig",
}


def main() -> None:
    """Runs the command that the first word names, with the words after it; without one, lists the commands."""
    first = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if first in ("--help", "-h"):
        print(help_text())
    elif first == "--version":
        print(f"sftkeras {__version__}")
    elif first in COMMANDS:
        run(first, sys.argv[2:])
    else:
        error = SFTError(
            "SFT125", word=first, suggestion=did_you_mean(first, COMMANDS), commands=", ".join(sorted(COMMANDS))
        )
        print(error, file=sys.stderr)
        sys.exit(error.exit_code)


def run(command: str, words: list[str]) -> None:
    """Runs a command's module in the place of the program, as `python -m` does."""
    sys.argv = [sys.argv[0], *words]
    # The module stands as __main__ meanwhile: its help names it, and its process ends as that of a command.
    runpy.run_module(f"sftkeras.{command}", run_name="__main__", alter_sys=True)


def help_text() -> str:
    """Returns the list of the commands, each with a sentence and an example."""
    from sftkeras import config

    lines = ["Fine-tune pretrained encoders and decoders with Keras, evaluate them, and serve them.", "", "Commands:"]
    for command, name in COMMANDS.items():
        settings = getattr(config, name)
        sentence = str(settings.__doc__).strip().splitlines()[0].rstrip(".")
        example = settings.EXAMPLE.replace("python -m sftkeras.", "sftkeras ")
        lines += [f"  {command:9} {sentence}.", f"{'':12}{example}"]
    lines += [
        "",
        "sftkeras COMMAND --help shows all settings of a command, and sftkeras --version the version.",
        "python -m sftkeras.COMMAND is the same command.",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    main()
