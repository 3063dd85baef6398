"""The export of a run whose weights are rounded: a model of its own, NAME-int8 beside NAME."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from sftkeras.config import TrainConfig
from sftkeras.errors import SFTError
from sftkeras.exporting.contract import ModelOrigin
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import restore_model
from sftkeras.tasks import spec_of

if TYPE_CHECKING:
    from sftkeras.data import LabelledData
    from sftkeras.exporting.exported import ExportedVersion
    from sftkeras.exporting.prediction_process import PredictionProcess


def check_rounding(config: TrainConfig) -> None:
    """Refuses to round the weights of decoders, before anything heavy.

    Raises:
        SFTError: SFT521.
    """
    if config.export.precision != "float32" and spec_of(config.task.kind).backbone_kind == "decoder":
        raise SFTError("SFT521", precision=config.export.precision, what="a decoder")


def rounded_home(config: TrainConfig) -> Path:
    """Return the folder of the model with rounded weights."""
    return Path(config.export.folder).expanduser() / f"{config.name}-{config.export.precision}"


def export_rounded(
    run: RunFolder,
    config: TrainConfig,
    data: LabelledData,
    process: PredictionProcess,
    *,
    flag: str = "--export.folder",
) -> ExportedVersion:
    """Publishes a run's best model with weights rounded to the precision of the settings.

    Args:
        run: has the model.
        config: its settings.
        data: its rows; those of the test part, or else of validation, are predicted by both.
        process: has the version loaded afterwards.
        flag: the setting that decides where it is published, named in errors.

    Raises:
        SFTError: SFT520 or SFT521 if it is not published, and what `export` raises.
    """
    from sftkeras.exporting.export import export
    from sftkeras.exporting.rounding import Rounding

    precision = config.export.precision
    assert precision != "float32"
    part = "test" if len(data.splits["test"]) else "validation"
    rows, examples = data.splits[part], data.examples
    rounding = Rounding(precision, part, examples.texts(rows), examples.pairs(rows), config.export.least_equal)
    return export(
        restore_model(run),
        rounded_home(config),
        origin=origin_of(run, config),
        process=process,
        server=config.export.server,
        flag=flag,
        rounding=rounding,
    )


def origin_of(run: RunFolder, config: TrainConfig) -> ModelOrigin:
    """Return the origin of a run's model; of a run that is older than the file which keeps it, from its settings."""
    return ModelOrigin.read(run.origin_file) if run.origin_file.exists() else ModelOrigin.of(config)
