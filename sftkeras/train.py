"""`python -m sftkeras.train`: data → fit → export → report. The story of a run is in `pipeline.fine_tuning`."""

from __future__ import annotations

import time

from sftkeras.command_line import commands
from sftkeras.command_line.ending import take_apart_at_end
from sftkeras.config import TrainConfig
from sftkeras.console import be_quiet
from sftkeras.pipeline.checks import check_settings
from sftkeras.pipeline.fine_tuning import train_along, train_and_export
from sftkeras.pipeline.stages import rehearse
from sftkeras.tasks import spec_of

_STARTED = time.perf_counter()


def main(config: TrainConfig) -> None:
    """Trains, exports and evaluates a model; with `dry_run`, says what that would take."""
    from sftkeras.training.warm_start import with_warm_start
    from sftkeras.training.workers import cluster

    config = with_warm_start(spec_of(config.task.kind).with_columns(config))
    cluster.enter(config.training.strategy)
    if config.training.strategy == "multi_worker":
        take_apart_at_end()  # TensorFlow leaves the other workers only then
    check_settings(config)
    if not cluster.is_chief():
        be_quiet()
    if config.dry_run:
        rehearse(config, started=_STARTED)
        return
    with cluster.naming_lost_worker():
        if cluster.is_chief():
            train_and_export(config, started=_STARTED)
        else:
            train_along(config)


if __name__ == "__main__":
    commands.run(main, TrainConfig)
