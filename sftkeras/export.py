"""`python -m sftkeras.export`: a finished run to a new version of its SavedModel."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sftkeras.command_line import commands, next_commands
from sftkeras.config import ExportCommandConfig
from sftkeras.console import say
from sftkeras.errors import SFTError
from sftkeras.pipeline.export_run import export_run
from sftkeras.runs import RunFolder

if TYPE_CHECKING:
    from sftkeras.exporting.exported import ExportedVersion


def main(config: ExportCommandConfig) -> None:
    """Exports a run's best model, and says what to do with it."""
    if not config.run:
        raise SFTError("SFT104", flag="--run", remedy="Give the folder of a finished run, such as runs/NAME.")
    run = RunFolder.open(config.run)
    own = (config.transformers, config.precision, config.least_equal)
    describe(export_run(run, config.folder, config.server, *own))


def describe(version: ExportedVersion) -> None:
    """Prints where the version is, how it was proved, and what to type next."""
    known = next_commands.with_model(version.path)
    oldest = version.minimum_server
    equal = f"Its predictions equal the trained model's (largest difference {version.parity:.1e}), in a fresh process"
    proved = version.agreement.describe().rstrip(".") if version.agreement else equal
    say(
        f"{version.path}  version {version.version}",
        f"{proved}; its weights take {version.size_ratio:.3f} times their bare size.",
        *([f"TensorFlow Serving {oldest} and newer have all its operations."] if oldest else []),
        *(f"Warning: {warning}" for warning in version.warnings),
        "",
        "What to type next:",
        *(f"  {line}" for line in known.values()),
    )


if __name__ == "__main__":
    commands.run(main, ExportCommandConfig)
