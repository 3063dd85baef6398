"""Description of an architecture, and what is the same in all of them: config keys, layer settings, weights.

The architectures are post-norm transformers that KerasHub builds. Own code rather than `from_preset(folder)` of
KerasHub, which keeps its GELU, layer norm epsilon and dropout whatever the checkpoint says, drops RoBERTa's segment
embedding and pooler, and fails on a BERT without a pooler.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.errors import SFTError

if TYPE_CHECKING:
    import keras
    from keras_hub.layers import TransformerEncoder

Config = Mapping[str, Any]

_POSITIONS = "max_position_embeddings"
_PRUNED = "pruned_heads"  # as transformers up to version 4 has it: for a layer's number, those of the heads that left
# What config.json calls the activations that can be built.
ACTIVATIONS = ("gelu", "gelu_new", "gelu_pytorch_tanh", "relu", "silu")
# Other names that it has for some of them; gelu_fast differs from gelu_new in the last digits of a constant.
ACTIVATION_ALIASES = {
    "gelu_python": "gelu",
    **dict.fromkeys(("gelu_fast", "gelu_accurate", "gelu_python_tanh"), "gelu_new"),
    "swish": "silu",
}
# The names of functions, Keras' and KerasHub's among them, to those of config.json.
_ACTIVATION_NAMES = {
    "exact_gelu": "gelu",
    "gelu": "gelu",
    "tanh_gelu": "gelu_new",
    "gelu_approximate": "gelu_new",
    "relu": "relu",
    "silu": "silu",
}


@dataclass(frozen=True)
class Weight:
    """A variable of an encoder and the tensor that holds it in a checkpoint.

    Attributes:
        variable: the variable.
        name: the tensor's name, without the checkpoint's prefix.
        shape: the tensor's shape: attention heads side by side, dense kernels [outputs, inputs].
        is_kernel: whether it is a dense kernel, which the variable has the other way round.
        unused_rows: how many first rows of the tensor the variable is without; they are written as zeros.
    """

    variable: keras.Variable
    name: str
    shape: tuple[int, ...]
    is_kernel: bool = False
    unused_rows: int = 0

    def assign(self, tensor: np.ndarray) -> None:
        """Sets the variable to `tensor`, which has `shape`."""
        value = tensor.T if self.is_kernel else tensor[self.unused_rows :]
        self.variable.assign(np.reshape(value, self.variable.shape))

    def tensor(self) -> np.ndarray:
        """The variable's value as a checkpoint stores it."""
        value = self.variable.numpy()
        if self.is_kernel:
            return np.ascontiguousarray(value.reshape(self.shape[::-1]).T)
        unused = np.zeros((self.unused_rows, *self.shape[1:]), value.dtype)
        return np.concatenate([unused, value]) if self.unused_rows else value.reshape(self.shape)


Weights = Iterator[Weight]


