"""Virtual tokens of a backbone: learned vectors before the tokens of every text, or learned keys and values of layers.

They are no tokens of a text: no input counts them, no output is theirs, and a text keeps its own numbers. They take
positions, so that a text may be so many tokens shorter. No weight of the backbone can hold them, so whatever is built
of a run's weights has them too.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

import keras
import numpy as np
import tensorflow as tf

from sftkeras.backbones.backbone import Backbone
from sftkeras.backbones.decoders.decoder import Decoder
from sftkeras.backbones.decoders.virtual import PrefixKeys, PromptKeys
from sftkeras.backbones.virtual_encoders import PromptedEncoder, add_prefix, own_pairs


@dataclass(frozen=True)
class VirtualTokens:
    """Kind and number of a backbone's virtual tokens.

    Attributes:
        kind: "prompt" are vectors in front of those of tokens (Lester et al., 2021, arXiv:2104.08691), "prefix" keys
            and values in front of those of every layer (Li & Liang, 2021, arXiv:2101.00190).
        tokens: how many.
    """

    kind: Literal["prompt", "prefix"]
    tokens: int

    def describe(self) -> dict[str, Any]:
        """Return what makes the same again."""
        return asdict(self)


def add_virtual_tokens(backbone: Backbone, virtual: VirtualTokens) -> Backbone:
    """Return the backbone with virtual tokens, whose values are zeros; an encoder is changed in place.

    Args:
        backbone: one that was rebuilt, which has none yet.
        virtual: which; fewer than it has positions.
    """
    model, tokens = backbone.model, virtual.tokens
    if isinstance(model, Decoder):
        sizes = (model.config.layers, model.config.key_value_heads, model.config.head_size)
        if virtual.kind == "prefix":
            model = model.with_virtual_tokens(PrefixKeys(tokens, sizes, name="virtual_tokens"))
        else:
            hidden, read = model.config.hidden_size, model.keys_and_values
            model = model.with_virtual_tokens(PromptKeys(tokens, sizes, hidden, read, name="virtual_tokens"))
    elif virtual.kind == "prefix":
        add_prefix(model, backbone.layers, tokens)
    else:
        model = PromptedEncoder(model, tokens)
    return replace(backbone, model=model, max_positions=backbone.max_positions - tokens, virtual=virtual)


def virtual_weights(backbone: Backbone) -> list[keras.Variable]:
    """Return what is learned of a backbone's virtual tokens.

    Of a prompt one variable, [tokens, numbers in a token's vector]; of a prefix one for each layer, [tokens, 2 *
    width]: the key of each virtual token, heads side by side, and its value.
    """
    if backbone.virtual is None:
        return []
    is_decoder = isinstance(backbone.model, Decoder)
    if backbone.virtual.kind == "prompt":
        holder = backbone.model.virtual if is_decoder else backbone.token_embedding
        return [holder.prompt.vectors]  # type: ignore[union-attr]
    prefixes = backbone.model.virtual.prefixes if is_decoder else [layer.prefix for layer in backbone.layers]
    return [prefix.pairs for prefix in prefixes]


def values_of_tokens(backbone: Backbone, kind: str, token_ids: np.ndarray) -> Sequence[np.ndarray]:
    """Return values, as `virtual_weights` has them, with which virtual tokens are what tokens of a text would be.

    Args:
        backbone: without virtual tokens.
        kind: of the virtual tokens.
        token_ids: [tokens] int32.
    """
    model = backbone.model
    if isinstance(model, Decoder):
        vectors = model.embeddings.of_tokens(tf.constant(token_ids))
        if kind == "prompt":
            return [vectors.numpy()]
        # Heads first become heads side by side, [tokens, 2 * heads * size].
        pairs = (tf.stack(pair, 1)[0] for pair in model.keys_and_values(vectors))
        return [tf.reshape(tf.transpose(pair, [2, 0, 1, 3]), [len(token_ids), -1]).numpy() for pair in pairs]
    if kind == "prompt":
        return [model.token_embedding.embeddings.numpy()[token_ids]]
    return own_pairs(model, backbone.layers, token_ids)
