"""Comparisons of predictions, for all tests of this folder. Imports no TensorFlow."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest


def assert_alike(found: Any, expected: Any) -> None:
    """Compares what JSON can hold; numbers may differ by rounding."""
    if isinstance(found, float) and isinstance(expected, float):
        assert found == pytest.approx(expected, rel=1e-4, abs=1e-5)
    elif isinstance(expected, dict | list):
        assert len(found) == len(expected)
        for key in expected if isinstance(expected, dict) else range(len(expected)):
            assert_alike(found[key], expected[key])
    else:
        assert found == expected


def decoded(array: np.ndarray) -> np.ndarray:
    """Strings of TensorFlow, which are bytes, as those of Python; other arrays as they are."""
    return np.char.decode(array.astype(bytes), "utf-8") if array.dtype == object else array
