"""A warm start: encoder and head of a finished run are the first weights of another. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import yaml

from sftkeras.backbones.fetching import BackboneFolders
from sftkeras.config import TrainConfig, added_tokens, other_writing, plain
from sftkeras.config.tuning import VIRTUAL
from sftkeras.errors import SFTError, did_you_mean
from sftkeras.plurals import counted
from sftkeras.runs import RunFolder
from sftkeras.tasks import spec_of

_SHOWN = 5  # labels in a message


def check_continual(config: TrainConfig) -> None:
    """Refuses settings against forgetting where there is nothing to forget, or the task cannot use them.

    Raises:
        SFTError: SFT104, SFT115, or SFT468.
    """
    settings = config.continual
    if config.start_from is None:
        for name in settings.changed:
            remedy = f"Name the run that this one begins with, or leave out --continual.{name}."
            raise SFTError("SFT104", flag="--start_from", remedy=remedy)
    if "fisher_rows" in settings.changed and not settings.ewc:
        users = "runs with --continual.ewc above 0"
        raise SFTError("SFT115", setting="--continual.fisher_rows", choice="--continual.ewc 0", users=users)
    if settings.ewc and not spec_of(config.task.kind).draws:
        raise SFTError("SFT468", task=config.task.kind)


@dataclass(frozen=True)
class WarmStart:
    """The run that another starts from.

    Attributes:
        run: its folder.
        model: what model.json says of its model.
    """

    run: RunFolder
    model: dict[str, Any]

    @classmethod
    def of(cls, config: TrainConfig) -> WarmStart | None:
        """Reads the run that `start_from` names; None without one.

        Raises:
            SFTError: SFT109 or SFT113 if there is no such run, or it has no weights yet.
        """
        if config.start_from is None:
            return None
        run = RunFolder.open(config.start_from)
        return cls(run, run.read_model())

    @property
    def folders(self) -> BackboneFolders:
        """The folders that its encoder is built from, without weights."""
        return BackboneFolders(self.run.backbone, self.run.preprocessor)

    @property
    def label_names(self) -> tuple[str, ...]:
        """The labels that it predicts, in their order; none where predictions have no labels."""
        return tuple(self.model["task"].get("label_names", ()))

    def compare_labels(self, names: Sequence[str]) -> list[str]:
        """Says which labels of the data are new to the run, and which of its labels the data lacks, a sentence each.

        Raises:
            SFTError: SFT464 if one is a label of the run in another writing.
        """
        known = self.label_names
        if not known:
            return []
        new, missing = [name for name in names if name not in known], [name for name in known if name not in names]
        written = {_plain(name): name for name in known}
        for name in new:
            if other := written.get(_plain(name)) or written.get(other_writing(name) or ""):
                raise SFTError("SFT464", run=self.run.folder, label=name, known=other)
        said = []
        if new:
            hints = "".join(f' "{name}":{hint}' for name in new[:_SHOWN] if (hint := did_you_mean(name, known)))
            said.append(f"{counted(len(new), 'label')} new to {self.run.folder}: {listed(new)}.{hints}")
        if missing:
            said.append(f"Labels of {self.run.folder} without a row here, which the model keeps: {listed(missing)}.")
        return said


def with_warm_start(config: TrainConfig) -> TrainConfig:
    """Returns the settings with the backbone and the cleaning of the run that `start_from` names, where none are set.

    Raises:
        SFTError: SFT102 if it is the run that is to be trained, SFT463 if its weights do not fit the settings, and as
            `WarmStart.of`.
    """
    start = WarmStart.of(config)
    if start is None:
        return config
    if start.run.folder.resolve() == RunFolder.of(config).folder.resolve():
        problem = "it is the run that --start_from begins with, which would be lost. Choose another name."
        raise SFTError("SFT102", flag="--name", problem=problem)
    earlier = yaml.safe_load(start.run.config_file.read_text(encoding="utf-8"))
    config = replace(
        config,
        backbone=_filled(config.backbone, earlier.get("backbone", {})),
        cleaning=_filled(config.cleaning, earlier.get("cleaning", {})),
    )
    if different := list(_differences(config, start, earlier)):
        raise SFTError("SFT463", run=start.run.folder, differences=", ".join(different))
    return config


def _filled(section: Any, earlier: dict[str, Any]) -> Any:
    """A group of settings with those of an earlier run in place of what has its default."""
    default = type(section)()
    left = [each.name for each in fields(section) if getattr(section, each.name) == getattr(default, each.name)]
    return replace(section, **{name: earlier[name] for name in left if name in earlier})


def _differences(config: TrainConfig, start: WarmStart, earlier: dict[str, Any]) -> Iterator[str]:
    """Yields what keeps the weights of the run from fitting, as `setting THERE → HERE`."""
    spec, kept = spec_of(config.task.kind), start.model["task"]
    if kept["kind"] != spec.kind:
        yield f"task.kind {kept['kind']} → {spec.kind}"
    elif (was := spec.label_kind(spec.restored(kept))).name != (now := spec.label_kind(config.task)).name:
        yield f"labels of the kind {was.name} → {now.name}"
    own, recorded = plain(config)["backbone"], earlier.get("backbone", {})
    for name in ("handle", "mode", "preprocessor", "layers"):
        if name in recorded and recorded[name] != own[name]:
            yield f"backbone.{name} {recorded[name]} → {own[name]}"
    if spec.pools and start.model["pooling"] != config.backbone.text_pooling:
        yield f"backbone.pooling {start.model['pooling']} → {config.backbone.text_pooling}"
    if (virtual := start.model.get("virtual_tokens")) and config.tuning.method in VIRTUAL:
        wanted = {"kind": config.tuning.method, "tokens": config.tuning.virtual_tokens}
        if virtual != wanted:
            yield "virtual tokens {kind} {tokens} → ".format(**virtual) + "{kind} {tokens}".format(**wanted)
        for name in ("adapter", "init_text"):
            if value := getattr(config.tuning, name):
                yield f"tuning.{name} null → {value}"
    if (tokens := list(start.model.get("extra_tokens", ()))) != (mine := list(added_tokens(config))):
        yield f"tokens of its own {tokens} → {mine}"


def _plain(name: str) -> str:
    """A label without what people write in several ways."""
    return " ".join(name.casefold().replace("_", " ").replace("-", " ").split())


def listed(names: Sequence[str]) -> str:
    """Returns some names for a message."""
    return ", ".join(f'"{name}"' for name in names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
