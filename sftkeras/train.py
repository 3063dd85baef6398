"""`python -m sftkeras.train`: data → fit → export → report, as one story."""

from __future__ import annotations

import shlex
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras import commands
from sftkeras.config import TrainConfig, plain
from sftkeras.console import log_to, outputs, program, progress_bar, say
from sftkeras.data import quick_check
from sftkeras.errors import SFTError
from sftkeras.runs import Run

if TYPE_CHECKING:
    from sftkeras.data import LabelledData
    from sftkeras.exporting.export import ExportedVersion
    from sftkeras.exporting.fresh_process import FreshProcess
    from sftkeras.training.fit import Fitted
    from sftkeras.training.setup import Setup

Seconds = dict[str, float]


def main(config: TrainConfig) -> None:
    """Trains, exports and judges a model; with `dry_run`, says what that would take."""
    check_settings(config)
    if config.dry_run:
        rehearse(config)
        return
    run = Run.plan(config)
    seconds: Seconds = {}
    backbone_folder, data = read(config, seconds)
    setup = prepare(config, data, backbone_folder, seconds)
    run.create(config)  # only now: a mistake in the data or the weights must not cost an earlier run
    with run.naming_full_disk(), log_to(run.log_file):
        fitted = train(config, setup, run, seconds)
        if fitted.interrupted:
            say(f"Export what there is with: {export_command(run)}")
            raise KeyboardInterrupt
        report = export_and_judge(config, data, setup, fitted, run, seconds)
        say_what_next(run, report)


def check_settings(config: TrainConfig) -> None:
    """Finds what is wrong before anything heavy is imported or made."""
    from sftkeras.exporting.versions import check_writable

    if not config.backbone.handle:
        raise SFTError("SFT104", flag="--backbone.handle", remedy="Say where the pretrained weights are.")
    quick_check(config.data)
    check_writable(Path(config.export.folder).expanduser() / config.name, "--export.folder")


def read(config: TrainConfig, seconds: Seconds) -> tuple[Path, LabelledData]:
    """Fetches the weights, then reads, checks and divides the data, and shows what was found."""
    from sftkeras.data import DataError, describe, load_data, show_findings
    from sftkeras.handles import check_weights, resolve

    began = time.perf_counter()
    backbone_folder = resolve(config.backbone.handle)
    check_weights(backbone_folder)
    try:
        with progress_bar() as progress:
            data = load_data(config.data, config.task.label_kind, config.seed, progress)
    except DataError as error:
        show_findings(error.findings)
        raise
    show_findings(data.findings)
    say(describe(data))
    seconds["data"] = time.perf_counter() - began
    return backbone_folder, data


def prepare(config: TrainConfig, data: LabelledData, backbone_folder: Path, seconds: Seconds) -> Setup:
    """Loads the weights, tokenises the texts and plans the batches."""
    from sftkeras import runtime

    began = time.perf_counter()
    runtime.start_tensorflow()
    from sftkeras.training.setup import set_up

    setup = set_up(config, data, backbone_folder)
    say(setup.describe())
    seconds["setup"] = time.perf_counter() - began
    return setup


def train(config: TrainConfig, setup: Setup, run: Run, seconds: Seconds) -> Fitted:
    """Fits the model and leaves all that is needed to build it again in the run."""
    from sftkeras.training.fit import fit

    run.keep_model(setup.text_model, setup.backbone, config.backbone.pooling)
    fitted = fit(setup.model, setup.train, setup.validation, config, run)
    seconds["train"] = fitted.seconds
    if not fitted.interrupted:
        say(f"Best epoch: {fitted.best_epoch}. {fitted.examples_per_second:,.0f} examples/s.")
    return fitted


def export_and_judge(
    config: TrainConfig, data: LabelledData, setup: Setup, fitted: Fitted, run: Run, seconds: Seconds
) -> dict[str, Any]:
    """Publishes the SavedModel, lets it answer the test rows in a fresh process, and writes the report."""
    from sftkeras.exporting.fresh_process import FreshProcess

    with FreshProcess() as process:  # starts while the export is written
        began = time.perf_counter()
        try:
            version = export(config, data, run, process)
        except (SFTError, KeyboardInterrupt):
            say(f"Not exported, but the trained model is safe. Export it later with: {export_command(run)}")
            raise
        seconds["export"] = time.perf_counter() - began
        return judge_version(config, data, setup, fitted, version, process, run, seconds)


