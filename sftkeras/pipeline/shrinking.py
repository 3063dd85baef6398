"""A finished run made smaller as one story: read, leave out, keep as a new run, export, compare with the one before."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sftkeras import runtime
from sftkeras.command_line import next_commands
from sftkeras.config import EvaluateConfig, ReportConfig, ShrinkConfig, TrainConfig
from sftkeras.console import progress_bar, say, waiting
from sftkeras.data.formats.patterns import listed
from sftkeras.disk.files import write_errors
from sftkeras.errors import SFTError
from sftkeras.exporting.versions import check_writable
from sftkeras.pipeline.evaluating import evaluate_version
from sftkeras.pipeline.export_run import export_run
from sftkeras.pipeline.rounded_export import origin_of
from sftkeras.pipeline.run_rows import read_rows, settings_of
from sftkeras.runs import RunFolder
from sftkeras.tasks import spec_of

if TYPE_CHECKING:
    from sftkeras.data import LabelledData
    from sftkeras.runs.restoring import RestoredRun
    from sftkeras.shrinking.vocabulary import Corpus
    from sftkeras.tasks import TaskSpec

RUN = "run"  # in place of a file: the run's own rows
LEAVING_OUT = ("vocabulary", "heads", "units")  # settings that say what is left out
_ROWS_AT_ONCE = 1000


@dataclass(frozen=True)
class Shrinking:
    """A run, and the smaller one that is made of it.

    Attributes:
        run: as it was trained.
        settings: of that training.
        new: the smaller run.
        wanted: what is to be left out.
    """

    run: RunFolder
    settings: TrainConfig
    new: RunFolder
    wanted: ShrinkConfig

    @property
    def task(self) -> dict[str, Any]:
        """The settings of the trained task."""
        task: dict[str, Any] = self.run.read_model()["task"]
        return task

    @property
    def spec(self) -> TaskSpec:
        """The task's spec."""
        return spec_of(self.task["kind"])

    @property
    def new_settings(self) -> TrainConfig:
        """The settings of the training, by the name of the smaller run."""
        return replace(
            self.settings,
            name=self.new.folder.name,
            runs=str(self.new.folder.parent),
            overwrite=self.wanted.overwrite,
            export=replace(self.settings.export, folder=self.wanted.folder or self.settings.export.folder),
        )


def check_settings(config: ShrinkConfig) -> Shrinking:
    """Finds what is wrong before anything heavy is imported or made.

    Raises:
        SFTError: SFT104 if no run is named or nothing is to be left out, SFT109 or SFT113 if there is no such run,
            SFT114 if it has no export to compare with, SFT105, SFT106, SFT108 or SFT111 if the new one cannot be
            written, SFT102, SFT530 or SFT533 if its backbone cannot be made smaller.
    """
    if not config.run:
        raise SFTError("SFT104", flag="--run", remedy="Give the folder of a finished run, such as runs/NAME.")
    if not left_out(config):
        remedy = "Say what is to go: --vocabulary run keeps the tokens that the run uses, --heads 0.75 so many heads."
        raise SFTError("SFT104", flag="--vocabulary, --heads or --units", remedy=remedy)
    for name in ("heads", "units"):
        if (number := getattr(config, name)) is not None and number > 1 and number != int(number):
            problem = f"{number:g} is neither a whole number nor a share below 1."
            raise SFTError("SFT102", flag=f"--{name}", problem=problem)
    run = RunFolder.open(config.run)
    run.last_export()
    settings = settings_of(run)
    folder = Path(config.runs).expanduser() if config.runs else run.folder.parent
    new = RunFolder(folder / (config.name or f"{run.folder.resolve().name}-small"))
    if new.folder.resolve() == run.folder.resolve():
        problem = "it is the name of the run itself, which stays as it is. Choose another name."
        raise SFTError("SFT102", flag="--name", problem=problem)
    shrinking = Shrinking(run, settings, new, config)
    RunFolder.plan(shrinking.new_settings)
    check_writable(Path(shrinking.new_settings.export.folder).expanduser() / new.folder.name, "--folder")
    _check_backbone(shrinking)
    return shrinking


def _check_backbone(shrinking: Shrinking) -> None:
    run = shrinking.run
    if run.read_model()["backbone"] == "tfhub":
        raise SFTError("SFT530", folder=run.folder)
    if run.has_virtual_tokens:
        problem = "it learned virtual tokens (--tuning.method prompt or prefix), with which no run is made smaller."
        raise SFTError("SFT102", flag="--run", problem=f"{problem} Shrink a run of another method.")
    if run.preprocessor and shrinking.wanted.vocabulary is not None:
        raise SFTError("SFT533", folder=run.folder)


