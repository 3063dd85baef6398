"""`python -m sftkeras.evaluate`: an exported model, or a run's, evaluated on labelled texts."""

from __future__ import annotations

from pathlib import Path

from sftkeras.command_line import commands
from sftkeras.config import EvaluateConfig
from sftkeras.console import say
from sftkeras.errors import SFTError
from sftkeras.exporting.versions import check_writable
from sftkeras.pipeline.evaluating import evaluate
from sftkeras.plurals import counted


def main(config: EvaluateConfig) -> None:
    """Evaluates the exported model, and says where the report is."""
    output = Path(config.output).expanduser()
    if (output / "report.json").exists() and not config.overwrite:
        raise SFTError("SFT110", folder=output)
    check_writable(output, "--output")
    model, report = evaluate(config)
    say("", f"Report  {output / 'report.html'}", f"Model   {model}, on {counted(report['examples']['test'], 'text')}")


if __name__ == "__main__":
    commands.run(main, EvaluateConfig)
