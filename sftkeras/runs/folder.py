"""The folder of a run: where each thing a run needs or makes is kept, and the model built again from it."""

from __future__ import annotations

import errno
import json
import os
import shlex
import shutil
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from sftkeras.config import TrainConfig, plain
from sftkeras.disk.files import write_errors, write_text
from sftkeras.disk.folder_lock import folder_locked
from sftkeras.errors import SFTError
from sftkeras.tasks import spec_of

if TYPE_CHECKING:
    from sftkeras.backbones import Backbone
    from sftkeras.tasks import Task, TextModel


@dataclass(frozen=True)
class RunFolder:
    """A run's folder. It moves to another machine as it is.

    Attributes:
        folder: RUNS/NAME.
    """

    folder: Path

    @property
    def config_file(self) -> Path:
        """The complete settings of the run, as YAML."""
        return self.folder / "config.yaml"

    @property
    def model_file(self) -> Path:
        """Task, lengths and pooling: all but weights that is needed to build the model again."""
        return self.folder / "model.json"

    @property
    def origin_file(self) -> Path:
        """Origin of the model, for the contract of its exports."""
        return self.folder / "origin.json"

    @property
    def export_file(self) -> Path:
        """Version that was exported last."""
        return self.folder / "export.json"

    @property
    def backbone(self) -> Path:
        """The backbone's config and tokenizer files, without its pretrained weights."""
        return self.folder / "backbone"

    @property
    def preprocessor(self) -> Path | None:
        """The TF-Hub preprocessor that tokenised its texts, if it was given one."""
        folder = self.backbone / "preprocessor"
        return folder if folder.is_dir() else None

    @property
    def best_backbone(self) -> Path:
        """The encoder or the decoder of the best epoch as a Hugging Face folder, of a run whose backbone is for others.

        The folder has the name of its kind.
        """
        kind = self._task_kind
        return self.folder / (spec_of(kind).backbone_kind if kind else "encoder")

    @property
    def adapter(self) -> Path:
        """The learned parts beside the weights at the best epoch, as PEFT has them, of a run that has such."""
        return self.folder / "adapter"

    @property
    def has_bottlenecks(self) -> bool:
        """Whether its backbone has bottleneck adapters, for which other libraries have no place."""
        return "bottlenecks" in self.read_model()

    @property
    def has_virtual_tokens(self) -> bool:
        """Whether its model has virtual tokens, which files of a backbone cannot hold."""
        return "virtual_tokens" in self.read_model()

    @property
    def states(self) -> Path:
        """Saved states from which an interrupted run resumes."""
        return self.folder / "state"

    @property
    def identity_file(self) -> Path:
        """Settings that the run may not change before its end; only an unfinished run has it."""
        return self.states / "identity.json"

    @property
    def export_note(self) -> Path:
        """Version that is about to be published; only an unfinished run has it."""
        return self.states / "export.json"

    @property
    def best_weights(self) -> Path:
        """Weights of the best epoch so far."""
        return self.states / "best.weights.h5"

    @property
    def log_file(self) -> Path:
        """Console output of the run."""
        return self.folder / "log.txt"

    @property
    def trackers_file(self) -> Path:
        """By which names the trackers know the run."""
        return self.folder / "trackers.json"

    @property
    def tensorboard(self) -> Path:
        """Event files."""
        return self.folder / "tensorboard"

    @property
    def is_unfinished(self) -> bool:
        """Whether there is a run that was interrupted, or is being trained."""
        return self.identity_file.exists()

    @classmethod
    def of(cls, config: TrainConfig) -> RunFolder:
        """The run of `config`, whether there is one or not."""
        return cls(Path(config.runs).expanduser() / config.name)

    @classmethod
    def plan(cls, config: TrainConfig) -> RunFolder:
        """Says where the run of `config` will be, and makes sure that it can be there.

        Raises:
            SFTError: SFT105 if a run is there that is neither to be continued nor replaced, SFT421 if none is there
                that must be continued, SFT111 if something else is, SFT106 or SFT108 if the folder cannot be written.
        """
        run = cls.of(config)
        goes_on = run.is_unfinished and config.resume.mode != "never"
        if config.resume.mode == "must" and not goes_on:
            found = "a finished run" if run.config_file.exists() else "no run"
            raise SFTError("SFT421", folder=run.folder, found=found)
        if run.config_file.exists() and not goes_on and not config.overwrite:
            raise SFTError("SFT105", folder=run.folder)
        with write_errors(run.folder, "--runs"):
            if not run.config_file.exists() and not run.is_unfinished and _holds_files(run.folder):
                raise SFTError("SFT111", folder=run.folder)
            run.folder.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=run.folder.parent):
                return run

    @contextmanager
    def claimed(self, *, flag: str = "--runs", remedy: str = ", or choose another --name") -> Iterator[None]:
        """Keeps other processes from training or exporting the run inside the block; ends when this process dies.

        Args:
            flag: the flag of the command that sets the folder.
            remedy: what else than waiting helps where another process has the run, as the end of a sentence.

        Raises:
            SFTError: SFT423 if another process has the run, SFT106 or SFT108 if its folder cannot be made.
        """
        with ExitStack() as stack:
            with write_errors(self.folder, flag):
                try:
                    stack.enter_context(folder_locked(self.folder, wait=False))
                except BlockingIOError as error:
                    raise SFTError("SFT423", folder=self.folder, remedy=remedy) from error
            try:
                yield
            finally:
                with suppress(OSError):  # it holds something
                    self.folder.rmdir()

    def create(self, config: TrainConfig, identity: Mapping[str, Any] | None = None) -> None:
        """Makes the folder, in place of an earlier run's.

        Raises:
            SFTError: SFT106 or SFT108 if it cannot be written.
        """
        with write_errors(self.folder, "--runs"):
            self.folder.mkdir(parents=True, exist_ok=True)
            for path in sorted(self.folder.iterdir()):
                if path != self.config_file:  # the mark of a run goes last: the new one replaces it
                    shutil.rmtree(path) if path.is_dir() and not path.is_symlink() else path.unlink()
            try:
                self.states.mkdir()
                self.keep_settings(config, identity)
            except OSError:
                shutil.rmtree(self.folder, ignore_errors=True)
                raise

    def keep_settings(self, config: TrainConfig, identity: Mapping[str, Any] | None = None) -> None:
        """Writes the settings, and what an interrupted run must not change."""
        if identity is not None:
            write_text(self.identity_file, json.dumps(identity, indent=2, ensure_ascii=False) + "\n")
        write_text(self.config_file, yaml.safe_dump(plain(config), allow_unicode=True, sort_keys=False))

    def finish(self) -> None:
        """Removes what only an unfinished run needs, the mark of one first."""
        self.identity_file.unlink(missing_ok=True)
        for path in self.states.iterdir():
            if path != self.best_weights:
                path.unlink()

    @contextmanager
    def naming_full_disk(self) -> Iterator[None]:
        """Turns what Python, TensorFlow or TensorBoard raise on a full disk into SFT108."""
        try:
            yield
        except SFTError:
            raise
        except Exception as error:  # each has a type of its own
            if os.strerror(errno.ENOSPC) not in str(error):
                raise
            raise SFTError("SFT108", path=self.folder, freed=kept(self.best_weights), flag="--runs") from error

    @classmethod
    def open(cls, folder: str | Path) -> RunFolder:
        """Opens the folder of a run that was trained.

        Raises:
            SFTError: SFT109 if there is none, SFT113 if it has no weights yet.
        """
        run = cls(Path(folder).expanduser())
        if run.is_unfinished and run.config_file.exists() and not run.best_weights.exists():
            raise SFTError("SFT113", path=run.folder)
        for needed in (run.config_file, run.model_file, run.best_weights):
            if not needed.exists():
                raise SFTError("SFT109", path=run.folder, problem=f"{needed.relative_to(run.folder)} is missing")
        return run

    def keep_model(
        self, text_model: TextModel, backbone: Backbone, pooling: str, extra_tokens: Sequence[str] = ()
    ) -> None:
        """Writes all that `restore_model` needs, but for the weights."""
        from sftkeras.backbones.bottlenecks import describe_bottlenecks
        from sftkeras.tuning.adapters import describe_adapters, held_as
        from sftkeras.tuning.virtual_tokens import describe_virtual_tokens

        for name, path in backbone.files.items():
            copy = self.backbone / name
            copy.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, copy)
        settings = {
            "task": text_model.task.settings(),
            "max_length": text_model.features.max_length,
            "pairs": text_model.features.pairs,
            "cleaning": cleaning.settings() if (cleaning := text_model.features.cleaning) else {},
            "pooling": pooling,
            "backbone": backbone.format,
            "has_pooler": backbone.has_pooler,
            "extra_tokens": list(extra_tokens),
            **({"adapters": adapters} if (adapters := describe_adapters(backbone)) else {}),
            **({"base": form} if (form := held_as(backbone)) else {}),
            **({"bottlenecks": bottlenecks} if (bottlenecks := describe_bottlenecks(backbone)) else {}),
            **describe_virtual_tokens(backbone),
        }
        write_text(self.model_file, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")

    def keep_task(self, task: Task) -> None:
        """Writes what a task has become since `keep_model`."""
        settings = self.read_model() | {"task": task.settings()}
        write_text(self.model_file, json.dumps(settings, indent=2, ensure_ascii=False) + "\n")

    def note_export(self, version: Path) -> None:
        """Keeps in mind which version was exported from the run."""
        write_text(self.export_file, json.dumps({"path": str(version.absolute())}) + "\n")

    def read_model(self) -> dict[str, Any]:
        """Return what model.json says of its model."""
        settings: dict[str, Any] = json.loads(self.model_file.read_text(encoding="utf-8"))
        return settings

    def read_report(self) -> dict[str, Any]:
        """Reads report.json.

        Raises:
            SFTError: SFT124 if it is not there or damaged.
        """
        try:
            return json.loads((self.folder / "report.json").read_text(encoding="utf-8"))
        except (OSError, ValueError) as error:
            raise SFTError("SFT124", path=self.folder) from error

    @property
    def _task_kind(self) -> str | None:
        """Kind of its task; None of a run that has not got as far as to say."""
        if not self.model_file.exists():
            return None
        kind: str = self.read_model()["task"]["kind"]
        return kind

    def last_export(self) -> Path:
        """The version that was exported last.

        Raises:
            SFTError: SFT114 if there was none.
        """
        try:
            return Path(json.loads(self.export_file.read_text(encoding="utf-8"))["path"])
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise SFTError("SFT114", path=self.folder, quoted=shlex.quote(str(self.folder))) from error


def kept(best_weights: Path) -> str:
    """Says, in a sentence for an error, whether there are weights to go on with."""
    return f"The best epoch so far is kept in {best_weights}." if best_weights.exists() else "Nothing is kept."


def _holds_files(folder: Path) -> bool:
    """Whether there are files in it; hidden ones are those that a killed process left half written."""
    return any(path.is_file() and not path.name.startswith(".") for path in folder.rglob("*"))
