"""Virtual tokens of a decoder: the keys and values that they have in each layer.

Attention is causal, so virtual tokens, which come first, depend on no text. What a layer needs of them, their keys and
values, is computed once for all rows, and for all texts that are packed into a row; for an export, once and for all.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import keras
import tensorflow as tf

from sftkeras.backbones.virtual_attention import KeysAndValues, Prefix, Prompt


class VirtualKeys(keras.layers.Layer):
    """Gives the keys and values that virtual tokens have in each layer of a decoder.

    Args:
        tokens: virtual tokens.
        sizes: layers, heads of keys and values, numbers in a head.
    """

    def __init__(self, tokens: int, sizes: tuple[int, int, int], **kwargs: Any) -> None:
        super().__init__(**{"dtype": "float32", **kwargs})
        self.tokens, self._sizes = tokens, sizes

    def of_layers(self, training: bool | None = None) -> list[KeysAndValues]:
        """Return them, of the layers from the first to the last."""
        raise NotImplementedError

    def call(self, positions: tf.Tensor, training: bool | None = None) -> list[tf.Tensor]:
        """Return keys and values of each layer in turn; `positions` are there for Keras alone."""
        return [tensor for pair in self.of_layers(training) for tensor in pair]

    def compute_output_spec(self, positions: keras.KerasTensor, **kwargs: Any) -> list[keras.KerasTensor]:
        """Says the shapes without a trace."""
        layers, heads, size = self._sizes
        return [keras.KerasTensor((1, heads, self.tokens, size), "float32") for _ in range(2 * layers)]


@keras.saving.register_keras_serializable("sftkeras")
class PrefixKeys(VirtualKeys):
    """Keys and values that are learned themselves (Li & Liang, 2021, arXiv:2101.00190).

    Attributes:
        prefixes: of the layers from the first to the last.
    """

    def __init__(self, tokens: int, sizes: tuple[int, int, int], **kwargs: Any) -> None:
        super().__init__(tokens, sizes, **kwargs)
        layers, heads, size = sizes
        with keras.name_scope(self.name):
            self.prefixes = [
                Prefix(tokens, heads, size, name=f"prefix_{number}", dtype="float32") for number in range(layers)
            ]
        self.built = True

    def of_layers(self, training: bool | None = None) -> list[KeysAndValues]:
        """Return what is learned."""
        return [prefix.keys_and_values(tf.float32) for prefix in self.prefixes]

    def get_config(self) -> dict[str, Any]:
        """Its sizes."""
        return {**super().get_config(), "tokens": self.tokens, "sizes": self._sizes}


class PromptKeys(VirtualKeys):
    """Keys and values that a decoder computes of learned token vectors (Lester et al., 2021, arXiv:2104.08691).

    Args:
        tokens: virtual tokens.
        sizes: as of `VirtualKeys`.
        hidden_size: numbers in a token's vector.
        read: vectors [tokens, hidden], and whether units are dropped, to keys and values of each layer.

    Attributes:
        prompt: the vectors.
    """

    def __init__(
        self,
        tokens: int,
        sizes: tuple[int, int, int],
        hidden_size: int,
        read: Callable[[tf.Tensor, bool | None], Sequence[KeysAndValues]],
        **kwargs: Any,
    ) -> None:
        super().__init__(tokens, sizes, **kwargs)
        self._read = read
        with keras.name_scope(self.name):
            self.prompt = Prompt(tokens, hidden_size, name="prompt", dtype="float32")
        self.built = True

    def of_layers(self, training: bool | None = None) -> list[KeysAndValues]:
        """Return what the decoder's layers make of the vectors."""
        return list(self._read(tf.convert_to_tensor(self.prompt.vectors.value), training))
