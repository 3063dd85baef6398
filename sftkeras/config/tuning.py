"""Settings of tuning: all weights of a network learn, or few of them."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import ClassVar, Literal

from jsonargparse.typing import NonNegativeFloat, NonNegativeInt, PositiveFloat, PositiveInt

from sftkeras.config.values import Fraction, UnitInterval

Method = Literal["full", "lora", "dora", "adalora", "ia3", "adapters", "prompt", "prefix", "bitfit", "head"]
Activation = Literal["gelu", "relu", "silu"]
Init = Literal["vocabulary", "random"]
Base = Literal["float32", "bfloat16", "int8", "int4"]

# The peak learning rate of each method where none is set. full: the highest of Devlin et al., 2019 (arXiv:1810.04805).
# lora: ten times that of full (Schulman & Thinking Machines Lab, 2025, "LoRA Without Regret"), which is in the range of
# the tables of Hu et al., 2021 (arXiv:2106.09685). dora: that of Liu et al., 2024 (arXiv:2402.09353) for LLaMA-7B.
# adalora: that of Zhang et al., 2023 (arXiv:2303.10512), for MNLI, QQP and CoLA. ia3: that of Liu et al., 2022
# (arXiv:2205.05638). adapters: the middle one of those that Houlsby et al., 2019 (arXiv:1902.00751), tried for GLUE.
# prompt: that of PEFT's guide to prompt-based methods (Lester et al., 2021, take 0.3 with Adafactor, which scales it).
# prefix: that of P-tuning v2 for BERT on RTE, with 20 tokens too (Liu et al., 2022, arXiv:2110.07602). bitfit: the
# highest of Ben Zaken et al., 2022 (arXiv:2106.10199). head: Keras' own of Adam, for a layer that begins at random.
# docs/tuning.md has what was measured with them.
LEARNING_RATES: Mapping[Method, float] = {
    "full": 5e-5,
    "lora": 5e-4,
    "dora": 2e-4,
    "adalora": 5e-4,
    "ia3": 3e-3,
    "adapters": 3e-4,
    "prompt": 3e-2,
    "prefix": 1e-2,
    "bitfit": 1e-3,
    "head": 1e-3,
}
LOW_RANK: tuple[Method, ...] = ("lora", "dora", "adalora")
ADAPTING: tuple[Method, ...] = (*LOW_RANK, "ia3")  # methods that put adapters beside linear layers
VIRTUAL: tuple[Method, ...] = ("prompt", "prefix")  # methods that put virtual tokens before those of a text
IN_LAYERS: tuple[Method, ...] = (*ADAPTING, "adapters", "bitfit")  # methods that ask for the layers of the backbone
PARTIAL: tuple[Method, ...] = (*IN_LAYERS, *VIRTUAL, "head")  # methods that freeze weights of the backbone
# Linear layers that get adapters where none are chosen: those of Liu et al., 2022, and of Houlsby et al., 2019.
_TARGETS: Mapping[Method, tuple[str, ...]] = {"ia3": ("key", "value", "down"), "adapters": ("output", "down")}


@dataclass(frozen=True)
class TuningConfig:
    """Weights that learn, and how few may do"""

    method: Method = "full"
    """full: all weights. lora: small matrices beside the linear layers. dora: these, and the lengths of the kernels'
    columns. adalora: such matrices, whose sizes follow from what each brings. ia3: a vector that rescales keys, values
    and the inner part. All of these are merged into the layers for export. adapters: small networks after attention and
    after the feed-forward part, and norms. prompt: vectors of virtual tokens, before those of a text's tokens. prefix:
    keys and values of virtual tokens, before those of every layer. bitfit: biases and norms. head: nothing of the
    encoder. The task's head learns in all."""
    rank: PositiveInt = 8
    """Inner size of the matrices (lora, dora); of adalora, the mean over all layers at the end."""
    initial_rank: PositiveInt | None = None
    """Inner size of the matrices at the beginning (adalora); null takes one and a half times the rank."""
    orthogonality: NonNegativeFloat = 0.1
    """Weight of the regularizer that keeps what the matrices are made of orthogonal (adalora)."""
    alpha: PositiveFloat = 16.0
    """Their product is scaled by alpha / rank (lora, dora, adalora: by the rank at the beginning)."""
    rank_scaled: bool = False
    """Scale it by alpha / sqrt(rank) instead, as rsLoRA does, for high ranks (lora, dora)."""
    dropout: UnitInterval = 0.0
    """Share of what goes into the matrices that is dropped in training (lora, dora, adalora)."""
    targets: list[str] | None = field(default=None, metadata={"separator": ","})
    """Linear layers that get adapters (lora, dora, ia3, adapters): query, key, value, output, gate, up, down or all,
    with commas between; or patterns of LAYER.NAME, such as 1?.down for the layers 10 to 19. null takes key, value and
    down for ia3, and all otherwise. Of adapters, output is after attention and down after the feed-forward part."""
    bottleneck: PositiveInt = 64
    """Numbers inside each adapter (adapters)."""
    activation: Activation = "gelu"
    """Activation inside each adapter (adapters)."""
    virtual_tokens: PositiveInt = 20
    """Virtual tokens before each text (prompt, prefix). They take positions: a text may be so many tokens shorter."""
    init: Init = "vocabulary"
    """How virtual tokens begin (prompt, prefix): as tokens that are drawn from the vocabulary, or as random numbers."""
    init_text: str | None = None
    """Text whose tokens they begin as instead, again and again until there are enough, such as "Is this review good or
    bad?" (prompt, prefix)."""
    base: Base = "float32"
    """How the kernels of linear layers, which do not learn, are held (all methods but full): int8 rounds those of each
    output, int4 groups of 32. The rounded ones are evaluated, merged and exported. Tables and norms stay float32."""
    layers: list[NonNegativeInt] | None = None
    """Layers that learn, counted from 0, such as [4, 5] (all methods but full and head); null takes all."""
    adapter: str | None = None
    """Folder of an adapter that PEFT or a run wrote, such as runs/reviews/adapter, to begin with (lora, dora, ia3,
    prompt, prefix): its weights, and with them its rank, alpha and targets, or its number of virtual tokens."""
    freeze_embeddings: bool = False
    """Do not train the token embeddings: quicker and smaller where the vocabulary is large."""
    freeze_first: PositiveInt | None = None
    """Do not train the embeddings and this many layers, the first ones: they need no backward pass; null trains all."""
    unfreeze: PositiveInt | None = None
    """Train the head alone in the first epoch, then this many more layers each epoch, from the top; null trains all."""
    layer_decay: Fraction | None = None
    """Each layer's learning rate is this share of that of the layer above; the head's is learning_rate itself."""

    # Settings that only some of the methods use.
    OF_SOME: ClassVar = {
        **dict.fromkeys(("rank", "alpha", "dropout"), LOW_RANK),
        **dict.fromkeys(("initial_rank", "orthogonality"), ("adalora",)),
        "rank_scaled": ("lora", "dora"),
        "targets": (*ADAPTING, "adapters"),
        "adapter": ("lora", "dora", "ia3", *VIRTUAL),
        **dict.fromkeys(("bottleneck", "activation"), ("adapters",)),
        **dict.fromkeys(("virtual_tokens", "init", "init_text"), VIRTUAL),
        "base": PARTIAL,
        "layers": IN_LAYERS,
    }
    # Settings that an adapter decides.
    OF_ADAPTER: ClassVar = ("rank", "alpha", "rank_scaled", "targets", "layers", "virtual_tokens", "init", "init_text")

    @property
    def first_rank(self) -> int:
        """Inner size of the matrices at the beginning; 1.5 times the rank, as the paper has it, where none is set."""
        if self.method != "adalora":
            return self.rank
        return self.initial_rank or -(-3 * self.rank // 2)

    @property
    def freezes(self) -> bool:
        """Whether it leaves variables of the backbone as they are."""
        return self.method in PARTIAL or self.freeze_embeddings or self.freeze_first is not None

    @property
    def chosen_targets(self) -> Sequence[str]:
        """Names and patterns of the linear layers that get adapters."""
        return _TARGETS.get(self.method, ("all",)) if self.targets is None else self.targets
