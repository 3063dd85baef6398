"""The head that tasks share: dropout and one dense layer, in float32 whatever the encoder computes in."""

from __future__ import annotations

import keras


def dense_head(features: keras.KerasTensor, units: int, dropout: float) -> keras.KerasTensor:
    """Gives logits [batch, units] float32 of pooled features [batch, hidden]."""
    features = keras.layers.Dropout(dropout, dtype="float32", name="head_dropout")(features)
    return keras.layers.Dense(units, dtype="float32", name="logits")(features)