@dataclass(frozen=True)
class Family:
    """One architecture.

    Attributes:
        model_type: its name in config.json.
        prefix: what stands before the names of its tensors in checkpoints with a head, without the dot.
        encoder: the name of its class in `keras_hub.models`.
        sizes: each whole number that config.json must give, with the argument and attribute of `encoder` that it is.
        defaults: the other keys that matter, each with what a config.json without it means.
        supported: for keys that may not be anything, the values they may have.
        weights: gives all weights of an encoder. A checkpoint may be without those of the pooler.
        activation: the key of its activation.
        dropout: the keys of its dropout in general, and of that of attention weights.
        first_position: the row of the position table that the first token of a text has.
        has_segments: whether it has an embedding of segments, "type_vocab_size" of them.
        adjust: sets what else an encoder needs to equal the original.
    """

    model_type: str
    prefix: str
    encoder: str
    sizes: Mapping[str, str]
    weights: Callable[[keras.Model], Weights]
    defaults: Config
    supported: Mapping[str, tuple[Any, ...]] = field(default_factory=dict)
    activation: str = "hidden_act"
    dropout: tuple[str, str] = ("hidden_dropout_prob", "attention_probs_dropout_prob")
    first_position: int = 0
    has_segments: bool = True
    adjust: Callable[[keras.Model], None] = lambda encoder: None

    def positions(self, config: Config) -> int:
        """Most tokens that an encoder has positions for."""
        return config[_POSITIONS] - self.first_position

    def build(self, config: Config, dropout: float | None) -> keras.Model:
        """Builds the encoder that `config` describes, with initial weights; `dropout` overrides that of `config`."""
        import keras_hub

        from sftkeras.backbones.token_encoder import TokenEncoder
        from sftkeras.internals.keras_hub import layer_parts

        settings = {**self.defaults, **config}
        general, attention = (settings[key] if dropout is None else dropout for key in self.dropout)
        sizes = {argument: settings[key] for key, argument in self.sizes.items()}
        sizes["max_sequence_length"] = self.positions(settings)
        if self.has_segments:
            sizes["num_segments"] = settings["type_vocab_size"]
        encoder = getattr(keras_hub.models, self.encoder)(**sizes, dropout=general)
        activation = _activation(settings[self.activation])
        encoder.embeddings_layer_norm.epsilon = settings["layer_norm_eps"]
        for layer in transformer_layers(encoder):
            parts = layer_parts(layer)
            parts.intermediate.activation = activation
            parts.attention_norm.epsilon = parts.output_norm.epsilon = settings["layer_norm_eps"]
            set_attention_dropout(layer, attention)
        cut_heads(encoder, settings.get(_PRUNED) or {})
        self.adjust(encoder)
        encoder = encoder if isinstance(encoder.output, dict) else TokenEncoder(encoder)
        encoder.model_type = self.model_type
        return encoder

    def describe(self, encoder: keras.Model) -> dict[str, Any]:
        """Gives the config.json of an encoder.

        Raises:
            SFTError: SFT355 if its activation has no name there.
        """
        from sftkeras.internals.keras_hub import layer_parts

        layer = next(transformer_layers(encoder))
        activation = layer_parts(layer).intermediate.activation.__name__
        if activation not in _ACTIVATION_NAMES:
            raise SFTError("SFT355", folder=encoder.name, key="activation", value=activation, known=listed(ACTIVATIONS))
        sizes = {key: getattr(encoder, argument) for key, argument in self.sizes.items()}
        sizes[_POSITIONS] += self.first_position
        pruned = pruned_heads(encoder)
        general, attention = self.dropout
        return {
            "model_type": self.model_type,
            **sizes,
            **self.defaults,
            **{key: values[0] for key, values in self.supported.items()},
            **({"type_vocab_size": encoder.num_segments} if self.has_segments else {}),
            self.activation: _ACTIVATION_NAMES[activation],
            "layer_norm_eps": encoder.embeddings_layer_norm.epsilon,
            general: encoder.embeddings_dropout.rate,
            attention: attention_dropout(layer).rate,
            **({_PRUNED: pruned} if pruned else {}),
        }


def is_pooler(weight: Weight) -> bool:
    """Whether it belongs to the pooler, which a checkpoint has whole or not at all."""
    return weight.name.startswith("pooler.")


def listed(values: Iterable[Any]) -> str:
    """Returns values as a list in an error message."""
    return ", ".join(map(str, values))


def transformer_layers(encoder: keras.Model) -> Iterator[TransformerEncoder]:
    """Yields each transformer layer once, also one that is run again and again."""
    for layer in encoder.transformer_layers:
        yield from layer if isinstance(layer, list) else [layer]


def cut_heads(encoder: keras.Model, pruned: Mapping[str, Sequence[int]]) -> None:
    """Takes heads from the layers of an encoder that was just built; config.json says from which, and how many."""
    from sftkeras.backbones.dense.cutting import keep_groups
    from sftkeras.internals.keras_hub import attention_parts, layer_parts, set_heads

    layers = list(transformer_layers(encoder))
    for number, heads in pruned.items():
        attention = layer_parts(layers[int(number)]).attention
        kept = [head for head in range(attention.num_heads) if head not in heads]
        keep_groups(attention_parts(attention)._asdict(), kept, attention.num_heads)
        set_heads(attention, len(kept))


