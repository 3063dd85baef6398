"""The teacher that the settings name: a run or an exported version, and whether it suits the run. No TensorFlow."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from sftkeras.config import TrainConfig
from sftkeras.disk.files import sha256_of
from sftkeras.errors import SFTError
from sftkeras.exporting.contract import check_weights, read_contract
from sftkeras.exporting.versions import find_version, has_versions
from sftkeras.runs import RunFolder
from sftkeras.tasks import spec_of
from sftkeras.tasks.config_checks import without_effect
from sftkeras.training.warm_start import listed

_FLAG = "--distillation.teacher"


@dataclass(frozen=True)
class Teacher:
    """A trained model that another learns from.

    Attributes:
        folder: as the settings name it.
        task: settings of its task.
        pairs: whether it takes two texts.
        model: all else that decides its outputs, but for the weights.
        run: what it is restored from; None of an exported version.
        version: the exported version; None of a run.
    """

    folder: str
    task: dict[str, Any]
    pairs: bool
    model: Mapping[str, Any]
    run: RunFolder | None = None
    version: Path | None = None

    @cached_property
    def identity(self) -> str:
        """Hash of its weights and of all that decides its outputs.

        Raises:
            SFTError: SFT504 if an exported version has other weights than its contract says.
        """
        if self.run:
            weights = sha256_of(self.run.best_weights)
        else:
            assert self.version is not None
            contract = read_contract(self.version)
            check_weights(self.version, contract)
            weights = contract["weights_sha256"]
        return hashlib.sha256(json.dumps([weights, self.task, self.model], sort_keys=True).encode()).hexdigest()

    def check_labels(self, names: Sequence[str]) -> None:
        """Makes sure that the data has all labels that it predicts; of further ones it gives nothing.

        Raises:
            SFTError: SFT496.
        """
        if missing := [name for name in self.task.get("label_names", ()) if name not in names]:
            raise SFTError("SFT496", teacher=self.folder, problem=f"the data lacks {listed(missing)}")


def find_teacher(config: TrainConfig) -> Teacher | None:
    """Returns the teacher of the settings; None without one.

    Raises:
        SFTError: SFT495 if there is none in the folder, SFT112 or SFT113 if a run is not whole, SFT503 if an exported
            version is not.
    """
    named = config.distillation.teacher
    if named is None:
        return None
    folder = Path(named).expanduser()
    if (folder / "config.yaml").exists():
        return _of_run(named, RunFolder.open(folder))
    if not folder.is_dir() or not (has_versions(folder) or (folder / "saved_model.pb").is_file()):
        raise SFTError("SFT495", teacher=named)
    version = find_version(folder, _FLAG)
    contract = read_contract(version)
    model = {"max_length": contract["max_length"]}
    return Teacher(named, contract["task"], contract["pairs"], model, version=version)


def check_distillation(config: TrainConfig) -> None:
    """Refuses settings of distillation that do not suit the task, the teacher or one another.

    Raises:
        SFTError: SFT104 for one without a teacher, SFT412 for one without effect, SFT102 if the teacher is the run
            itself, SFT496 to SFT499 if it cannot be learned from, and as `find_teacher`.
    """
    settings, spec = config.distillation, spec_of(config.task.kind)
    if settings.teacher is None:
        for name in settings.changed:
            remedy = f"Name the model that is learned from, or leave out --distillation.{name}."
            raise SFTError("SFT104", flag=_FLAG, remedy=remedy)
        return
    if not spec.distils:
        raise SFTError("SFT497", teacher=settings.teacher, task=spec.kind)
    for name in settings.changed:
        if name not in spec.distils:
            raise without_effect(spec, config.task, f"--distillation.{name}")
    if settings.layers and not (settings.hidden or settings.attention):
        users = "runs with --distillation.hidden or --distillation.attention above 0"
        raise SFTError("SFT115", setting="--distillation.layers", choice="--distillation.hidden 0", users=users)
    if config.objective.kind != "plain":
        raise not_together(config, "--objective.kind", config.objective.kind, "a run has one objective")
    if Path(settings.teacher).expanduser().resolve() == RunFolder.of(config).folder.resolve():
        problem = f"it is the run that {_FLAG} names, which would be lost. Choose another name."
        raise SFTError("SFT102", flag="--name", problem=problem)
    teacher = find_teacher(config)
    assert teacher is not None
    if settings.looks_inside and teacher.version:
        raise inside_refused(config, "an exported model gives no hidden states, its run does")
    if difference := _difference(teacher, config):
        raise SFTError("SFT496", teacher=teacher.folder, problem=difference)
    if spec.distils_tokens and (teacher.version or teacher.model.get("max_length") != config.backbone.max_length):
        raise SFTError("SFT498", teacher=teacher.folder, task=spec.kind)


def not_together(config: TrainConfig, setting: str, value: object, problem: str) -> SFTError:
    """SFT499 for a setting that does not go with the teacher."""
    return SFTError("SFT499", teacher=config.distillation.teacher, setting=setting, value=value, problem=problem)


def inside_refused(config: TrainConfig, problem: str) -> SFTError:
    """SFT499 for what is to be learned of the inside of a teacher, and cannot be."""
    name = next(name for name in ("hidden", "attention", "relations") if getattr(config.distillation, name))
    return not_together(config, f"--distillation.{name}", getattr(config.distillation, name), problem)


def identity_of(config: TrainConfig) -> dict[str, str]:
    """Returns what of the teacher decides the final weights of a run, by dotted names.

    It raises as `find_teacher` and `Teacher.identity`.
    """
    teacher = find_teacher(config)
    return {"distillation.outputs": teacher.identity} if teacher else {}


def _of_run(named: str, run: RunFolder) -> Teacher:
    try:
        model = run.read_model()
        return Teacher(named, model["task"], model["pairs"], model, run=run)
    except (OSError, ValueError, KeyError) as error:
        raise SFTError("SFT112", path=run.model_file, problem=error) from error


def _difference(teacher: Teacher, config: TrainConfig) -> str | None:
    """Words what of the teacher's task is otherwise than in the settings; None if nothing."""
    spec, kind = spec_of(config.task.kind), teacher.task.get("kind")
    if kind != spec.kind:
        return f"its task is {kind}, and this run's {spec.kind}"
    theirs, ours = (spec.label_kind(settings).name for settings in (spec.restored(teacher.task), config.task))
    if "label_names" in teacher.task and theirs != ours:
        return f"it learned labels of the kind {theirs}, and these are {ours}"
    if not spec.needs_pair and teacher.pairs != (config.data.pair is not None):
        return "it takes " + ("two texts, and here is one (--data.pair)" if teacher.pairs else "one text, not two")
    return None
