"""New bottleneck adapters for a run to learn: after attention and after the feed-forward part of its layers."""

from __future__ import annotations

from sftkeras.backbones import Backbone
from sftkeras.backbones.bottlenecks import bottlenecks_of, put_bottleneck
from sftkeras.backbones.dense.adapters import sizes
from sftkeras.backbones.dense.bottleneck import BottleneckSettings, first_values
from sftkeras.backbones.linear_parts import linear_parts, name_of
from sftkeras.config import TrainConfig
from sftkeras.plurals import counted
from sftkeras.tuning.targets import ENDS, chosen_places


def add_bottlenecks(backbone: Backbone, config: TrainConfig) -> tuple[str, ...]:
    """Puts bottleneck adapters at the chosen places of a backbone, where an earlier run has left none.

    Returns:
        Notes for the user.

    Raises:
        SFTError: SFT481 or SFT484 for targets or layers that it has not.
    """
    tuning, there = config.tuning, bottlenecks_of(backbone)
    parts = {place: layer for place, layer in linear_parts(backbone).items() if place[1] in ENDS}
    settings = BottleneckSettings(tuning.bottleneck, tuning.activation)
    for place in chosen_places(tuning, parts, backbone.kind):
        if place not in there:
            values = first_values(name_of(place), sizes(parts[place])[1], settings.size, config.seed)
            put_bottleneck(place, parts[place], settings, values)
    return (f"{counted(len(there), 'bottleneck adapter')} of the earlier run learn on",) if there else ()