def pruned_heads(encoder: keras.Model) -> dict[str, list[int]]:
    """Return how config.json says which layers have fewer heads: which of them left does not matter any more."""
    from sftkeras.internals.keras_hub import layer_parts

    heads = [layer_parts(layer).attention.num_heads for layer in transformer_layers(encoder)]
    whole = encoder.num_heads
    return {str(number): list(range(left, whole)) for number, left in enumerate(heads) if left < whole}


def model_type_of(encoder: keras.Model) -> str:
    """Return the `model_type` of config.json for an encoder that was built here, or for a BERT that KerasHub built."""
    return getattr(encoder, "model_type", "bert")  # which is ours, and not on KerasHub's own models


def attention_dropout(layer: TransformerEncoder) -> keras.layers.Dropout:
    """The dropout of attention weights, in a layer of BERT's kind or of DeBERTa's."""
    from sftkeras.internals.keras_hub import attention_parts, layer_parts

    return attention_parts(layer_parts(layer).attention).dropout


def set_attention_dropout(layer: TransformerEncoder, rate: float) -> None:
    """Sets the dropout of attention weights, which KerasHub takes for that of everything else."""
    from sftkeras.internals.keras_hub import drop_attention_weights, layer_parts

    drop_attention_weights(layer_parts(layer).attention, rate)


def table(variable: keras.Variable, name: str, unused_rows: int = 0) -> Weights:
    """An embedding table, which may begin with rows in a checkpoint that no token has."""
    rows, *width = variable.shape
    yield Weight(variable, f"{name}.weight", (rows + unused_rows, *width), unused_rows=unused_rows)


def dense(layer: keras.layers.Layer, name: str, input_axes: int = 1) -> Weights:
    """The kernel and the bias of a dense layer whose kernel's first `input_axes` axes are inputs."""
    shape = tuple(layer.kernel.shape)
    inputs, outputs = math.prod(shape[:input_axes]), math.prod(shape[input_axes:])
    yield Weight(layer.kernel, f"{name}.weight", (outputs, inputs), is_kernel=True)
    yield Weight(layer.bias, f"{name}.bias", (outputs,))


def norm(layer: keras.layers.Layer, name: str) -> Weights:
    """The scale and the shift of a layer norm."""
    yield Weight(layer.gamma, f"{name}.weight", tuple(layer.gamma.shape))
    yield Weight(layer.beta, f"{name}.bias", tuple(layer.beta.shape))


def embeddings(encoder: keras.Model, first_position: int = 0) -> Weights:
    """The tables of tokens, positions and segments, and the layer norm over their sum."""
    positions = encoder.position_embedding.position_embeddings
    yield from table(encoder.token_embedding.embeddings, "embeddings.word_embeddings")
    yield from table(positions, "embeddings.position_embeddings", unused_rows=first_position)
    yield from table(encoder.segment_embedding.embeddings, "embeddings.token_type_embeddings")
    yield from norm(encoder.embeddings_layer_norm, "embeddings.LayerNorm")


def transformer_layer(layer: TransformerEncoder, names: Mapping[str, str]) -> Weights:
    """The weights of one layer, whose parts have the names `names`."""
    from sftkeras.internals.keras_hub import attention_parts, layer_parts

    parts = layer_parts(layer)
    attention = attention_parts(parts.attention)
    yield from dense(attention.query, names["query"])
    yield from dense(attention.key, names["key"])
    yield from dense(attention.value, names["value"])
    yield from dense(attention.output, names["attention"], input_axes=2)
    yield from norm(parts.attention_norm, names["attention_norm"])
    yield from dense(parts.intermediate, names["intermediate"])
    yield from dense(parts.output, names["output"])
    yield from norm(parts.output_norm, names["output_norm"])


def _activation(name: str) -> Callable:
    import keras

    from sftkeras.backbones.dense.operations import exact_gelu, tanh_gelu

    gelus = {"gelu": exact_gelu, "gelu_new": tanh_gelu, "gelu_pytorch_tanh": tanh_gelu}
    return gelus.get(name) or keras.activations.get(name)
