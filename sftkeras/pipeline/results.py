"""From a fitted model to its exported version and its report."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.command_line import next_commands
from sftkeras.config import plain
from sftkeras.console import outputs, say, waiting
from sftkeras.errors import SFTError
from sftkeras.pipeline.stages import Trained, row_counts
from sftkeras.runs.restoring import restore_model, write_encoder
from sftkeras.tasks import spec_of

if TYPE_CHECKING:
    from sftkeras.evaluation import RunFacts
    from sftkeras.exporting.exported import ExportedVersion
    from sftkeras.exporting.prediction_process import PredictionProcess


def export_and_evaluate(trained: Trained) -> dict[str, Any]:
    """Publishes the SavedModel, lets it answer the test rows in a fresh process, and writes the report."""
    from sftkeras.exporting.prediction_process import PredictionProcess

    with PredictionProcess() as process:  # starts while the export is written
        try:
            with trained.timeline.part("export"), waiting("Exporting the model"):
                version = export(trained, process)
        except (SFTError, KeyboardInterrupt):
            later = next_commands.export_of(trained.run.folder)
            say(f"Not exported, but the trained model is safe. Export it later with: {later}")
            raise
        return evaluate_export(trained, version, process)


def export(trained: Trained, process: PredictionProcess) -> ExportedVersion:
    """Builds the best model again from the run's folder, in float32, and publishes it if it proves equal."""
    from sftkeras import runtime
    from sftkeras.exporting.contract import ModelOrigin
    from sftkeras.exporting.export import export as publish

    config, data, run = trained.config, trained.data, trained.run
    runtime.full_precision()
    if spec_of(config.task.kind).gives_backbone:
        write_encoder(run)
    samples = data.splits["test"][:8]
    version = publish(
        restore_model(run),
        Path(config.export.folder).expanduser() / config.name,
        origin=ModelOrigin.read(run.origin_file),
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
    from sftkeras.evaluation.evaluate import baselines_for, evaluate, predictor_of, samples
    from sftkeras.exporting.contract import read_contract, update_contract
    from sftkeras.training.watching.tensorboard import write_evaluation

    config, data, run = trained.config, trained.data, trained.run
    task = read_contract(version.path)["task"]
    evaluation = spec_of(config.task.kind).evaluation(task)
    with trained.timeline.part("judge"):
        evaluated = evaluate(evaluation, predictor_of(process, config.training.batch_size), data)
    known = (trained.untuned,) if trained.untuned else ()
    with trained.timeline.part("baselines"), waiting("Evaluating the baselines"):
        baselines = baselines_for(evaluation, evaluated, data, config.report, config.seed, *known)
    facts = facts_of(trained, version, process.examples_per_second)
    with waiting("Writing the report"):
        report = write_report(run.folder, evaluation, evaluated, facts, baselines, config.report)
    update_contract(version.path, metrics=report["metrics"])
    write_evaluation(
        run.tensorboard,
        config,
        metrics=report["metrics"],
        headline=report["headline"]["metric"],
        best_epoch=trained.fitted.best_figures,
        pictures={name: run.folder / path for name, path in report["pictures"].items()},
        curves=evaluation.curves(evaluated),
        samples=samples(evaluated),
    )
    for output in outputs():
        print_summary(report, evaluation, console=output)
    return report


def facts_of(trained: Trained, version: ExportedVersion, served_per_second: float) -> RunFacts:
    """Facts of a report besides its figures: how the model was made, and what was exported."""
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
        seconds={"train": fitted.seconds},
        timeline=trained.timeline,
        time=fitted.time,
        examples_per_second=fitted.examples_per_second,
        versions=runtime.versions(),
        seed=config.seed,
        rows=trained.data.examples.rows_fingerprint(trained.data.splits["test"]),
    )
