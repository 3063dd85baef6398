"""`python -m sftkeras.train`: data → fit → export → report, as one story."""

from __future__ import annotations

import shlex
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.command_line import commands, next_commands
from sftkeras.command_line.ending import take_apart_at_end
from sftkeras.config import TASKS, TrainConfig, added_tokens, plain, with_task_columns
from sftkeras.console import be_quiet, log_to, outputs, program, progress_bar, say
from sftkeras.data import quick_check
from sftkeras.errors import Preempted, SFTError
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import restore_model, write_encoder
from sftkeras.tasks import spec_of

if TYPE_CHECKING:
    from sftkeras.backbones.fetching import BackboneFolders
    from sftkeras.data import LabelledData
    from sftkeras.evaluation import RunFacts
    from sftkeras.evaluation.baselines import Baseline
    from sftkeras.exporting.exported import ExportedVersion
    from sftkeras.exporting.prediction_process import PredictionProcess
    from sftkeras.training.fit import Fitted
    from sftkeras.training.setup import Setup

Seconds = dict[str, float]

_STARTED = time.perf_counter()


@dataclass(frozen=True)
class Trained:
    """What is known once the model is fitted: all that its export and its report are made of."""

    config: TrainConfig
    data: LabelledData
    setup: Setup
    fitted: Fitted
    run: RunFolder
    seconds: Seconds
    untuned: Baseline | None = None


def main(config: TrainConfig) -> None:
    """Trains, exports and evaluates a model; with `dry_run`, says what that would take."""
    from sftkeras.training.workers import cluster

    config = with_task_columns(config)
    cluster.enter(config.training.strategy)
    if config.training.strategy == "multi_worker":
        take_apart_at_end()  # TensorFlow leaves the other workers only then
    check_settings(config)
    if not cluster.is_chief():
        be_quiet()
    if config.dry_run:
        rehearse(config)
        return
    with cluster.naming_lost_worker():
        if cluster.is_chief():
            train_and_export(config)
        else:
            train_along(config)


def train_and_export(config: TrainConfig) -> None:
    """The whole of a run: by the one process there is, or by the chief of several."""
    from sftkeras.training.resume.identity import continues, identity_of
    from sftkeras.training.resume.preemption import signals_end
    from sftkeras.training.workers import cluster

    run = RunFolder.plan(config)
    with run.claimed(), signals_end(lambda: run.is_unfinished):
        RunFolder.plan(config)  # again: another process may have ended the run just before this one claimed it
        continues(run, config, identity_of(config))  # what differs is told before the long work
        seconds: Seconds = {}
        folders, data = read(config, seconds)
        setup = prepare(config, data, folders, seconds)
        # Only now: a mistake in the data or the weights must not cost an earlier run.
        identity = identity_of(config, data.fingerprint)
        if continues(run, config, identity):
            run.keep_settings(config, identity)
        else:
            run.create(config, identity)
        with run.naming_full_disk(), log_to(run.log_file):
            began = time.perf_counter()
            untuned = evaluate_untuned(config, data, setup)
            seconds["baselines"] = time.perf_counter() - began
            fitted = train(config, data, setup, run, seconds)
            if fitted.interrupted:
                say_how_to_go_on(run)
                raise Preempted
            report = export_and_evaluate(Trained(config, data, setup, fitted, run, seconds, untuned))
            run.finish()
            say_what_next(run, report)
        cluster.release()


def train_along(config: TrainConfig) -> None:
    """What the other workers do while the chief trains: the same, but that they write nothing.

    They end when the chief has exported the model: until then, if it dies, all start again together.
    """
    from sftkeras.training.resume.preemption import signals_end
    from sftkeras.training.workers import cluster

    run = RunFolder.of(config)
    with signals_end(lambda: run.is_unfinished):
        folders, data = read(config, {})
        setup = prepare(config, data, folders, {})
        from sftkeras.training.fit import fit

        if fit(setup.model, setup.train, setup.validation, config, run).interrupted:
            raise Preempted
        cluster.wait_for_release()


def check_settings(config: TrainConfig) -> None:
    """Finds what is wrong before anything heavy is imported or made."""
    from sftkeras.exporting.op_gate import known_release
    from sftkeras.exporting.versions import check_writable
    from sftkeras.training.encoder_needs import check_tokens
    from sftkeras.training.task_settings import check_task
    from sftkeras.training.workers.cluster import is_chief

    if not config.backbone.handle:
        raise SFTError("SFT104", flag="--backbone.handle", remedy="Say where the pretrained weights are.")
    check_task(config)
    if Path(config.backbone.handle).expanduser().resolve() == RunFolder.of(config).folder.resolve():
        problem = "it is the run that --backbone.handle begins with, which would be lost. Choose another name."
        raise SFTError("SFT102", flag="--name", problem=problem)
    check_layers(config)
    check_tokens(config)
    check_trackers(config.training.trackers)
    if config.export.server:
        known_release(config.export.server)
    quick_check(config.data, spec_of(config.task.kind).label_kind(config.task))
    if is_chief():  # the one that exports; two that try the folder at once get in each other's way
        check_writable(Path(config.export.folder).expanduser() / config.name, "--export.folder")


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
    from sftkeras.training.task_settings import check_installed

    for tracker in trackers:
        check_installed(tracker, tracker)


