"""Sizes and switches of a decoder. Imports nothing, so that a folder can be checked at once."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Activation = Literal["silu", "gelu", "gelu_tanh", "relu"]


@dataclass(frozen=True)
class Rope:
    """Rotary positions (Su et al., 2021, arXiv:2104.09864) of a layer.

    Attributes:
        frequencies: radians per position, of each pair of a head's first numbers; the numbers after them do not turn.
        factor: what cosines and sines are multiplied by, so that attention stays as sharp in stretched contexts.
    """

    frequencies: tuple[float, ...]
    factor: float = 1.0


@dataclass(frozen=True)
class DecoderConfig:
    """Sizes and switches of a decoder.

    Attributes:
        vocabulary_size: rows of the token embedding.
        hidden_size: numbers in a token's vector.
        heads: attention heads.
        key_value_heads: heads of keys and of values, each of which `heads / key_value_heads` heads share (Ainslie et
            al., 2023, arXiv:2305.13245).
        head_size: numbers in a head.
        inner_size: numbers inside the feed-forward part.
        max_positions: most tokens of a sequence.
        epsilon: of all norms.
        query_scale: what queries are multiplied by before they meet keys.
        windows: for each layer, how many tokens one sees, itself included; None is all before it.
        ropes: for each layer, its rotary positions; None turns nothing.
        activation: of the feed-forward part.
        gated: whether the feed-forward part multiplies what the activation gives (Shazeer, 2020, arXiv:2002.05202).
        norm: root mean square (Zhang & Sennrich, 2019, arXiv:1910.07467), or layer norm.
        unit_offset: whether the scale of a root mean square norm is 1 + weight.
        post_norms: whether what attention and feed-forward part give is normalised before it is added.
        query_key_norm: whether each head of queries and keys is normalised.
        query_key_value_bias: whether queries, keys and values have a bias.
        attention_output_bias: whether attention's output has one.
        feed_forward_bias: whether the feed-forward part has them.
        attention_soft_cap: scores s become cap * tanh(s / cap).
        final_soft_cap: the same of logits.
        embedding_scale: what token vectors are multiplied by before the first layer.
        learned_positions: rows of the table of positions; 0 has no table.
        first_position: the row of that table that position 0 has.
        tied: whether the token embedding gives the logits too.
        embedding_dropout: dropout of token vectors.
        residual_dropout: dropout of what attention and feed-forward part give.
        attention_dropout: dropout of attention weights.
    """

    vocabulary_size: int
    hidden_size: int
    heads: int
    key_value_heads: int
    head_size: int
    inner_size: int
    max_positions: int
    epsilon: float
    query_scale: float
    windows: tuple[int | None, ...]
    ropes: tuple[Rope | None, ...]
    activation: Activation = "silu"
    gated: bool = True
    norm: Literal["rms", "layer"] = "rms"
    unit_offset: bool = False
    post_norms: bool = False
    query_key_norm: bool = False
    query_key_value_bias: bool = False
    attention_output_bias: bool = False
    feed_forward_bias: bool = False
    attention_soft_cap: float | None = None
    final_soft_cap: float | None = None
    embedding_scale: float | None = None
    learned_positions: int = 0
    first_position: int = 0
    tied: bool = True
    embedding_dropout: float = 0.0
    residual_dropout: float = 0.0
    attention_dropout: float = 0.0

    @property
    def layers(self) -> int:
        """Number of layers."""
        return len(self.windows)
