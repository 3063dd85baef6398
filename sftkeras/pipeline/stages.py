"""From settings to a fitted model: read, prepare, train; or rehearse it. What is made of the model is in `results`."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from sftkeras.config import TrainConfig, added_tokens
from sftkeras.console import progress_bar, say, waiting
from sftkeras.disk.files import write_errors
from sftkeras.pipeline.earlier_rows import with_earlier_rows
from sftkeras.runs import RunFolder
from sftkeras.tasks import spec_of
from sftkeras.timeline import Timeline

if TYPE_CHECKING:
    import keras

    from sftkeras.backbones.fetching import BackboneFolders
    from sftkeras.data import LabelledData
    from sftkeras.evaluation.baselines import Baseline
    from sftkeras.evaluation.contract import Evaluation, Predict
    from sftkeras.exporting.prediction_process import PredictionProcess
    from sftkeras.tasks import TextModel
    from sftkeras.training.fit import Fitted
    from sftkeras.training.setup import Setup
    from sftkeras.training.teaching import Teach


@dataclass(frozen=True)
class Trained:
    """A fitted model and its facts, from which its export and its report are made.

    Attributes:
        known: models that were evaluated before it was trained, such as its teacher.
        earlier: test parts as the run predicted them that it began with.
    """

    config: TrainConfig
    data: LabelledData
    setup: Setup
    fitted: Fitted
    run: RunFolder
    timeline: Timeline
    known: Sequence[Baseline] = ()
    earlier: Sequence[EarlierPredictions] = ()


@dataclass(frozen=True)
class EarlierPredictions:
    """Test rows with the predictions of the run that another one begins with.

    Attributes:
        run: the run whose test part they are.
        data: its data.
        evaluated: the rows, as the task's evaluation has them.
        earlier: whether that run came before; the other test part is that of the new run.
    """

    run: str
    data: LabelledData
    evaluated: Any
    earlier: bool


def read(config: TrainConfig) -> tuple[BackboneFolders, LabelledData]:
    """Fetches the weights, then reads, checks and divides the data, and shows what was found."""
    from sftkeras.backbones.fetching import fetch_backbone
    from sftkeras.data import DataError, describe, load_data, show_findings
    from sftkeras.distillation.teacher import find_teacher
    from sftkeras.training.warm_start import WarmStart

    backbone, label_kind = config.backbone, spec_of(config.task.kind).label_kind(config.task)
    start = WarmStart.of(config)
    if start:
        folders = start.folders
    else:
        folders = fetch_backbone(
            backbone.handle,
            backbone.preprocessor,
            max_length=backbone.max_length,
            task=config.task.kind,
            wanted=spec_of(config.task.kind).backbone_kind,
        )
    try:
        with progress_bar() as progress:
            data = load_data(config.data, label_kind, config.seed, progress)
    except DataError as error:
        show_findings(error.findings, label_kind=label_kind, complete=error.complete)
        raise
    show_findings(data.findings, label_kind=label_kind)
    if start:
        said = start.compare_labels(data.label_names)
        data = data.with_labels_first(start.label_names)
        say(*(f"Note: {sentence}" for sentence in said))
        data = with_earlier_rows(config, data)
    if teacher := find_teacher(config):
        teacher.check_labels(data.label_names)
    say(describe(data))
    return folders, examine(config, data, folders)


def examine(config: TrainConfig, data: LabelledData, folders: BackboneFolders) -> LabelledData:
    """Lets the task check the data with the backbone's files; returns it with what was found.

    Raises:
        DataError: errors were found.
    """
    from sftkeras.data import show_statements, stop_on_errors

    with waiting("Checking the data"):
        found = spec_of(config.task.kind).examine(config, data, folders.encoder)
    if found is None:
        return data
    show_statements(found.title, found.statements, found.findings)
    stop_on_errors(found.findings, complete=True)
    say(*found.shown)
    return replace(data, findings=(*data.findings, *found.findings))


def prepare(config: TrainConfig, data: LabelledData, folders: BackboneFolders) -> Setup:
    """Loads the weights, tokenises the texts, plans the batches, and chooses the precision if that is open."""
    with _starting_tensorflow():
        from sftkeras.training.precision import set_up_in_precision

    setup = set_up_in_precision(config, data, folders, _teaching(config))
    say(setup.describe())
    return setup


def evaluate_known(config: TrainConfig, data: LabelledData, setup: Setup) -> list[Baseline]:
    """Evaluates what can predict before training, as baselines of the report: the untuned encoder, and the teacher."""
    if not config.report.baselines:
        return []
    evaluation = spec_of(config.task.kind).evaluation(setup.text_model.task.settings())
    found = _evaluate_untuned(config, data, setup, evaluation), _evaluate_teacher(config, data, setup, evaluation)
    return [one for one in found if one]


def _evaluate_untuned(config: TrainConfig, data: LabelledData, setup: Setup, evaluation: Evaluation) -> Baseline | None:
    """Evaluates the encoder before it learns, where the task can."""
    model = setup.text_model
    if not model.task.predicts_untuned(model.network):
        return None
    from sftkeras.evaluation.evaluate import untuned_baseline

    return untuned_baseline(evaluation, in_memory_predictor(model, config.training.batch_size), data)


def _evaluate_teacher(config: TrainConfig, data: LabelledData, setup: Setup, evaluation: Evaluation) -> Baseline | None:
    """Evaluates the model that is learned from, if there is one; an export that knows other labels is left out."""
    from sftkeras.distillation.teacher import find_teacher
    from sftkeras.evaluation.evaluate import known_baseline
    from sftkeras.exporting.contract import read_contract
    from sftkeras.exporting.prediction_process import PredictionProcess
    from sftkeras.runs.restoring import restore_model
    from sftkeras.runtime import in_precision
    from sftkeras.training.growing import knowing_labels_of

    teacher, task = find_teacher(config), setup.text_model.task
    if teacher is None:
        return None
    batch_size, name = config.training.batch_size, f"the teacher {teacher.folder}"
    if teacher.run:
        with in_precision("float32"):
            predict = in_memory_predictor(knowing_labels_of(task, restore_model(teacher.run)), batch_size)
            return known_baseline("teacher", name, evaluation, predict, data)
    assert teacher.version is not None
    if teacher.task.get("label_names", list(data.label_names)) != list(data.label_names):
        return None
    with PredictionProcess(teacher.version) as process:
        predict = exported_predictor(process, read_contract(teacher.version), batch_size)
        return known_baseline("teacher", name, evaluation, predict, data)


def evaluate_earlier(config: TrainConfig, data: LabelledData, setup: Setup) -> list[EarlierPredictions]:
    """Evaluates the run that this one begins with, on the test part of each earlier run and on that of this one."""
    if not (config.start_from and config.report.baselines):
        return []
    from sftkeras.evaluation.evaluate import evaluate
    from sftkeras.runs.restoring import restore_model
    from sftkeras.runtime import in_precision
    from sftkeras.training.growing import knowing_labels_of

    task, batch_size = setup.text_model.task, config.training.batch_size
    evaluation = spec_of(task.kind).evaluation(task.settings())
    parts = {run: rows for run, rows in data.earlier.items() if len(rows.splits["test"])}
    own = str(RunFolder.of(config).folder)
    with in_precision("float32"):
        model = knowing_labels_of(task, restore_model(RunFolder.open(config.start_from)))
        predict = in_memory_predictor(model, batch_size)
        return [
            EarlierPredictions(
                run, rows, evaluate(evaluation, predict, rows, doing=f"Evaluating before: {run}"), run != own
            )
            for run, rows in {**parts, own: data}.items()
        ]


def in_memory_predictor(model: TextModel, batch_size: int) -> Predict:
    """Gives the function by which a model in memory predicts, as an export of it would, if its task has any."""
    from sftkeras.exporting.in_memory import predictor

    return model.task.predictor(model, batch_size) or predictor(model, batch_size)


def exported_predictor(process: PredictionProcess, contract: Mapping[str, Any], batch_size: int) -> Predict:
    """Gives the function by which the exported version in a process predicts what is evaluated.

    Args:
        process: has loaded it.
        contract: of the version.
        batch_size: rows at once.
    """
    from sftkeras.evaluation.evaluate import predictor_of
    from sftkeras.exporting.generation_file import read_generation
    from sftkeras.tasks.contract import ExportedFunctions

    version = ExportedFunctions(process.run, read_generation(process.version), contract["max_length"])
    spec = spec_of(contract["task"]["kind"])
    return spec.predictor(contract["task"], version, batch_size) or predictor_of(process, batch_size)


def train(
    config: TrainConfig,
    data: LabelledData,
    setup: Setup,
    run: RunFolder,
    timeline: Timeline,
    callbacks: Sequence[keras.callbacks.Callback] = (),
) -> Fitted:
    """Fits the model and leaves all that is needed to build it again in the run.

    Args:
        callbacks: the user's own, which come after ours.
    """
    from sftkeras.exporting.contract import ModelOrigin
    from sftkeras.training.fit import fit
    from sftkeras.training.thresholds import choose_thresholds
    from sftkeras.tuning.adapters import write_adapter_files
    from sftkeras.tuning.virtual_tokens import write_virtual_token_files

    with timeline.part("train"):
        run.keep_model(setup.text_model, setup.backbone, config.backbone.text_pooling, added_tokens(config))
        ModelOrigin.of(config, data.fingerprint, row_counts(data)).write(run.origin_file)
        fitted = fit(setup.model, setup.train, setup.validation, config, run, callbacks)
    if not fitted.interrupted:
        with write_errors(run.adapter, "--runs"):
            trimmed = setup.backbone.weights if config.backbone.layers else None
            base = str(trimmed or config.backbone.handle)
            write_adapter_files(run.adapter, setup.backbone, base)
            write_virtual_token_files(run.adapter, setup.backbone, base)
        with timeline.part("tune"):
            choose_thresholds(run, setup.text_model.task, data, batch_size=config.training.batch_size)
        speeds = f"{fitted.examples_per_second:,.0f} examples/s, {fitted.tokens_per_second:,.0f} {fitted.record.unit}/s"
        say(f"Best epoch: {fitted.best_epoch}. {speeds}.")
    return fitted


def row_counts(data: LabelledData) -> dict[str, int]:
    """Number of rows of each part."""
    return {part: len(rows) for part, rows in data.splits.items()}


def rehearse(config: TrainConfig, *, started: float | None = None) -> None:
    """Runs a few real steps on the real data and says what the whole would take.

    Args:
        config: the settings.
        started: when the process began, by `time.perf_counter`; now by default.
    """
    started = time.perf_counter() if started is None else started
    folders, data = read(config)
    with _starting_tensorflow():
        from sftkeras.training.dry_run import dry_run

    dry_run(config, data, folders, _teaching(config), started=started)


def _teaching(config: TrainConfig) -> Teach | None:
    """Returns the teacher as training asks it; None without one."""
    from sftkeras.distillation.teacher import find_teacher

    teacher = find_teacher(config)
    if teacher is None:
        return None
    from sftkeras.distillation.asking import Asking

    return Asking(teacher, config)


@contextmanager
def _starting_tensorflow() -> Iterator[None]:
    """Starts TensorFlow before the block, which imports what computes with it."""
    from sftkeras import runtime

    with waiting("Starting TensorFlow"):
        runtime.start_tensorflow()
        runtime.check_backend()
        yield
