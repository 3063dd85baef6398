"""`python -m sftkeras.compare`: runs side by side, with the settings and the figures in which they differ."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from sftkeras.command_line import commands
from sftkeras.comparison import Comparison, compare
from sftkeras.comparison.pages import HTML, JSON
from sftkeras.config import CompareConfig
from sftkeras.console import say
from sftkeras.errors import SFTError


def main(config: CompareConfig) -> None:
    """Shows the comparison, and writes it if a folder is named."""
    output = Path(config.output).expanduser() if config.output else None
    if output and (output / JSON).exists() and not config.overwrite:
        raise SFTError("SFT110", folder=output)
    comparison = compare(config.runs)
    say(comparison)
    if output:
        comparison.save(output)
        say("", f"Comparison  {output / HTML}")


class _Callable(ModuleType):
    """This module as `import sftkeras.compare` gives it: `sftkeras.compare(…)` stays the function of that name."""

    def __call__(self, runs: Sequence[str | Path]) -> Comparison:
        return compare(runs)


sys.modules[__name__].__class__ = _Callable

if __name__ == "__main__":
    commands.run(main, CompareConfig)
