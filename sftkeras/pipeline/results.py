"""From a fitted model to its exported version and its report."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras import runtime
from sftkeras.command_line import next_commands
from sftkeras.config import plain
from sftkeras.console import outputs, say, waiting
from sftkeras.errors import SFTError
from sftkeras.pipeline.checks import transformers_of
from sftkeras.pipeline.rounded_export import export_rounded
from sftkeras.pipeline.stages import Trained, exported_predictor, row_counts
from sftkeras.runs.restoring import restore_model, write_best_backbone
from sftkeras.tasks import spec_of

if TYPE_CHECKING:
    from sftkeras.evaluation import RunFacts
    from sftkeras.evaluation.contract import Predict
    from sftkeras.exporting.exported import ExportedVersion
    from sftkeras.exporting.prediction_process import PredictionProcess


def export_and_evaluate(trained: Trained) -> dict[str, Any]:
    """Publishes the SavedModel, lets it answer the test rows in a fresh process, and writes the report."""
    runtime.full_precision()
    from sftkeras.exporting.contract import read_contract, update_contract
    from sftkeras.exporting.prediction_process import PredictionProcess

    with PredictionProcess() as process:  # starts while the export is written
        try:
            with trained.timeline.part("export"), waiting("Exporting the model"):
                version = export(trained, process)
        except (SFTError, KeyboardInterrupt):
            later = next_commands.export_of(trained.run.folder)
            say(f"Not exported, but the trained model is safe. Export it later with: {later}")
            raise
        contract = read_contract(version.path)
        predict = exported_predictor(process, contract, trained.config.training.batch_size)
        report = report_on(trained, contract["task"], predict, lambda: facts_of_exports(trained, version, process))
    update_contract(version.path, metrics=report["metrics"])
    return report


def export(trained: Trained, process: PredictionProcess) -> ExportedVersion:
    """Builds the best model again from the run's folder, in float32, and publishes it if it proves equal."""
    from sftkeras.exporting.contract import ModelOrigin
    from sftkeras.exporting.export import export as publish
    from sftkeras.exporting.transformers_parity import comparison

    config, data, run = trained.config, trained.data, trained.run
    if spec_of(config.task.kind).gives_backbone:
        write_best_backbone(run)
    samples = data.splits["test"][:8]
    peer = transformers_of(config)
    version = publish(
        restore_model(run),
        Path(config.export.folder).expanduser() / config.name,
        origin=ModelOrigin.read(run.origin_file),
        sample_texts=data.examples.texts(samples),
        sample_pairs=data.examples.pairs(samples),
        process=process,
        server=config.export.server,
        note=run.export_note,
        prove=comparison(peer, run.best_backbone) if peer else None,
    )
    run.note_export(version.path)
    return version


def report_on(
    trained: Trained, task: Mapping[str, Any], predict: Predict, exported: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """Writes the report of the best model, and its figures into TensorBoard.

    Args:
        trained: the fitted model.
        task: settings of the trained task.
        predict: the model.
        exported: gives, once it has predicted, what the report says of its export.
    """
    from sftkeras.evaluation import print_summary, write_report
    from sftkeras.evaluation.evaluate import baselines_for, evaluate, samples
    from sftkeras.evaluation.report.compared import BeforeAndAfter
    from sftkeras.training.watching.tensorboard import write_evaluation

    config, data, run = trained.config, trained.data, trained.run
    evaluation = spec_of(config.task.kind).evaluation(task)
    with trained.timeline.part("judge"):
        evaluated = evaluate(evaluation, predict, data)
        parts = [
            BeforeAndAfter(
                one.run,
                one.earlier,
                one.evaluated,
                evaluate(evaluation, predict, one.data) if one.earlier else evaluated,
            )
            for one in trained.earlier
        ]
    with trained.timeline.part("baselines"), waiting("Evaluating the baselines"):
        baselines = baselines_for(evaluation, evaluated, data, config.report, config.seed, *trained.known)
    facts = replace(facts_of(trained, exported()), before_and_after=parts)
    with waiting("Writing the report"):
        report = write_report(run.folder, evaluation, evaluated, facts, baselines, config.report)
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


def facts_of_exports(trained: Trained, version: ExportedVersion, process: PredictionProcess) -> dict[str, Any]:
    """Report's facts about the exact version, and about a rounded one, which is published here if settings want it.

    A rounded one that is refused leaves a warning: the exact one is there.
    """
    facts = facts_of_export(version, process)
    if trained.config.export.precision == "float32":
        return facts
    try:
        with trained.timeline.part("export"), waiting("Exporting the model with rounded weights"):
            rounded = export_rounded(trained.run, trained.config, trained.data, process)
    except SFTError as error:
        say(f"Warning: {error}")
        return {**facts, "rounded": str(error)}
    assert rounded.agreement
    say(f"Rounded model   {rounded.path}. {rounded.agreement.describe()}")
    agreed = {"equal": rounded.agreement.equal, "largest_difference": rounded.agreement.largest_difference}
    return {**facts, "rounded": str(rounded.path), **{f"rounded_{name}": value for name, value in agreed.items()}}


def facts_of_export(version: ExportedVersion, process: PredictionProcess) -> dict[str, Any]:
    """Report's facts about an exported version, which a process has predicted with."""
    return {
        "path": str(version.path),
        "version": version.version,
        "parity": version.parity,
        "size_ratio": version.size_ratio,
        "examples_per_second": process.examples_per_second,
    }


def facts_of(trained: Trained, export: dict[str, Any]) -> RunFacts:
    """Facts of a report besides its figures: how the model was made, and what was exported."""
    from sftkeras.backbones.dense.held_kernels import count_parameters
    from sftkeras.evaluation import RunFacts
    from sftkeras.tuning.tuning import learned_parameters

    config, setup, fitted = trained.config, trained.setup, trained.fitted
    return RunFacts(
        name=config.name,
        examples=row_counts(trained.data),
        model={
            "backbone": config.backbone.handle,
            **({"notes": "; ".join(setup.backbone.notes)} if setup.backbone.notes else {}),
            "parameters": count_parameters(setup.model.network),
            "learned_parameters": learned_parameters(setup.model.network),
            "best_epoch": fitted.best_epoch,
        },
        config=plain(config),
        history=fitted.record.epochs,
        step_losses=fitted.record.losses,
        findings=[found.to_json() for found in (*trained.data.findings, *setup.findings())],
        export=export,
        seconds={"train": fitted.seconds},
        timeline=trained.timeline,
        time=fitted.time,
        examples_per_second=fitted.examples_per_second,
        versions=runtime.versions(),
        seed=config.seed,
        rows=trained.data.examples.rows_fingerprint(trained.data.splits["test"]),
    )
