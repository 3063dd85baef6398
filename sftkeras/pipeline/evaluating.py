"""A model evaluated on labelled rows, of a file or of its own run.

The exported version predicts in a process of its own, which needs no Keras.
"""

from __future__ import annotations

import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras.command_line.remedies import in_flags_of
from sftkeras.config import DataConfig, EvaluateConfig, plain
from sftkeras.console import outputs, progress_bar, waiting
from sftkeras.errors import SFTError
from sftkeras.exporting.contract import ModelOrigin, check_weights, read_contract
from sftkeras.exporting.versions import find_version
from sftkeras.pipeline.run_rows import read_rows, settings_of
from sftkeras.runs import RunFolder
from sftkeras.tasks import spec_of

if TYPE_CHECKING:
    from sftkeras.data import LabelledData
    from sftkeras.data.labels.contract import LabelKind
    from sftkeras.evaluation import Evaluation

_BATCH_SIZE = 32


@dataclass(frozen=True)
class Subject:
    """The model that is evaluated.

    Attributes:
        name: of the run and the model.
        task: settings of the trained task.
        origin: where it comes from.
        versions: of the packages that matter.
    """

    name: str
    task: dict[str, Any]
    origin: ModelOrigin
    versions: dict[str, str]


def evaluate(config: EvaluateConfig) -> tuple[Path, dict[str, Any]]:
    """Reads the labelled rows, predicts them by the model, and writes the report.

    Returns:
        The exported version and the report.
    """
    run = _run_of(config.model)
    version = find_version(run.last_export() if run else config.model)
    return version, evaluate_version(version, config, run)


def evaluate_version(
    version: Path, config: EvaluateConfig, run: RunFolder | None, data: LabelledData | None = None
) -> dict[str, Any]:
    """Evaluates an exported version; returns the report.

    Args:
        version: its folder.
        config: where the rows are, and where the report goes.
        run: whose rows are taken where `config` names no file.
        data: these rows, where they are read already.
    """
    from sftkeras.evaluation.evaluate import evaluate as evaluate_rows
    from sftkeras.exporting.prediction_process import PredictionProcess
    from sftkeras.pipeline.stages import exported_predictor

    contract = read_contract(version)
    subject = Subject(contract["name"], contract["task"], ModelOrigin(**contract["origin"]), contract["versions"])
    spec = spec_of(subject.task["kind"])
    data = data or _read(config, subject, spec.label_kind(spec.restored(subject.task)), run)
    check_weights(version, contract)
    evaluation = spec.evaluation(subject.task)
    with PredictionProcess(version, gpu=True) as process:
        began = time.perf_counter()
        evaluated = evaluate_rows(evaluation, exported_predictor(process, contract, _BATCH_SIZE), data)
        speed = process.examples_per_second or len(evaluated) / (time.perf_counter() - began)
    export = {
        "path": str(version),
        "version": int(version.name) if version.name.isdecimal() else None,
        "parity": contract.get("parity"),
        "examples_per_second": speed,
    }
    return _report(config, subject, evaluation, evaluated, data, len(evaluated) / speed, export)


def _report(
    config: EvaluateConfig,
    subject: Subject,
    evaluation: Evaluation,
    evaluated: Any,
    data: LabelledData,
    seconds: float,
    export: dict[str, Any],
) -> dict[str, Any]:
    """Writes the report of what a model has predicted for the test part of `data`, in so many seconds."""
    from sftkeras.evaluation import RunFacts, print_summary, write_report
    from sftkeras.evaluation.evaluate import baselines_for

    facts = RunFacts(
        name=subject.name,
        examples={part: len(rows) for part, rows in data.splits.items() if len(rows)},
        model={"backbone": subject.origin.backbone},
        config=plain(config),
        findings=[found.to_json() for found in data.findings],
        export=export,
        seconds={"judge": seconds},
        versions=subject.versions,
        rows=data.examples.rows_fingerprint(data.splits["test"]),
    )
    seed = subject.origin.seed or facts.seed
    with waiting("Evaluating the baselines"):
        baselines = baselines_for(evaluation, evaluated, data, config.report, seed)
    with waiting("Writing the report"):
        report = write_report(Path(config.output).expanduser(), evaluation, evaluated, facts, baselines, config.report)
    for console in outputs():
        print_summary(report, evaluation, console=console)
    return report


def _run_of(model: str) -> RunFolder | None:
    return RunFolder.open(model) if model and RunFolder(Path(model).expanduser()).config_file.exists() else None


def _read(config: EvaluateConfig, subject: Subject, label_kind: LabelKind, run: RunFolder | None) -> LabelledData:
    """The labelled rows: of the file that is given, read as the training data was, or of the run's own parts."""
    from sftkeras.data import load_file, show_findings

    if config.data.test is not None:
        columns = {name: value for name in ("text", "pair", "label") if (value := getattr(config, name))}
        # Which rows of the training file were used says nothing about another file.
        recorded = spec_of(subject.task["kind"]).as_recorded(DataConfig(**subject.origin.data))
        settings = config.data.over(replace(recorded, where=None, **columns))
        names = subject.task.get("label_names", ())
        with progress_bar() as progress:
            data = load_file(config.data.test, settings, label_kind, names, progress)
    elif run is not None:
        _refuse_reading_without_file(config)
        data = read_rows(settings_of(run), subject.task)
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