def export_command(run: Run) -> str:
    """What to type to export the run's best epoch."""
    return f"{program('python')} -m sftkeras.export --run {shlex.quote(str(run.folder))}"


def export(config: TrainConfig, data: LabelledData, run: Run, process: FreshProcess) -> ExportedVersion:
    """Builds the best model again from the run's folder, in float32, and publishes it if it proves equal."""
    from sftkeras import runtime
    from sftkeras.exporting.contract import Origin
    from sftkeras.exporting.export import export as publish

    runtime.full_precision()
    origin = Origin.of(config, data.fingerprint, {part: len(rows) for part, rows in data.splits.items()})
    origin.write(run.origin_file)
    samples = data.splits["test"][:8]
    return publish(
        run.restore_model(),
        Path(config.export.folder).expanduser() / config.name,
        origin=origin,
        sample_texts=data.examples.texts(samples),
        sample_pairs=data.examples.pairs(samples),
        process=process,
    )


def judge_version(
    config: TrainConfig,
    data: LabelledData,
    setup: Setup,
    fitted: Fitted,
    version: ExportedVersion,
    process: FreshProcess,
    run: Run,
    seconds: Seconds,
) -> dict[str, Any]:
    """Writes the report of the exported version, and its figures into TensorBoard and the version's contract."""
    from sftkeras import runtime
    from sftkeras.evaluation import RunFacts, print_summary, write_report
    from sftkeras.exporting.contract import update_contract
    from sftkeras.judging import baselines_for, curves, judge, samples
    from sftkeras.training.tensorboard import write_answers

    began = time.perf_counter()
    judged = judge(process, data, setup.text_model.task.settings(), batch_size=config.training.batch_size)
    seconds["judge"] = time.perf_counter() - began
    facts = RunFacts(
        name=config.name,
        examples={part: len(rows) for part, rows in data.splits.items()},
        model={
            "backbone": config.backbone.handle,
            "parameters": setup.model.network.count_params(),
            "best_epoch": fitted.best_epoch,
        },
        config=plain(config),
        history=fitted.record.epochs,
        step_losses=fitted.record.losses,
        findings=[found.to_json() for found in (*data.findings, *setup.tokens.findings())],
        export={
            "path": str(version.path),
            "version": version.version,
            "parity": version.parity,
            "size_ratio": version.size_ratio,
            "examples_per_second": process.examples_per_second,
        },
        seconds=seconds,
        examples_per_second=fitted.examples_per_second,
        versions=runtime.versions(),
        seed=config.seed,
    )
    baselines = baselines_for(judged, data, config.report, config.seed)
    report = write_report(run.folder, judged, facts, baselines, config.report)
    update_contract(version.path, metrics=report["metrics"])
    write_answers(
        run.tensorboard,
        config,
        metrics=report["metrics"],
        pictures={name: run.folder / path for name, path in report["pictures"].items()},
        curves=curves(judged),
        samples=samples(judged),
    )
    for output in outputs():
        print_summary(report, console=output)
    return report


def rehearse(config: TrainConfig) -> None:
    """Runs a few real steps on the real data and says what the whole would take."""
    backbone_folder, data = read(config, {})
    from sftkeras import runtime

    runtime.start_tensorflow()
    from sftkeras.training.dry_run import dry_run

    dry_run(config, data, backbone_folder)


def say_what_next(run: Run, report: dict[str, Any]) -> None:
    """Ends with the paths and the commands that follow."""
    version = Path(report["export"]["path"])
    model, python = shlex.quote(str(version.parent)), program("python")
    say(
        "",
        f"Exported model  {version}",
        f"Report          {run.folder / 'report.html'}",
        "",
        "What to type next:",
        f'  {python} -m sftkeras.predict --model {model} "a text of yours"',
        f"  {python} -m sftkeras.evaluate --model {model} --data FILE",
        f"  {program('tensorboard')} --logdir {shlex.quote(str(run.tensorboard))}",
    )


if __name__ == "__main__":
    commands.run(main, TrainConfig)
