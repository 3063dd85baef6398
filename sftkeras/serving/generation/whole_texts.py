"""Bounds of Predict's calls that generate whole texts: they run in one call of TensorFlow, which nothing can end."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from tensorflow.core.protobuf.meta_graph_pb2 import SignatureDef

from sftkeras.serving.errors import invalid

_GENERATED = "new_tokens"  # an output of every signature that generates
_MOST = "max_new_tokens"  # an input of the signatures that let the caller choose


def check_whole_texts(
    signature: SignatureDef, inputs: Mapping[str, np.ndarray], *, default: int, positions: int, most: int
) -> None:
    """Refuse a call that could generate more tokens than there is room for.

    Args:
        signature: that is called; one that generates nothing is not bounded.
        inputs: that are given, each with a value a row, or one for all rows.
        default: most new tokens of a text where a call does not say.
        positions: most tokens of prompt and text.
        most: tokens of all rows.

    Raises:
        ServingError: INVALID_ARGUMENT, with the limit.
    """
    if _GENERATED not in signature.outputs:
        return
    rows = max((len(array) for array in inputs.values() if array.ndim), default=0)
    wanted = inputs[_MOST] if _MOST in inputs else np.array(default)
    each = min(int(wanted.max(initial=0)), positions)
    if rows * each > most:
        raise invalid(
            f"{rows} texts of up to {each} new tokens are {rows * each} tokens; one call may generate {most}, as many "
            f"as the cache of --generation_cache_bytes holds. Send fewer texts, or a smaller {_MOST}"
        )
