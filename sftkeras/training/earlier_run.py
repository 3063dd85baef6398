"""A run as the backbone of another: its encoder, written into the cache as a folder that any run can begin with."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from typing import Any

from sftkeras.backbones.fetching import BackboneFolders
from sftkeras.config import TrainConfig
from sftkeras.handles import kind_of
from sftkeras.runs import RunFolder
from sftkeras.runs.restoring import kept_backbone
from sftkeras.tasks import spec_of


@dataclass(frozen=True)
class Beginning:
    """The start of a run.

    Attributes:
        folders: of the encoder and its preprocessor.
        notes: what the user should know of the run that they come from.
    """

    folders: BackboneFolders
    notes: tuple[str, ...] = ()


def find_beginning(config: TrainConfig, folders: BackboneFolders) -> Beginning:
    """Return the folders to load: those given, or what the encoder of the given run is written to.

    An encoder that was rebuilt becomes a Hugging Face folder, a TF-Hub module that was trained as it is becomes that
    module with its new weights. Call it outside of a strategy's scope.

    Raises:
        SFTError: SFT109 or SFT112 if the run is not whole, SFT378 if its texts were tokenised by a preprocessor.
    """
    if kind_of(folders.encoder) != "run":
        return Beginning(folders)
    run = RunFolder.open(folders.encoder)
    settings = run.read_model()
    kind = spec_of(settings["task"]["kind"]).backbone_kind
    head = "; its head is not taken" if kind == "encoder" else ""
    notes = (
        f"the {kind} is that of {run.folder} at its best epoch{head}",
        *_losses(settings, config),
    )
    if (run.best_backbone / "config.json").exists():  # which has a head for masked words too
        return Beginning(replace(folders, encoder=run.best_backbone), notes)
    return Beginning(BackboneFolders(kept_backbone(run), folders.preprocessor or run.preprocessor), notes)


def _losses(settings: Mapping[str, Any], config: TrainConfig) -> Iterator[str]:
    """Yield how the earlier run treated its texts where this one does not, with the flags that do."""
    earlier, now = settings.get("cleaning") or {}, asdict(config.cleaning)
    if lost := {key: value for key, value in earlier.items() if value and now.get(key) != value}:
        flags = " ".join(f"--cleaning.{key} {json.dumps(value, ensure_ascii=False)}" for key, value in lost.items())
        yield f"that run cleaned its texts, this one does not clean them so: to keep it, add {flags}"
    if settings.get("pooling") == "markers" and config.backbone.pooling != "markers":
        yield "its markers stay tokens, but are not read: to classify marked spans, set --backbone.pooling markers"
