"""Rotary positions as config.json describes them, in the forms of transformers 4 and 5, to frequencies.

The formulas are those of transformers' `modeling_rope_utils`, in float32 as there.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from sftkeras.backbones.decoders.config import Rope
from sftkeras.backbones.hugging_face.family import listed
from sftkeras.errors import SFTError

Settings = Mapping[str, Any]
LONGROPE = ("longrope", "su")  # "su" is its name in Phi-3's first configs


def rope_settings(config: Settings, default_theta: float) -> dict[str, Any]:
    """The settings of rotary positions that all layers share, by the names of transformers 5.

    Args:
        config: config.json: `rope_parameters`, or `rope_theta` and `rope_scaling` of transformers 4.
        default_theta: the base of the family's frequencies.
    """
    settings = {
        "rope_theta": config.get("rope_theta") or default_theta,
        "partial_rotary_factor": config.get("partial_rotary_factor") or 1.0,
        **(config.get("rope_scaling") or config.get("rope_parameters") or {}),
    }
    settings["rope_type"] = settings.get("rope_type") or settings.get("type") or "default"
    if settings["rope_type"] in (*LONGROPE, "llama3", "yarn"):
        learned = config.get("original_max_position_embeddings") or settings.get("original_max_position_embeddings")
        settings["original_max_position_embeddings"] = learned or config["max_position_embeddings"]
    return settings


def read_rope(settings: Settings, head_size: int, max_positions: int, folder: Path) -> Rope:
    """Gives the rotary positions of a head.

    Args:
        settings: as of `rope_settings`.
        head_size: numbers in a head.
        max_positions: `max_position_embeddings` of the config.
        folder: for the error.

    Raises:
        SFTError: SFT355 if it is a kind that is not computed, SFT354 if a number is missing or none.
    """
    kind = settings["rope_type"]
    if kind not in _KINDS:
        raise SFTError("SFT355", folder=folder, key="rope_type", value=kind, known=listed(_KINDS))
    try:
        size = int(head_size * settings["partial_rotary_factor"])
        exponents = np.arange(0, size, 2, dtype=np.float32) / np.float32(size)
        frequencies = np.float32(1) / np.float32(settings["rope_theta"]) ** exponents
        frequencies, factor = _KINDS[kind](frequencies, settings, max_positions)
    except (KeyError, TypeError, ValueError) as error:
        problem = f"rotary positions of the kind {kind}: {type(error).__name__} {error}"
        raise SFTError("SFT354", path=folder / "config.json", problem=problem) from error
    return Rope(tuple(float(frequency) for frequency in frequencies), factor)


def _default(frequencies: np.ndarray, settings: Settings, max_positions: int) -> tuple[np.ndarray, float]:
    return frequencies, 1.0


def _linear(frequencies: np.ndarray, settings: Settings, max_positions: int) -> tuple[np.ndarray, float]:
    return frequencies / np.float32(settings["factor"]), 1.0


def _llama3(frequencies: np.ndarray, settings: Settings, max_positions: int) -> tuple[np.ndarray, float]:
    """Llama 3.1: low frequencies are stretched, high ones are not, and those between in part."""
    factor, low, high = (float(settings[key]) for key in ("factor", "low_freq_factor", "high_freq_factor"))
    learned = settings["original_max_position_embeddings"]
    wavelengths = np.float32(2 * math.pi) / frequencies
    share = ((learned / wavelengths - low) / (high - low)).astype(np.float32)
    between = (1 - share) * frequencies / np.float32(factor) + share * frequencies
    stretched = np.where(wavelengths > learned / low, frequencies / np.float32(factor), frequencies)
    is_between = (wavelengths >= learned / high) & (wavelengths <= learned / low)
    return np.where(is_between, between, stretched), 1.0


def _yarn(frequencies: np.ndarray, settings: Settings, max_positions: int) -> tuple[np.ndarray, float]:
    """YaRN (Peng et al., 2023, arXiv:2309.00071)."""
    learned, base = settings["original_max_position_embeddings"], settings["rope_theta"]
    factor = settings.get("factor") or max_positions / learned
    size = 2 * len(frequencies)

    def dimension(turns: float) -> float:
        """The dimension that turns so often within the positions that were learned."""
        return size * math.log(learned / (turns * 2 * math.pi)) / (2 * math.log(base))

    low, high = dimension(settings.get("beta_fast") or 32), dimension(settings.get("beta_slow") or 1)
    if settings.get("truncate", True):
        low, high = math.floor(low), math.ceil(high)
    low, high = max(low, 0), min(high, size - 1)
    ramp = (np.arange(len(frequencies), dtype=np.float32) - low) / ((high - low) or 0.001)
    stretched = np.clip(ramp, 0, 1).astype(np.float32)
    mixed = frequencies / np.float32(factor) * stretched + frequencies * (1 - stretched)
    return mixed, settings.get("attention_factor") or _yarn_factor(settings, factor)


def _yarn_factor(settings: Settings, factor: float) -> float:
    def scale(weight: float) -> float:
        return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0

    one, other = settings.get("mscale"), settings.get("mscale_all_dim")
    return scale(one) / scale(other) if one and other else scale(1.0)


def _longrope(frequencies: np.ndarray, settings: Settings, max_positions: int) -> tuple[np.ndarray, float]:
    """LongRoPE (Ding et al., 2024, arXiv:2402.13753) within the positions that were learned first.

    Longer contexts have other factors, for all their tokens: those of a shorter one would change as it grows.
    """
    learned = settings["original_max_position_embeddings"]
    factor = settings.get("factor") or max_positions / learned
    default = 1.0 if factor <= 1 else math.sqrt(1 + math.log(factor) / math.log(learned))
    shorts = np.array(settings["short_factor"], np.float32)
    return frequencies / shorts, settings.get("attention_factor") or default


# "dynamic" stretches only contexts above `max_position_embeddings`, which are refused.
_KINDS: dict[str, Callable[[np.ndarray, Settings, int], tuple[np.ndarray, float]]] = {
    "default": _default,
    "dynamic": _default,
    "linear": _linear,
    "llama3": _llama3,
    "yarn": _yarn,
    **dict.fromkeys(LONGROPE, _longrope),
}
