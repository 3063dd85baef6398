"""A warm start: encoder and head of a finished run are the first weights of another. Imports no TensorFlow."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from typing import Any

import yaml

from sftkeras.backbones.fetching import BackboneFolders
from sftkeras.config import TrainConfig, added_tokens, plain
from sftkeras.errors import SFTError
from sftkeras.runs import RunFolder
from sftkeras.tasks import spec_of

_SHOWN = 5  # labels in a message


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
        return cls(run, json.loads(run.model_file.read_text(encoding="utf-8")))

    @property
    def folders(self) -> BackboneFolders:
        """The folders that its encoder is built from, without weights."""
        return BackboneFolders(self.run.backbone, self.run.preprocessor)

    def check_labels(self, names: Sequence[str]) -> None:
        """Makes sure that the data has the labels that the run predicts, in the same order.

        Raises:
            SFTError: SFT464.
        """
        known = self.model["task"].get("label_names")
        if known is not None and (problem := differing_labels(names, known)):
            raise SFTError("SFT464", run=self.run.folder, known=_listed(known), problem=problem)


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
    if (tokens := list(start.model.get("extra_tokens", ()))) != (mine := list(added_tokens(config))):
        yield f"tokens of its own {tokens} → {mine}"


def differing_labels(names: Sequence[str], known: Sequence[str]) -> str | None:
    """Says what labels have beside known ones, or lack of them, after "the data"; None if they are the same."""
    if list(names) == list(known):
        return None
    new, missing = [name for name in names if name not in known], [name for name in known if name not in names]
    return " and ".join([*_named("has also", new), *_named("lacks", missing)]) or "has them in another order"


def _named(verb: str, names: Sequence[str]) -> list[str]:
    return [f"{verb} {_listed(names)}"] if names else []


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names[:_SHOWN]) + (", …" if len(names) > _SHOWN else "")
