"""`python -m sftkeras.export`: a finished run to a new version of its SavedModel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sftkeras import runtime
from sftkeras.command_line import commands, next_commands
from sftkeras.config import ExportCommandConfig, TrainConfig
from sftkeras.console import say
from sftkeras.errors import SFTError
from sftkeras.exporting.contract import Origin
from sftkeras.exporting.op_gate import known_release
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.exporting.versions import check_writable
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import restore_model, write_encoder
from sftkeras.tasks import spec_of

if TYPE_CHECKING:
    from sftkeras.exporting.exported import ExportedVersion


def main(config: ExportCommandConfig) -> None:
    """Exports a run's best model, and says what to do with it."""
    if not config.run:
        raise SFTError("SFT104", flag="--run", remedy="Give the folder of a finished run, such as runs/NAME.")
    run = RunFolder.open(config.run)
    with run.claimed(flag="--run", remedy=""):  # or else a training that resumes it could replace its files meanwhile
        version = export_run(run, config)
    describe(version)


def export_run(run: RunFolder, config: ExportCommandConfig) -> ExportedVersion:
    """Builds the run's best model again and publishes it."""
    settings = commands.parse(TrainConfig, ["--config", str(run.config_file)])
    folder = Path(config.folder or settings.export.folder).expanduser() / settings.name
    server = config.server or settings.export.server
    if server:
        known_release(server, "--server")
    check_writable(folder, "--folder")  # before the seconds that TensorFlow takes to start
    runtime.start_tensorflow()
    with PredictionProcess() as process:
        from sftkeras.exporting.export import export

        origin = Origin.read(run.origin_file) if run.origin_file.exists() else Origin.of(settings)
        version = export(restore_model(run), folder, origin=origin, process=process, server=server, flag="--folder")
        run.note_export(version.path)
        if spec_of(settings.task.kind).gives_backbone:
            write_encoder(run)
    return version


def describe(version: ExportedVersion) -> None:
    """Prints where the version is, how it was proved, and what to type next."""
    known = next_commands.with_model(version.path)
    oldest = version.minimum_server
    say(
        f"{version.path}  version {version.version}",
        f"It answers as the trained model does (largest difference {version.parity:.1e}), loaded in a fresh process; "
        f"its weights take {version.size_ratio:.3f} times their bare size.",
        *([f"TensorFlow Serving {oldest} and newer have all its operations."] if oldest else []),
        *(f"Warning: {warning}" for warning in version.warnings),
        "",
        "What to type next:",
        *(f"  {line}" for line in known.values()),
    )


if __name__ == "__main__":
    commands.run(main, ExportCommandConfig)
