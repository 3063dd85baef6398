"""Packages that TensorFlow and Keras import where they are installed, though few programs use what they do with them.

Read alone by `sftkeras.exporting.prediction_worker`, before TensorFlow: imports nothing of the package.
Test: tests/internals/test_optional_packages.py.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any

# Keras 3.15 imports them for `keras.visualization`, data frames in `fit` and estimators of scikit-learn.
_OF_KERAS = ("matplotlib", "pandas", "sklearn")

# TensorFlow 2.21 imports Keras, and does without where there is none; tensorflow_text 2.21 defines layers of it.
_KERAS, _LAYERS_OF_TEXT = "keras", "tensorflow_text.python.keras"


@contextmanager
def hidden_optional_packages(*, keras: bool = True) -> Iterator[None]:
    """Hides them from imports inside the block, which saves a third of TensorFlow's; later imports find them.

    Args:
        keras: whether Keras itself is wanted, which processes that only run exports do without.
    """
    modules: dict[str, Any] = sys.modules
    stand_ins: dict[str, ModuleType | None] = dict.fromkeys(_OF_KERAS)
    if not keras:
        stand_ins |= {_KERAS: None, _LAYERS_OF_TEXT: ModuleType(_LAYERS_OF_TEXT)}
    hidden = {name: stand_in for name, stand_in in stand_ins.items() if name not in modules}
    modules.update(hidden)
    try:
        yield
    finally:
        for name in hidden:
            del modules[name]
