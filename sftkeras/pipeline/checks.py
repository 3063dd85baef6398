"""Settings and files that cannot be used, found before anything heavy is imported or made."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sftkeras.config import TrainConfig
from sftkeras.data import quick_check
from sftkeras.errors import SFTError
from sftkeras.pipeline.rounded_export import check_rounding
from sftkeras.runs import RunFolder
from sftkeras.tasks import spec_of

if TYPE_CHECKING:
    from sftkeras.exporting.transformers_parity import Peer


def check_settings(config: TrainConfig) -> None:
    """Finds what is wrong before anything heavy is imported or made."""
    from sftkeras.distillation.teacher import check_distillation
    from sftkeras.exporting.op_gate import known_release
    from sftkeras.exporting.versions import check_writable
    from sftkeras.training.encoder_needs import check_tokens
    from sftkeras.training.warm_start import check_continual
    from sftkeras.training.workers.cluster import is_chief
    from sftkeras.tuning.needs import check_tuning

    if not config.backbone.handle:
        raise SFTError("SFT104", flag="--backbone.handle", remedy="Say where the pretrained weights are.")
    spec_of(config.task.kind).check(config)
    if Path(config.backbone.handle).expanduser().resolve() == RunFolder.of(config).folder.resolve():
        problem = "it is the run that --backbone.handle begins with, which would be lost. Choose another name."
        raise SFTError("SFT102", flag="--name", problem=problem)
    check_tuning(config)
    check_layers(config)
    check_tokens(config)
    check_distillation(config)
    check_continual(config)
    check_trackers(config.training.trackers)
    check_rounding(config)
    if config.export.server:
        known_release(config.export.server)
    transformers_of(config)
    quick_check(config.data, spec_of(config.task.kind).label_kind(config.task))
    if is_chief():  # the one that exports; two that try the folder at once get in each other's way
        check_writable(Path(config.export.folder).expanduser() / config.name, "--export.folder")


def transformers_of(config: TrainConfig, flag: str = "--export.transformers") -> Peer | None:
    """Return the Python with whose transformers the export is compared; None if it is not.

    Args:
        config: the settings.
        flag: the setting that names it, for messages.

    Raises:
        SFTError: SFT102 or SFT518 if it cannot be.
    """
    from sftkeras.exporting.transformers_parity import Peer

    generates = spec_of(config.task.kind).backbone_kind == "decoder"
    return Peer.of_setting(config.export.transformers, flag, generates=generates)


def check_layers(config: TrainConfig) -> None:
    """Refuses settings that reach into the encoder's layers where it is asked for as a module that hides them.

    Raises:
        SFTError: SFT440; a module that turns out to be one is refused when it is loaded.
    """
    from sftkeras.training.encoder_needs import check_opaque

    if config.backbone.mode == "opaque":
        check_opaque(config)


def check_trackers(trackers: Sequence[str]) -> None:
    """Makes sure that the packages of the trackers are there.

    Raises:
        SFTError: SFT107.
    """
    from sftkeras.tasks.config_checks import check_installed

    for tracker in trackers:
        check_installed(tracker, tracker)