def read(config: TrainConfig, seconds: Seconds) -> tuple[BackboneFolders, LabelledData]:
    """Fetches the weights, then reads, checks and divides the data, and shows what was found."""
    from sftkeras.backbones.fetching import fetch_backbone
    from sftkeras.data import DataError, describe, load_data, show_findings

    began = time.perf_counter()
    seconds["start"] = began - _STARTED
    backbone, label_kind = config.backbone, spec_of(config.task.kind).label_kind(config.task)
    folders = fetch_backbone(backbone.handle, backbone.preprocessor, max_length=backbone.max_length)
    try:
        with progress_bar() as progress:
            data = load_data(config.data, label_kind, config.seed, progress)
    except DataError as error:
        show_findings(error.findings, label_kind=label_kind, complete=error.complete)
        raise
    show_findings(data.findings, label_kind=label_kind)
    say(describe(data))
    seconds["data"] = time.perf_counter() - began
    return folders, data


def prepare(config: TrainConfig, data: LabelledData, folders: BackboneFolders, seconds: Seconds) -> Setup:
    """Loads the weights, tokenises the texts and plans the batches."""
    from sftkeras import runtime

    began = time.perf_counter()
    runtime.start_tensorflow()
    from sftkeras.training.setup import set_up

    setup = set_up(config, data, folders)
    say(setup.describe())
    seconds["setup"] = time.perf_counter() - began
    return setup


def evaluate_untuned(config: TrainConfig, data: LabelledData, setup: Setup) -> Baseline | None:
    """What the encoder answers before it learns, where a task can be asked so; a baseline of the report."""
    if not (TASKS[config.task.kind].answers_untuned and config.report.baselines):
        return None
    from sftkeras.evaluation.evaluate import evaluate_untuned as evaluate
    from sftkeras.exporting.in_memory import predictor
    from sftkeras.tasks.masked_lm.vocabulary_head import VocabularyHead

    head = VocabularyHead.of(setup.text_model.network)
    if head and not head.pretrained:
        return None
    predict = predictor(setup.text_model, config.training.batch_size)
    return evaluate(predict, data, setup.text_model.task.settings())


def train(config: TrainConfig, data: LabelledData, setup: Setup, run: RunFolder, seconds: Seconds) -> Fitted:
    """Fits the model and leaves all that is needed to build it again in the run."""
    from sftkeras.exporting.contract import Origin
    from sftkeras.training.fit import fit
    from sftkeras.training.thresholds import choose_thresholds

    run.keep_model(setup.text_model, setup.backbone, config.backbone.text_pooling, added_tokens(config))
    Origin.of(config, data.fingerprint, row_counts(data)).write(run.origin_file)
    fitted = fit(setup.model, setup.train, setup.validation, config, run)
    seconds["train"] = fitted.seconds
    if not fitted.interrupted:
        began = time.perf_counter()
        choose_thresholds(run, setup.text_model.task, data, batch_size=config.training.batch_size)
        seconds["tune"] = time.perf_counter() - began
        say(f"Best epoch: {fitted.best_epoch}. {fitted.examples_per_second:,.0f} examples/s.")
    return fitted


def row_counts(data: LabelledData) -> dict[str, int]:
    """How many rows each part has."""
    return {part: len(rows) for part, rows in data.splits.items()}


def export_and_evaluate(trained: Trained) -> dict[str, Any]:
    """Publishes the SavedModel, lets it answer the test rows in a fresh process, and writes the report."""
    from sftkeras.exporting.prediction_process import PredictionProcess

    with PredictionProcess() as process:  # starts while the export is written
        began = time.perf_counter()
        try:
            version = export(trained, process)
        except (SFTError, KeyboardInterrupt):
            later = next_commands.export_of(trained.run.folder)
            say(f"Not exported, but the trained model is safe. Export it later with: {later}")
            raise
        trained.seconds["export"] = time.perf_counter() - began
        return evaluate_export(trained, version, process)