def shrink(shrinking: Shrinking) -> RunFolder:
    """Makes the smaller run, exports it, and writes both reports: its own, and how it compares with the run.

    Raises:
        SFTError: what reading, exporting and evaluating raise, SFT102, SFT531 and SFT532.
    """
    new = shrinking.new
    data = read_rows(shrinking.settings, shrinking.task)
    with waiting("Starting TensorFlow"):
        runtime.start_tensorflow()
        runtime.check_backend()
    from sftkeras.pipeline.shrink_report import compare_sizes, sizes_of
    from sftkeras.runs.restoring import restore_run

    with new.claimed():
        with waiting("Loading the model"):
            restored = restore_run(shrinking.run)
        before = sizes_of(restored)
        with tempfile.TemporaryDirectory() as files:
            smaller = _left_out(shrinking, restored, data, Path(files))
            _keep(shrinking, smaller)
        after = sizes_of(smaller)
    version = export_run(new)
    say(f"Smaller model   {version.path}")
    report = EvaluateConfig(output=str(new.folder), report=ReportConfig(baselines=False))
    evaluate_version(version.path, report, new, data)
    compare_sizes(shrinking.run, new, data, {"before": before, "after": after}, left_out(shrinking.wanted))
    say("", "What to type next:", *(f"  {line}" for line in next_commands.with_model(version.path).values()))
    say(f"  {next_commands.with_backbone(new.folder, shrinking.spec.kind)}")
    return new


def left_out(wanted: ShrinkConfig) -> dict[str, Any]:
    """Return the settings that say what is left out, where they are set."""
    return {name: value for name in LEAVING_OUT if (value := getattr(wanted, name)) is not None}


def _left_out(shrinking: Shrinking, restored: RestoredRun, data: LabelledData, files: Path) -> RestoredRun:
    """Leaves out what is wanted; the small files of the smaller backbone are in `files`."""
    from sftkeras.shrinking.pruning import prune
    from sftkeras.shrinking.vocabulary import trim_vocabulary

    wanted = shrinking.wanted
    if wanted.vocabulary is not None:
        (files / "tokens").mkdir()
        restored = trim_vocabulary(restored, _corpus(shrinking, data), files / "tokens")
    if wanted.heads is not None or wanted.units is not None:
        (files / "parts").mkdir()
        heads, units, rows = wanted.heads, wanted.units, wanted.importance_rows
        restored = prune(restored, data, files / "parts", heads=heads, units=units, rows=rows)
    return restored


def _corpus(shrinking: Shrinking, data: LabelledData) -> Corpus:
    """The texts whose tokens stay."""
    from sftkeras.data import load_file
    from sftkeras.data.formats.unlabelled import TextFiles
    from sftkeras.shrinking.vocabulary import Corpus

    spec, wanted = shrinking.spec, shrinking.wanted
    handles = listed(wanted.vocabulary)
    files = [handle for handle in handles if handle != RUN]
    own = [data.examples] if RUN in handles else []
    columns = {name: value for name in ("text", "pair") if (value := getattr(wanted, name))}
    settings = wanted.data.over(replace(spec.as_recorded(shrinking.settings.data), where=None, **columns))
    if files and not data.label_kind.has_labels:  # whose rows may be more than texts, such as conversations
        with progress_bar() as progress:
            label_names = shrinking.task.get("label_names", ())
            rows = load_file(files, settings, data.label_kind, label_names, progress, flag="--vocabulary")
        own, files = [*own, rows.examples], []

    def batches() -> Iterator[list[str]]:
        for examples in own:
            for texts, pairs in examples.text_batches(_ROWS_AT_ONCE):
                yield texts if pairs is None else [*texts, *pairs]
        if files:
            for block in TextFiles(files, settings, flag="--vocabulary").read():
                yield block.texts if block.pairs is None else [*block.texts, *block.pairs]

    known = sum(len(examples) * (1 + examples.has_pairs) for examples in own)
    return Corpus(batches, None if files else known)


def _keep(shrinking: Shrinking, smaller: RestoredRun) -> None:
    """Writes the smaller model as a run of its own: whole or not at all."""
    new, settings = shrinking.new, shrinking.new_settings
    RunFolder.plan(settings)  # again: another process may have made it meanwhile
    new.create(settings)
    try:
        with write_errors(new.folder, "--runs"):
            extra_tokens = shrinking.run.read_model().get("extra_tokens", ())
            new.keep_model(smaller.model, smaller.backbone, smaller.pooling, extra_tokens)
            origin_of(shrinking.run, settings).write(new.origin_file)
            smaller.model.network.save_weights(new.best_weights)
    except BaseException:
        shutil.rmtree(new.folder, ignore_errors=True)
        raise
