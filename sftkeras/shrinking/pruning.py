"""A trained model with its most important attention heads and feed-forward units alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from sftkeras.backbones.narrower import Kept, Width, keep_parts, width_of
from sftkeras.data import LabelledData
from sftkeras.errors import SFTError
from sftkeras.runs.restoring import RestoredRun
from sftkeras.shrinking.importance import Importance, importance_of
from sftkeras.tasks import TextModel


def prune(
    restored: RestoredRun,
    data: LabelledData,
    folder: Path,
    *,
    heads: float | None,
    units: float | None,
    rows: int,
) -> RestoredRun:
    """Leaves out the heads and units that matter least for the loss. The network is changed in place.

    Args:
        restored: a model whose backbone is a decoder, or an encoder that was rebuilt.
        data: its rows.
        folder: exists and is empty; gets the small files of the smaller backbone.
        heads: how many stay: a whole number in each layer, or below 1 a share of all; None keeps all.
        units: likewise of the feed-forward units, always equally many in each layer.
        rows: on which importance is measured, at most.

    Raises:
        SFTError: SFT102 if there are not so many; SFT532 as `keep_parts`.
    """
    width = width_of(restored.backbone)
    groups, inner = kept_counts(width, heads, units, alike=restored.backbone.kind == "decoder")
    importance = importance_of(restored, data, rows)
    backbone = keep_parts(restored.backbone, choose(importance, groups, inner), folder)
    model = TextModel(restored.model.features, restored.model.network, restored.model.task, backbone)
    return replace(restored, model=model, backbone=backbone)


def kept_counts(width: Width, heads: float | None, units: float | None, *, alike: bool) -> tuple[int | float, int]:
    """Return how many groups of heads stay, in each layer or (below 1) as a share of all, and how many units.

    Args:
        width: of the backbone.
        heads: as of `prune`.
        units: as of `prune`.
        alike: whether all layers keep equally many groups, so that a share becomes a number.

    Raises:
        SFTError: SFT102.
    """
    fewest = min(width.groups)
    groups: int | float = max(width.groups)
    if heads is not None:
        if heads > fewest * width.heads_of_group:
            raise _too_many(
                "--heads",
                heads,
                f"heads in {'each' if fewest == groups else 'some'} layer",
                fewest * width.heads_of_group,
            )
        groups = heads if heads < 1 else math.ceil(heads / width.heads_of_group)
        if heads < 1 and alike:
            groups = max(1, round(heads * fewest))
    inner = width.units
    if units is not None:
        if units > width.units:
            raise _too_many("--units", units, "units in each layer", width.units)
        inner = max(1, round(units * width.units)) if units < 1 else int(units)
    return groups, inner


def choose(importance: Sequence[Importance], groups: int | float, units: int) -> list[Kept]:
    """Return what each layer keeps.

    A share of all heads is taken over all layers, at least one of each: to compare heads of different layers, those of
    a layer are divided by their norm, as Michel et al. do.

    Args:
        importance: of each layer.
        groups: as `kept_counts` gives it.
        units: how many stay in each layer.
    """
    if groups >= 1:
        numbers = [min(int(groups), len(layer.groups)) for layer in importance]
    else:
        scores = [layer.groups / (np.linalg.norm(layer.groups) or 1) for layer in importance]
        for layer in scores:
            layer[np.argmax(layer)] = np.inf  # each keeps one
        every = np.sort(np.concatenate(scores))[::-1]
        least = every[max(len(scores), round(groups * len(every))) - 1]
        numbers = [int((layer >= least).sum()) for layer in scores]
    return [
        Kept(_largest(layer.groups, number), _largest(layer.units, units))
        for layer, number in zip(importance, numbers, strict=True)
    ]


def _largest(values: np.ndarray, number: int) -> np.ndarray:
    """The places of the largest values, ascending; of equal ones the first."""
    return np.sort(np.argsort(-values, kind="stable")[:number])


def _too_many(flag: str, wanted: float, of: str, most: int) -> SFTError:
    problem = f"{wanted:g} are to stay, but there are {most} {of}. Give that or less, or a share below 1, such as 0.5."
    return SFTError("SFT102", flag=flag, problem=problem)
