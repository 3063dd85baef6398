"""Runs side by side: the settings that differ, the figures on the test rows, the learning curves. No TensorFlow."""

from __future__ import annotations

from sftkeras.comparison.comparing import Comparison, Figure, compare

__all__ = ["Comparison", "Figure", "compare"]
