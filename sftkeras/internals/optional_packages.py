"""Packages that Keras 3.15 imports whenever they are installed, though few programs use what it does with them.

Read alone by `sftkeras.exporting.prediction_worker`, before TensorFlow: imports nothing of the package.
Test: tests/internals/test_optional_packages.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

# For `keras.visualization`, data frames in `fit` and estimators of scikit-learn.
_NAMES = ("matplotlib", "pandas", "sklearn")


@contextmanager
def hidden_optional_packages() -> Iterator[None]:
    """Hides them from imports inside the block, which saves a third of TensorFlow's; later imports find them."""
    modules: dict[str, Any] = sys.modules
    hidden = [name for name in _NAMES if name not in modules]
    modules.update(dict.fromkeys(hidden))
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]
