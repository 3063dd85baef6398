"""A finished run exported once more, as a new version of its SavedModel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from sftkeras import runtime
from sftkeras.config import ExportConfig, ExportPrecision, TrainConfig
from sftkeras.console import waiting
from sftkeras.errors import SFTError
from sftkeras.exporting.op_gate import known_release
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.exporting.transformers_parity import comparison
from sftkeras.exporting.versions import check_writable
from sftkeras.pipeline.checks import transformers_of
from sftkeras.pipeline.rounded_export import check_rounding, export_rounded, origin_of, rounded_home
from sftkeras.pipeline.run_rows import read_rows, settings_of
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import restore_model, write_best_backbone
from sftkeras.tasks import spec_of

if TYPE_CHECKING:
    from sftkeras.exporting.exported import ExportedVersion


def export_run(
    run: RunFolder,
    folder: str | None = None,
    server: str | None = None,
    transformers: str | None = None,
    precision: ExportPrecision = "float32",
    least_equal: float | None = None,
) -> ExportedVersion:
    """Builds the run's best model again and publishes it as a new version.

    Args:
        run: a finished run.
        folder: where NAME/VERSION lands; None takes the folder of the run's settings.
        server: release of TensorFlow Serving that must be able to load it; None takes that of the run's settings.
        transformers: a Python with which a model that generates is compared; None takes that of the run's settings.
        precision: that of the weights; another than float32 publishes the version of a model of its own.
        least_equal: share of predictions of that which must be equal; None takes that of the run's settings.

    Raises:
        SFTError: SFT423 if another process has the run, and what `export` and the comparison raise.
    """
    settings = settings_of(run)
    kept = settings.export
    least = kept.least_equal if least_equal is None else least_equal
    peer = transformers or kept.transformers
    given = ExportConfig(folder or kept.folder, server or kept.server, peer, precision, least)
    settings = replace(settings, export=given)
    # Or else a training that resumes the run could replace its files meanwhile.
    with run.claimed(flag="--run", remedy=""):
        return _export(run, settings) if precision == "float32" else _export_rounded(run, settings)


def _export_rounded(run: RunFolder, settings: TrainConfig) -> ExportedVersion:
    check_rounding(settings)
    _check(rounded_home(settings), settings)
    task = run.read_model()["task"]
    data = read_rows(settings, task)
    with waiting("Starting TensorFlow"):
        runtime.start_tensorflow()
    with PredictionProcess() as process, waiting("Exporting the model"):
        return export_rounded(run, settings, data, process, flag="--folder")


def _check(home: Path, settings: TrainConfig) -> None:
    """Finds what is wrong before the seconds that TensorFlow takes to start."""
    if settings.export.server:
        known_release(settings.export.server, "--server")
    check_writable(home, "--folder")


def _export(run: RunFolder, settings: TrainConfig) -> ExportedVersion:
    home = Path(settings.export.folder).expanduser() / settings.name
    _check(home, settings)
    spec = spec_of(settings.task.kind)
    peer = transformers_of(settings, "--transformers")
    if peer and run.has_virtual_tokens:
        raise SFTError("SFT493", given=f"--transformers {settings.export.transformers}", remedy="Leave it out.")
    with waiting("Starting TensorFlow"):
        runtime.start_tensorflow()
    with PredictionProcess() as process, waiting("Exporting the model"):
        from sftkeras.exporting.export import export

        if spec.gives_backbone:
            write_best_backbone(run)
        version = export(
            restore_model(run),
            home,
            origin=origin_of(run, settings),
            process=process,
            server=settings.export.server,
            flag="--folder",
            prove=comparison(peer, run.best_backbone) if peer else None,
        )
        run.note_export(version.path)
    return version
