"""Settings that earlier versions had by other names. Files, flags and runs of then are read by these names too."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

# The name of each setting by its earlier one.
RENAMED: Mapping[str, str] = {
    "optimizer.layer_decay": "tuning.layer_decay",
    "training.unfreeze": "tuning.unfreeze",
    "training.freeze_embeddings": "tuning.freeze_embeddings",
}


def by_new_names(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return settings, by dotted names, with the names that they have today."""
    return {RENAMED.get(name, name): value for name, value in settings.items()}
