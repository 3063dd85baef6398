"""The head that tasks share: dropout and one dense layer, in float32 whatever the encoder computes in."""

from __future__ import annotations

import keras

_DROPOUT = "head_dropout"  # the first layer of the head


def dense_head(features: keras.KerasTensor, units: int, dropout: float) -> keras.KerasTensor:
    """Gives logits [batch, units] float32 of pooled features [batch, hidden]."""
    features = keras.layers.Dropout(dropout, dtype="float32", name=_DROPOUT)(features)
    return keras.layers.Dense(units, dtype="float32", name="logits")(features)


def with_text_vectors(network: keras.Model) -> keras.Model:
    """Return a network with the same layers that gives [logits, vector of each text], [batch, units + hidden] float32.

    The vector is what the encoder gives and its pooling, before the head.

    Args:
        network: a pooling and a `dense_head` at its end.
    """
    vectors = network.get_layer(_DROPOUT).input
    joined = keras.layers.Concatenate(dtype="float32", name="logits_and_vectors")([network.output, vectors])
    return keras.Model(network.input, joined, name=f"{network.name}_with_vectors")
