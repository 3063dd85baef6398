"""An exported version evaluated on labelled rows: of a file, or of its own run. Needs no Keras."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.command_line import commands
from sftkeras.command_line.remedies import in_flags_of
from sftkeras.config import DataConfig, EvaluateConfig, TrainConfig, plain
from sftkeras.console import outputs, progress_bar, waiting
from sftkeras.errors import SFTError
from sftkeras.exporting.contract import check_weights, read_contract
from sftkeras.exporting.versions import find_version
from sftkeras.runs import RunFolder
from sftkeras.tasks import spec_of

if TYPE_CHECKING:
    from sftkeras.data import LabelledData

_BATCH_SIZE = 32


def evaluate(config: EvaluateConfig) -> tuple[Path, dict[str, Any]]:
    """Reads the labelled rows, predicts them by the exported version, and writes the report.

    Returns:
        The version, and its report.
    """
    run = _run_of(config.model)
    version = find_version(run.last_export() if run else config.model)
    contract = read_contract(version)
    data = _read(config, contract, run)
    check_weights(version, contract)
    return version, report_on(config, version, contract, data, Path(config.output).expanduser())


def report_on(
    config: EvaluateConfig, version: Path, contract: dict[str, Any], data: LabelledData, output: Path
) -> dict[str, Any]:
    """Writes the report of one version on the test part of `data`."""
    from sftkeras.evaluation import RunFacts, print_summary, write_report
    from sftkeras.evaluation.evaluate import baselines_for, predictor_of
    from sftkeras.evaluation.evaluate import evaluate as evaluate_rows
    from sftkeras.exporting.prediction_process import PredictionProcess

    evaluation = spec_of(contract["task"]["kind"]).evaluation(contract["task"])
    with PredictionProcess(version, gpu=True) as process:
        evaluated = evaluate_rows(evaluation, predictor_of(process, _BATCH_SIZE), data)
        speed = process.examples_per_second
    facts = RunFacts(
        name=contract["name"],
        examples={part: len(rows) for part, rows in data.splits.items() if len(rows)},
        model={"backbone": contract["origin"]["backbone"]},
        config=plain(config),
        findings=[found.to_json() for found in data.findings],
        export={
            "path": str(version),
            "version": int(version.name) if version.name.isdecimal() else None,
            "parity": contract.get("parity"),
            "examples_per_second": speed,
        },
        seconds={"judge": len(evaluated) / speed},
        versions=contract["versions"],
        rows=data.examples.rows_fingerprint(data.splits["test"]),
    )
    seed = contract["origin"]["seed"] or facts.seed
    with waiting("Evaluating the baselines"):
        baselines = baselines_for(evaluation, evaluated, data, config.report, seed)
    with waiting("Writing the report"):
        report = write_report(output, evaluation, evaluated, facts, baselines, config.report)
    for console in outputs():
        print_summary(report, evaluation, console=console)
    return report


def _run_of(model: str) -> RunFolder | None:
    return RunFolder.open(model) if model and RunFolder(Path(model).expanduser()).config_file.exists() else None


def _read(config: EvaluateConfig, contract: dict[str, Any], run: RunFolder | None) -> LabelledData:
    """The labelled rows: of the file that is given, read as the training data was, or of the run's own parts."""
    from sftkeras.data import load_data, load_file, show_findings

    spec = spec_of(contract["task"]["kind"])
    label_kind = spec.label_kind(spec.restored(contract["task"]))
    with progress_bar() as progress:
        if config.data.test is not None:
            columns = {name: value for name in ("text", "pair", "label") if (value := getattr(config, name))}
            # Which rows of the training file were used says nothing about another file.
            recorded = spec.as_recorded(DataConfig(**contract["origin"]["data"]))
            settings = config.data.over(replace(recorded, where=None, **columns))
            names = contract["task"].get("label_names", ())
            data = load_file(config.data.test, settings, label_kind, names, progress)
        elif run is not None:
            _refuse_reading_without_file(config)
            trained = commands.parse(TrainConfig, ["--config", str(run.config_file)])
            data = load_data(spec.as_recorded(trained.data), label_kind, trained.seed, progress)
        else:
            raise SFTError("SFT104", flag="--data", remedy="Give labelled texts, or a run folder as --model.")
    findings = tuple(replace(found, message=in_flags_of(EvaluateConfig, found.message)) for found in data.findings)
    show_findings(findings, label_kind=label_kind, parts=config.data.test is None)
    return replace(data, findings=findings)


def _refuse_reading_without_file(config: EvaluateConfig) -> None:
    """Raises SFT607 for a setting that says how a file is read, where the run's own parts are."""
    given = [f"data.{name}" for name, value in vars(config.data).items() if value is not None]
    given += [name for name in ("text", "pair", "label") if getattr(config, name)]
    if given:
        raise SFTError("SFT607", flag=f"--{given[0]}")
