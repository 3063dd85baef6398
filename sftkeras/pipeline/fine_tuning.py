"""A whole run as one story: read, prepare, train, export, report; begun anew, or resumed where it was stopped."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.command_line import next_commands
from sftkeras.config import TrainConfig
from sftkeras.console import log_to, program, say
from sftkeras.errors import Preempted
from sftkeras.pipeline.results import export_and_evaluate
from sftkeras.pipeline.stages import Trained, evaluate_earlier, evaluate_known, prepare, read, train
from sftkeras.runs import RunFolder
from sftkeras.timeline import Timeline

if TYPE_CHECKING:
    import keras


def train_and_export(
    config: TrainConfig, callbacks: Sequence[keras.callbacks.Callback] = (), *, started: float | None = None
) -> RunFolder:
    """Does the whole of a run: by the one process there is, or by the chief of several.

    Args:
        config: the settings, with the columns of its task.
        callbacks: the user's own, for `fit`.
        started: when the process began, by `time.perf_counter`; now by default.

    Raises:
        Preempted: it was stopped, and its state is safe.
        SFTError: whatever is wrong with settings, data, weights or machine.
    """
    timeline = Timeline(started)
    from sftkeras.distillation.teacher import identity_of as outputs_of_teacher
    from sftkeras.training.resume.identity import as_it_began, continues, identity_of, with_contents
    from sftkeras.training.resume.preemption import signals_end
    from sftkeras.training.workers import cluster

    run = RunFolder.plan(config)
    with run.claimed(), signals_end(lambda: run.is_unfinished):
        RunFolder.plan(config)  # again: another process may have ended the run just before this one claimed it
        identity = {**identity_of(config), **outputs_of_teacher(config)}
        config = as_it_began(run, config, identity)  # what differs is reported before the long work
        with timeline.part("data"):
            folders, data = read(config)
        with timeline.part("setup"):
            setup = prepare(config, data, folders)
        config = setup.config
        # Only now: a mistake in the data or the weights must not cost an earlier run.
        identity = with_contents(identity, data.fingerprint, config.training.precision)
        if continues(run, config, identity):
            run.keep_settings(config, identity)
        else:
            run.create(config, identity)
        with run.naming_full_disk(), log_to(run.log_file):
            with timeline.part("baselines"):
                known, earlier = evaluate_known(config, data, setup), evaluate_earlier(config, data, setup)
            fitted = train(config, data, setup, run, timeline, callbacks)
            if fitted.interrupted:
                say_how_to_go_on(run, config)
                raise Preempted
            report = export_and_evaluate(Trained(config, data, setup, fitted, run, timeline, known, earlier))
            run.finish()
            say_what_next(run, config, report)
        cluster.release()
    return run


def train_along(config: TrainConfig) -> None:
    """Train as the chief does, on the other workers, which write nothing.

    They end when the chief has exported the model: until then, if it dies, all start again together.
    """
    from sftkeras.training.resume.identity import as_it_began, identity_of
    from sftkeras.training.resume.preemption import signals_end
    from sftkeras.training.workers import cluster

    run = RunFolder.of(config)
    with signals_end(lambda: run.is_unfinished):
        config = as_it_began(run, config, identity_of(config))
        folders, data = read(config)
        setup = prepare(config, data, folders)
        config = setup.config
        from sftkeras.training.fit import fit

        if fit(setup.model, setup.train, setup.validation, config, run).interrupted:
            raise Preempted
        cluster.wait_for_release()


def say_how_to_go_on(run: RunFolder, config: TrainConfig) -> None:
    """Ends an interrupted run with what can be done now."""
    export = f"Export what there is with: {next_commands.export_of(run.folder)}"
    say("The same command resumes from here.", export)


def say_what_next(run: RunFolder, config: TrainConfig, report: dict[str, Any]) -> None:
    """Ends with the paths and the commands that follow."""
    exported = report["export"]["path"]
    known = next_commands.with_model(Path(exported))
    backbone = run.best_backbone if run.best_backbone.exists() else None
    say(
        "",
        f"Exported model  {exported}",
        f"Report          {run.folder / 'report.html'}",
        "",
        "What to type next:",
        *(f"  {known[name]}" for name in ("predict", "evaluate")),
        *([f"  {next_commands.with_backbone(backbone, config.task.kind)}"] if backbone else []),
        f"  {program('tensorboard')} --logdir {shlex.quote(str(run.tensorboard))}",
    )
