"""Identity of a run: what may not change between its start and its end, and how it differs. Imports no TensorFlow."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import sftkeras
from sftkeras.config import TrainConfig, plain
from sftkeras.config.renamed import by_new_names
from sftkeras.disk.files import sha256_of
from sftkeras.errors import SFTError
from sftkeras.runs import RunFolder
from sftkeras.runtime import versions
from sftkeras.tasks import TASKS, spec_of

Identity = Mapping[str, Any]

# What says where things are, what is watched, what is done once training is over, or how a step is computed.
_HARMLESS = (
    "start_from",  # start_from.weights has what is there
    "distillation.teacher",  # distillation.outputs has what it gives
    *("name", "runs", "overwrite", "dry_run", "resume", "checkpoint", "report", "export"),
    *("data.train", "data.validation", "data.test"),  # data.contents has what is in them
    *("training.devices", "training.strategy", "training.accumulation", "training.rematerialise"),
    *("training.histograms", "training.profile", "training.trackers"),
)
# Packages of ours whose code decides what a step does, and the others' that do.
_CODE = ("backbones", "data", "distillation", "internals", "objectives", "tasks", "text", "training", "tuning")
# Of ours, what only checks and reports: no row, batch or gradient depends on it. Whatever is not listed here decides.
_ONLY_WORDS = (
    *("data/augmentation/changes.py", "data/checks/check.py", "data/checks/check_labels.py"),
    *("data/checks/first_look.py", "data/checks/printing.py", "data/formats/unlabelled.py"),
    *("data/labels/classes/checks.py", "data/labels/spans/checks.py", "data/show.py", "data/storage/progress.py"),
    *("tasks/config_checks.py", "training/dry_run.py", "training/memory.py", "training/watching"),
)
# The same of a task's folder: its report, and what its predictions look like.
_AFTER_TRAINING = ("baselines.py", "evaluation.py", "mistakes.py", "pictures.py", "predictions.py", "scores.py")
_PACKAGES = ("tensorflow", "keras", "keras-hub", "tensorflow-text", "numpy")
_MOST_SHOWN = 5
_CONTENTS, _PRECISION = "data.contents", "training.precision"


def identity_of(config: TrainConfig) -> dict[str, Any]:
    """Everything but the data that decides the final weights of a run, by dotted names.

    Without the precision while settings leave it open.
    """
    identity = {name: value for name, value in _flat(config) if not _is_among(name, _HARMLESS)}
    if config.training.precision == "auto":
        del identity[_PRECISION]
    identity |= {f"code.{package}": versions()[package] for package in _PACKAGES}
    identity["code.sftkeras"] = f"{sftkeras.__version__} ({source_hash(Path(sftkeras.__file__).parent)})"
    if config.start_from:
        identity["start_from.weights"] = sha256_of(RunFolder(Path(config.start_from).expanduser()).best_weights)
    return identity


def with_contents(identity: Identity, data_fingerprint: str, precision: str) -> dict[str, Any]:
    """Returns an identity with what only the long work shows.

    Args:
        identity: of the settings.
        data_fingerprint: of the data's rows, labels and parts.
        precision: the setting, or what was chosen where it was open.
    """
    return {**identity, _CONTENTS: data_fingerprint, _PRECISION: precision}


def as_it_began(run: RunFolder, config: TrainConfig, identity: Identity) -> TrainConfig:
    """Returns the settings; an open precision becomes that of the run which they continue. Raises as `continues`."""
    if not continues(run, config, identity) or config.training.precision != "auto":
        return config
    precision = _read_identity(run).get(_PRECISION, "float32")
    return replace(config, training=replace(config.training, precision=precision))


def continues(run: RunFolder, config: TrainConfig, identity: Identity) -> bool:
    """Whether a run resumes from where it was interrupted, or begins.

    Args:
        run: where it is, or will be.
        config: its settings.
        identity: of what would continue it, as `identity_of` gives it.

    Raises:
        SFTError: SFT420 if it was interrupted as another one, which is neither allowed nor to be replaced.
    """
    if config.resume.mode == "never" or not run.is_unfinished:
        return False
    began = _without_other_tasks(_read_identity(run), config)
    allow = config.resume.allow
    unknown = [name for name in (_CONTENTS, _PRECISION) if name not in identity]  # until the long work
    different = {
        name: f"{name} {_shown(began.get(name))} → {_shown(identity.get(name))}"
        for name in sorted(began.keys() | identity.keys())
        if began.get(name) != identity.get(name) and not _is_among(name, (*allow, *unknown))
    }
    if not different:
        return True
    if config.overwrite and config.resume.mode == "auto":
        return False
    shown = list(different.values())[:_MOST_SHOWN]
    if rest := len(different) - len(shown):
        shown.append(f"{rest} more")
    raise SFTError("SFT420", folder=run.folder, differences=", ".join(shown), allow=",".join([*allow, *different]))


def _read_identity(run: RunFolder) -> dict[str, Any]:
    """Identity with which an interrupted run began; empty if it cannot be read, so that everything differs."""
    try:
        identity = json.loads(run.identity_file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return by_new_names(identity) if isinstance(identity, dict) else {}


def _without_other_tasks(identity: Identity, config: TrainConfig) -> dict[str, Any]:
    """Returns an identity without the settings that only other tasks have: earlier versions kept those of all tasks."""
    of_any = {f"task.{setting.name}" for kind in TASKS for setting in dataclasses.fields(spec_of(kind).settings)}
    own = {f"task.{setting.name}" for setting in dataclasses.fields(config.task)}
    return {name: value for name, value in identity.items() if name not in of_any - own}


def _flat(config: Any, prefix: str = "") -> Iterator[tuple[str, Any]]:
    """The settings by dotted names; a setting that is a list or a dictionary is one."""
    values = plain(config)
    for setting in dataclasses.fields(config):
        value = getattr(config, setting.name)
        if dataclasses.is_dataclass(value):
            yield from _flat(value, f"{prefix}{setting.name}.")
        else:
            yield f"{prefix}{setting.name}", values[setting.name]


def _is_among(name: str, names: Sequence[str]) -> bool:
    return any(name == other or name.startswith(f"{other}.") for other in names)


def _shown(value: Any) -> str:
    return "nothing" if value is None else json.dumps(value, ensure_ascii=False)


@cache
def source_hash(package: Path) -> str:
    """Returns a hash of the code in the folder of sftkeras that decides what a step does."""
    digest = hashlib.sha256()
    for path in sorted(path for part in _CODE for path in (package / part).rglob("*.py")):
        name = path.relative_to(package).as_posix()
        if not (name.startswith(_ONLY_WORDS) or (name.startswith("tasks/") and path.name in _AFTER_TRAINING)):
            digest.update(name.encode() + b"\0" + path.read_bytes())
    return digest.hexdigest()[:12]