def say_how_to_go_on(run: RunFolder) -> None:
    """Ends an interrupted run with what can be done now."""
    say("The same command goes on from here.", f"Export what there is with: {next_commands.export_of(run.folder)}")


def export(trained: Trained, process: PredictionProcess) -> ExportedVersion:
    """Builds the best model again from the run's folder, in float32, and publishes it if it proves equal."""
    from sftkeras import runtime
    from sftkeras.exporting.contract import Origin
    from sftkeras.exporting.export import export as publish

    config, data, run = trained.config, trained.data, trained.run
    runtime.full_precision()
    if TASKS[config.task.kind].gives_backbone:
        write_encoder(run)
    samples = data.splits["test"][:8]
    version = publish(
        restore_model(run),
        Path(config.export.folder).expanduser() / config.name,
        origin=Origin.read(run.origin_file),
        sample_texts=data.examples.texts(samples),
        sample_pairs=data.examples.pairs(samples),
        process=process,
        server=config.export.server,
        note=run.export_note,
    )
    run.note_export(version.path)
    return version


def evaluate_export(trained: Trained, version: ExportedVersion, process: PredictionProcess) -> dict[str, Any]:
    """Writes the report of the exported version, and its figures into TensorBoard and the version's contract."""
    from sftkeras.evaluation import print_summary, write_report
    from sftkeras.evaluation.evaluate import baselines_for, curves, evaluate_version, samples
    from sftkeras.exporting.contract import read_contract, update_contract
    from sftkeras.training.watching.tensorboard import write_answers

    config, data, run = trained.config, trained.data, trained.run
    began = time.perf_counter()
    task = read_contract(version.path)["task"]
    evaluated = evaluate_version(process, data, task, batch_size=config.training.batch_size)
    trained.seconds["judge"] = time.perf_counter() - began
    began = time.perf_counter()
    known = (trained.untuned,) if trained.untuned else ()
    baselines = baselines_for(evaluated, data, config.report, config.seed, *known)
    trained.seconds["baselines"] += time.perf_counter() - began
    facts = facts_of(trained, version, process.examples_per_second)
    report = write_report(run.folder, evaluated, facts, baselines, config.report)
    update_contract(version.path, metrics=report["metrics"])
    write_answers(
        run.tensorboard,
        config,
        metrics=report["metrics"],
        pictures={name: run.folder / path for name, path in report["pictures"].items()},
        curves=curves(evaluated),
        samples=samples(evaluated),
    )
    for output in outputs():
        print_summary(report, console=output)
    return report


def facts_of(trained: Trained, version: ExportedVersion, served_per_second: float) -> RunFacts:
    """What the report says besides the figures: how the model came about, and what was exported."""
    from sftkeras import runtime
    from sftkeras.evaluation import RunFacts

    config, setup, fitted = trained.config, trained.setup, trained.fitted
    return RunFacts(
        name=config.name,
        examples=row_counts(trained.data),
        model={
            "backbone": config.backbone.handle,
            **({"notes": "; ".join(setup.backbone.notes)} if setup.backbone.notes else {}),
            "parameters": setup.model.network.count_params(),
            "best_epoch": fitted.best_epoch,
        },
        config=plain(config),
        history=fitted.record.epochs,
        step_losses=fitted.record.losses,
        findings=[found.to_json() for found in (*trained.data.findings, *setup.findings())],
        export={
            "path": str(version.path),
            "version": version.version,
            "parity": version.parity,
            "size_ratio": version.size_ratio,
            "examples_per_second": served_per_second,
        },
        seconds=trained.seconds,
        time=fitted.time,
        examples_per_second=fitted.examples_per_second,
        versions=runtime.versions(),
        seed=config.seed,
        rows=trained.data.examples.rows_fingerprint(trained.data.splits["test"]),
    )


def rehearse(config: TrainConfig) -> None:
    """Runs a few real steps on the real data and says what the whole would take."""
    folders, data = read(config, {})
    from sftkeras import runtime

    runtime.start_tensorflow()
    from sftkeras.training.dry_run import dry_run

    dry_run(config, data, folders)


def say_what_next(run: RunFolder, report: dict[str, Any]) -> None:
    """Ends with the paths and the commands that follow."""
    version = Path(report["export"]["path"])
    known = next_commands.with_model(version)
    say(
        "",
        f"Exported model  {version}",
        f"Report          {run.folder / 'report.html'}",
        "",
        "What to type next:",
        f"  {known['predict']}",
        f"  {known['evaluate']}",
        *([f"  {next_commands.with_encoder(run.encoder)}"] if run.encoder.exists() else []),
        f"  {program('tensorboard')} --logdir {shlex.quote(str(run.tensorboard))}",
    )


if __name__ == "__main__":
    commands.run(main, TrainConfig)
