"""A finished run exported once more, as a new version of its SavedModel."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sftkeras import runtime
from sftkeras.command_line import commands
from sftkeras.config import TrainConfig
from sftkeras.console import waiting
from sftkeras.exporting.contract import ModelOrigin
from sftkeras.exporting.op_gate import known_release
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.exporting.transformers_parity import Peer, comparison
from sftkeras.exporting.versions import check_writable
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import restore_model, write_best_backbone
from sftkeras.tasks import spec_of

if TYPE_CHECKING:
    from sftkeras.exporting.exported import ExportedVersion


def export_run(
    run: RunFolder, folder: str | None = None, server: str | None = None, transformers: str | None = None
) -> ExportedVersion:
    """Builds the run's best model again and publishes it as a new version.

    Args:
        run: a finished run.
        folder: where NAME/VERSION lands; None takes the folder of the run's settings.
        server: release of TensorFlow Serving that must be able to load it; None takes that of the run's settings.
        transformers: a Python with which a model that generates is compared; None takes that of the run's settings.

    Raises:
        SFTError: SFT423 if another process has the run, and what `export` and the comparison raise.
    """
    # Or else a training that resumes the run could replace its files meanwhile.
    with run.claimed(flag="--run", remedy=""):
        return _export(run, folder, server, transformers)


def _export(run: RunFolder, folder: str | None, server: str | None, transformers: str | None) -> ExportedVersion:
    settings = commands.parse(TrainConfig, ["--config", str(run.config_file)])
    home = Path(folder or settings.export.folder).expanduser() / settings.name
    server = server or settings.export.server
    if server:
        known_release(server, "--server")
    spec = spec_of(settings.task.kind)
    python = transformers or settings.export.transformers
    peer = Peer.of_setting(python, "--transformers", generates=spec.backbone_kind == "decoder")
    check_writable(home, "--folder")  # before the seconds that TensorFlow takes to start
    with waiting("Starting TensorFlow"):
        runtime.start_tensorflow()
    with PredictionProcess() as process, waiting("Exporting the model"):
        from sftkeras.exporting.export import export

        origin = ModelOrigin.read(run.origin_file) if run.origin_file.exists() else ModelOrigin.of(settings)
        if spec.gives_backbone:
            write_best_backbone(run)
        version = export(
            restore_model(run),
            home,
            origin=origin,
            process=process,
            server=server,
            flag="--folder",
            prove=comparison(peer, run.best_backbone) if peer else None,
        )
        run.note_export(version.path)
    return version
