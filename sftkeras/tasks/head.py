"""The head that tasks share: dropout and one dense layer, in float32 whatever the encoder computes in."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import numpy as np

_DROPOUT = "head_dropout"  # the first layer of the head


def dense_head(features: keras.KerasTensor, units: int, dropout: float) -> keras.KerasTensor:
    """Gives logits [batch, units] float32 of pooled features [batch, hidden]."""
    features = keras.layers.Dropout(dropout, dtype="float32", name=_DROPOUT)(features)
    return keras.layers.Dense(units, dtype="float32", name="logits")(features)


def places_of(names: Sequence[str], among: Sequence[str]) -> np.ndarray:
    """Return the place of each logit among others by its name, [names] int32; these have all of them."""
    numbers = {name: number for number, name in enumerate(among)}
    return np.array([numbers[name] for name in names], np.int32)


def with_text_vectors(network: keras.Model) -> keras.Model:
    """Return a network with the same layers that gives [logits, vector of each text], [batch, units + hidden] float32.

    The vector is what the encoder gives and its pooling, before the head.

    Args:
        network: a pooling and a `dense_head` at its end.
    """
    vectors = network.get_layer(_DROPOUT).input
    joined = keras.layers.Concatenate(dtype="float32", name="logits_and_vectors")([network.output, vectors])
    return keras.Model(network.input, joined, name=f"{network.name}_with_vectors")
