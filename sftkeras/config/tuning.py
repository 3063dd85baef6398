"""Settings of tuning: all weights of a network learn, or few of them."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from jsonargparse.typing import NonNegativeInt, PositiveFloat, PositiveInt

from sftkeras.config.values import UnitInterval

Method = Literal["full", "lora", "bitfit", "head"]

# The peak learning rate of each method where none is set. full: the highest of Devlin et al., 2019 (arXiv:1810.04805).
# lora: ten times that of full (Schulman & Thinking Machines Lab, 2025, "LoRA Without Regret"), which is in the range of
# the tables of Hu et al., 2021 (arXiv:2106.09685). bitfit: the highest of Ben Zaken et al., 2022 (arXiv:2106.10199).
# head: Keras' own of Adam, for a layer that begins at random. docs/tuning.md has what was measured with them.
LEARNING_RATES: Mapping[Method, float] = {"full": 5e-5, "lora": 5e-4, "bitfit": 1e-3, "head": 1e-3}


@dataclass(frozen=True)
class TuningConfig:
    """Weights that learn, and how few may do"""

    method: Method = "full"
    """full: all weights. lora: small matrices beside the linear layers, which are merged into them for export. bitfit:
    biases and norms. head: nothing of the encoder. The task's head learns in all."""
    rank: PositiveInt = 8
    """Inner size of the matrices (lora)."""
    alpha: PositiveFloat = 16.0
    """Their product is scaled by alpha / rank (lora)."""
    rank_scaled: bool = False
    """Scale it by alpha / sqrt(rank) instead, as rsLoRA does, for high ranks (lora)."""
    dropout: UnitInterval = 0.0
    """Share of what goes into the matrices that is dropped in training (lora)."""
    targets: list[str] = field(default_factory=lambda: ["all"], metadata={"separator": ","})
    """Linear layers that get matrices (lora): query, key, value, output, gate, up, down or all, with commas between; or
    patterns of LAYER.NAME, such as 1?.down for the layers 10 to 19."""
    layers: list[NonNegativeInt] | None = None
    """Layers that learn, counted from 0, such as [4, 5] (lora, bitfit); null takes all."""
    adapter: str | None = None
    """Folder of an adapter that PEFT or a run wrote, such as runs/reviews/adapter, to begin with (lora): its matrices,
    and with them its rank, alpha and targets."""

    # Settings that only some of the methods use.
    OF_SOME: ClassVar = {
        **dict.fromkeys(("rank", "alpha", "rank_scaled", "dropout", "targets", "adapter"), ("lora",)),
        "layers": ("lora", "bitfit"),
    }
    # Settings that an adapter decides.
    OF_ADAPTER: ClassVar = ("rank", "alpha", "rank_scaled", "targets", "layers")
