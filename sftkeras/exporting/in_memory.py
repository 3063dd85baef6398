"""Predicts with a model in memory, as it is now, in the form that a prediction process does."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
import tensorflow as tf

from sftkeras.exporting.signatures import PAIR, TEXT
from sftkeras.tasks import TextModel
from sftkeras.tasks.padding import by_length, in_order
from sftkeras.tasks.predictions import Outputs


def predictor(text_model: TextModel, batch_size: int) -> Callable[..., Outputs]:
    """Returns a function (texts, second texts, wanted outputs, progress) → outputs. Progress gets each batch's rows.

    Wanted outputs may be None: all.
    """
    names = (TEXT, PAIR) if text_model.features.pairs else (TEXT,)
    strings = [tf.TensorSpec([None], tf.string)] * len(names)
    answer = tf.function(lambda *texts: text_model(*texts), input_signature=strings, autograph=False)

    def predict(
        texts: Sequence[str],
        second_texts: Sequence[str] | None,
        outputs: Sequence[str] | None,
        progress: Callable[[int], object],
    ) -> Outputs:
        columns = [texts, second_texts or ()][: len(names)]
        plan = by_length([len(text) for text in texts], batch_size)
        batches = []
        for rows in plan:
            found = answer(*(tf.constant([_utf8(column[row]) for row in rows]) for column in columns))
            batches.append({name: _plain(found[name].numpy()) for name in outputs or found})
            progress(len(rows))
        return in_order(batches, plan)

    return predict


def _utf8(text: str) -> bytes:
    return text.encode("utf-8", "replace")


def _plain(array: np.ndarray) -> np.ndarray:
    """Strings as str."""
    return np.char.decode(array.astype("S"), "utf-8") if array.dtype == object else array
