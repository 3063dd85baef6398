"""Dense layers without some of their inputs or outputs: what is left of a transformer layer with fewer heads and units.

A head or a unit adds to what its layer gives by its rows of the next kernel alone. Without these rows, and the columns
that make what they multiply, the layer gives what it would if the head or the unit gave zeros.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np

from sftkeras.backbones.dense.adapters import AnyDense, sizes
from sftkeras.internals.keras import replace_weight

Parts = Mapping[str, AnyDense]
"""The dense layers of a transformer layer, by the names of `linear_parts`."""


def keep_groups(parts: Parts, kept: Sequence[int] | np.ndarray, groups: int) -> None:
    """Keeps some of the heads of a layer.

    Args:
        parts: query, key, value and output.
        kept: numbers of the groups of heads that stay, ascending.
        groups: how many there are; heads of a group share their keys and values.
    """
    own, shared = (_places(kept, sizes(parts[name])[1] // groups) for name in ("query", "key"))
    _cut(parts["query"], outputs=own)
    _cut(parts["key"], outputs=shared)
    _cut(parts["value"], outputs=shared)
    _cut(parts["output"], inputs=own)


def keep_units(parts: Parts, kept: Sequence[int] | np.ndarray) -> None:
    """Keeps some of the units of a feed-forward part.

    Args:
        parts: up and down, and gate where there is one.
        kept: numbers of the units that stay, ascending.
    """
    for name in ("gate", "up"):
        if name in parts:
            _cut(parts[name], outputs=np.asarray(kept))
    _cut(parts["down"], inputs=np.asarray(kept))


def _places(groups: Sequence[int] | np.ndarray, size: int) -> np.ndarray:
    """The columns of some groups of columns, each of so many."""
    return (np.asarray(groups)[:, np.newaxis] * size + np.arange(size)).reshape(-1)


def _cut(layer: AnyDense, *, inputs: np.ndarray | None = None, outputs: np.ndarray | None = None) -> None:
    """Keeps some inputs or some outputs of a dense layer; attention heads stand side by side in both."""
    kernel = layer.kernel.numpy()
    shape, kernel = list(kernel.shape), kernel.reshape(sizes(layer))
    if inputs is not None:  # a kernel [heads, size, outputs] or [inputs, outputs]
        kernel, shape[0] = kernel[inputs], -1
    if outputs is not None:  # a kernel [inputs, heads, size] or [inputs, outputs]
        kernel, shape[1] = kernel[:, outputs], -1
        if layer.bias is not None:
            bias = layer.bias.numpy()
            replace_weight(layer, "bias", bias.reshape(-1)[outputs].reshape(-1, *bias.shape[1:]))
    replace_weight(layer, "_kernel", kernel.reshape(shape))
