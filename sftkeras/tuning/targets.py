"""Targets of a method, names and patterns, to places in a backbone. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from fnmatch import fnmatchcase

from sftkeras.config import TuningConfig
from sftkeras.errors import SFTError, did_you_mean

Place = tuple[int, str]  # the number of a transformer layer, from 0, and the name of a dense layer in it

# What linear layers are called, in the order of their work.
NAMES = ("query", "key", "value", "output", "gate", "up", "down")
ENDS = ("output", "down")  # of attention, and of the feed-forward part
ALL = "all"


def check_targets(targets: Sequence[str], known: Sequence[str] = NAMES) -> None:
    """Refuse words that no linear layer is called in any backbone, of those that are known to a method.

    Raises:
        SFTError: SFT481.
    """
    for target in targets:
        name = target.rpartition(".")[2]
        if target != ALL and not any(fnmatchcase(other, name) for other in known):
            raise _unknown(target, "method", known)
    if not targets:
        raise _unknown("[]", "method", known)


def chosen_places(tuning: TuningConfig, places: Collection[Place], kind: str) -> list[Place]:
    """Return those of the places that targets and layers choose.

    Args:
        tuning: the settings.
        places: all that the backbone has.
        kind: of the backbone, for messages.

    Raises:
        SFTError: SFT481 for a target that is not there, SFT484 for a layer that is not.
    """
    layers = chosen_layers(tuning, 1 + max(number for number, _ in places))
    known = [name for name in NAMES if any(name == other for _, other in places)]
    for target in tuning.chosen_targets:
        if not any(_matches(target, place) for place in places):
            raise _unknown(target, kind, known)
    return [
        place
        for place in places
        if place[0] in layers and any(_matches(target, place) for target in tuning.chosen_targets)
    ]


def chosen_layers(tuning: TuningConfig, count: int) -> Collection[int]:
    """Return the numbers of the layers that learn, of so many; raises SFT484 for one that is not there."""
    if tuning.layers is None:
        return range(tuning.freeze_first or 0, count)
    for layer in tuning.layers:
        if layer >= count:
            raise SFTError("SFT484", layer=layer, last=count - 1)
    return tuning.layers


def _matches(target: str, place: Place) -> bool:
    number, name = place
    return target == ALL or fnmatchcase(f"{number}.{name}" if "." in target else name, target)


def _unknown(target: str, kind: str, known: Sequence[str]) -> SFTError:
    suggestion = did_you_mean(target, [*known, ALL])
    listed = ", ".join(known)
    return SFTError("SFT481", target=target, kind=kind, suggestion=suggestion, known=listed, example=known[0])
