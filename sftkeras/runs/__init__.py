"""The folder of a run: where each thing a run needs or makes is kept, and the model built again from it."""

from __future__ import annotations

from sftkeras.runs.folder import RunFolder, kept

__all__ = ["RunFolder", "kept"]
