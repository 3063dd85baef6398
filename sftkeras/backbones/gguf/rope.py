"""Rotary scaling of a GGUF file, in the words of config.json."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from sftkeras.backbones.gguf.file import GGUFFile, damaged, unsupported

# llama.cpp stores what Llama 3.1's formula gives, not its constants. These are the constants of all published models.
_LOW, _HIGH, _ORIGINAL = 1.0, 4.0, 8192
LLAMA3_CONSTANTS = {
    "low_freq_factor": _LOW,
    "high_freq_factor": _HIGH,
    "original_max_position_embeddings": _ORIGINAL,
}

FREQUENCIES, LONG, SHORT = "rope_freqs.weight", "rope_factors_long.weight", "rope_factors_short.weight"
TENSORS = {FREQUENCIES, LONG, SHORT}


def read_scaling(file: GGUFFile, architecture: str, theta: float, rotated: int) -> dict[str, Any] | None:
    """Return the `rope_scaling` of config.json, or None where positions are not stretched.

    Args:
        file: the file.
        architecture: the prefix of its settings.
        theta: base of the frequencies.
        rotated: numbers of each head that are rotated.

    Raises:
        SFTError: SFT399 if it is a kind that is not known.
    """
    if FREQUENCIES in file.tensors:
        return _of_llama3(file, theta, rotated)
    if LONG in file.tensors or SHORT in file.tensors:
        return _long_and_short(file, rotated)
    kind = file.get(f"{architecture}.rope.scaling.type", str, "none")
    factor = file.get(f"{architecture}.rope.scaling.factor", float, 1.0)
    if kind == "linear" and factor != 1.0:
        return {"rope_type": "linear", "factor": factor}
    if kind not in ("none", "linear"):
        raise unsupported(file.path, f"{architecture}.rope.scaling.type", kind, ("none", "linear"))
    return None


def _of_llama3(file: GGUFFile, theta: float, rotated: int) -> dict[str, Any]:
    """Find the factor of Llama 3.1's scaling, and prove that it gives the divisors that are stored."""
    stored = np.asarray(file.read(FREQUENCIES), np.float64).ravel()
    factor = round(float(stored.max()), 4)
    if len(stored) != rotated // 2 or not np.allclose(stored, llama3_divisors(theta, rotated, factor), rtol=1e-4):
        raise unsupported(
            file.path, "tensor", FREQUENCIES, "the scaling of Llama 3.1, with its constants 1, 4 and 8192"
        )
    return {
        "rope_type": "llama3",
        "factor": factor,
        **LLAMA3_CONSTANTS,
    }


def llama3_divisors(theta: float, rotated: int, factor: float) -> np.ndarray:
    """Compute by what Llama 3.1 divides each frequency (arXiv 2407.21783; the formula is that of `transformers`)."""
    waves = 2 * math.pi * theta ** (np.arange(0, rotated, 2) / rotated)  # length of each wave, in tokens
    smooth = np.clip((_ORIGINAL / waves - _LOW) / (_HIGH - _LOW), 0, 1)
    return 1 / ((1 - smooth) / factor + smooth)


def _long_and_short(file: GGUFFile, rotated: int) -> dict[str, Any]:
    """Read the divisors of Phi-3's long context (LongRoPE, arXiv 2402.13753), of short and of long texts."""
    factors = {}
    for key, name in (("long_factor", LONG), ("short_factor", SHORT)):
        if name not in file.tensors:
            raise damaged(file.path, f"it has no tensor {name}")
        factors[key] = [float(str(np.float32(value))) for value in file.read(name).ravel()]
        if len(factors[key]) != rotated // 2:
            raise damaged(file.path, f"tensor {name} has {len(factors[key])} values for {rotated // 2} frequencies")
    return {"rope_type": "longrope", **factors}
