"""An encoder as a TF-Hub module: a TF2 SavedModel with the reusable interface and the names of public text encoders.

What is written needs TensorFlow alone: it runs, gives gradients and drops units in training without Keras or this
package. The preprocessor beside it is made in `preprocessor`, and the proof that the two are what they were made of in
`proof`.
"""

from __future__ import annotations

import tempfile
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path

import keras
import tensorflow as tf
from keras_hub.layers import TransformerEncoder

from sftkeras.backbones.dropout import dropout_stream, use_stream_dropout
from sftkeras.backbones.fused_transformer import stock_encoder_layers
from sftkeras.backbones.hugging_face import write_config
from sftkeras.backbones.publishing.preprocessor import attach_tokenizer_files
from sftkeras.backbones.publishing.publication import Publication
from sftkeras.backbones.tfhub.names import HUB_INPUTS, hub_names
from sftkeras.internals.keras import made_by
from sftkeras.internals.tensorflow import tracing_to_save

Tensors = dict[str, tf.Tensor]

_SEED = 17  # any number but none


def write_encoder(made_of: Publication, folder: Path) -> None:
    """Writes the encoder as a TF-Hub module into `folder`.

    Called with `{"input_word_ids", "input_mask", "input_type_ids"}`, each [batch, length] int32, the module gives
    `"sequence_output"` [batch, length, hidden], `"encoder_outputs"` (the same of every layer, a list), and
    `"pooled_output"`, also named `"default"`, [batch, hidden]; with `training=True` its dropout is active. It has
    `variables`, `trainable_variables`, `regularization_losses`, and the files of the tokenizer and the settings.

    Args:
        made_of: the encoder and its tokenizer.
        folder: where to write.
    """
    encoder = made_of.encoder
    # Copies: the encoder's own variables have Keras' names, and a module that held them would hold Keras' seeds too.
    named = hub_names(encoder, made_of.has_pooler)
    copies = [(variable, tf.Variable(variable.value, name=name)) for variable, name in named]
    call = _callable(made_of, copies)
    module = tf.train.Checkpoint()
    module.__call__ = call
    module.variables = [copy for _, copy in copies]
    module.trainable_variables = [copy for _, copy in copies]
    module.regularization_losses = []
    specs = {name: tf.TensorSpec([None, None], tf.int32, name) for name in HUB_INPUTS}
    with stock_encoder_layers(encoder), tempfile.TemporaryDirectory() as beside:
        with tracing_to_save():
            for training in (False, True):
                call.get_concrete_function(specs, training=training)
            signature = _serving(call, specs)
        attach_tokenizer_files(module, made_of.tokenizer, Path(beside))
        # The settings that no variable shows, such as the activation, as Hugging Face writes them.
        write_config(encoder, Path(beside))
        module.encoder_config = tf.saved_model.Asset(str(Path(beside, "config.json")))
        tf.saved_model.save(module, str(folder), signatures=signature)


def _callable(
    made_of: Publication, copies: list[tuple[keras.Variable, tf.Variable]]
) -> tf.types.experimental.PolymorphicFunction:
    """The module's `__call__`: the encoder, reading `copies` instead of its own variables."""
    outputs = {"encoder_outputs": _layer_outputs(made_of.encoder), "pooled_output": made_of.pooled}
    network = keras.Model(made_of.encoder.input, outputs, name="encoder")  # the names of operations begin with it
    use_stream_dropout(network)

    def call(inputs: Tensors, training: bool = False) -> dict[str, tf.Tensor | list[tf.Tensor]]:
        with keras.StatelessScope(copies), _noise() if training else nullcontext():
            outputs = network({ours: inputs[name] for name, ours in HUB_INPUTS.items()}, training=training)
        return {
            "default": outputs["pooled_output"],
            "pooled_output": outputs["pooled_output"],
            "sequence_output": outputs["encoder_outputs"][-1],
            "encoder_outputs": outputs["encoder_outputs"],
        }

    return tf.function(call, autograph=False)


def _layer_outputs(encoder: keras.Model) -> list[keras.KerasTensor]:
    """Outputs of each transformer layer, first to last; a shared layer's output once for each time it is run."""
    outputs = []
    tensor = encoder.output["sequence_output"]
    while isinstance((made := made_by(tensor))[0], TransformerEncoder):
        outputs.append(tensor)
        tensor = made[1][0]
    return outputs[::-1]


def _noise() -> AbstractContextManager[None]:
    """Randomness for the dropout layers, another at each call of the module.

    The op's seed is fixed: a process that loads the module draws the same numbers whenever it is started, and may do so
    with TensorFlow's determinism on.
    """
    return dropout_stream(_SEED, tf.random.uniform([], maxval=tf.int32.max, dtype=tf.int32, seed=_SEED))


def _serving(call: Callable[..., Tensors], specs: dict[str, tf.TensorSpec]) -> tf.types.experimental.ConcreteFunction:
    """The signature for a server, whose outputs must be plain tensors."""

    def serve(**inputs: tf.Tensor) -> Tensors:
        return {name: tensor for name, tensor in call(inputs).items() if name != "encoder_outputs"}

    return tf.function(serve, autograph=False).get_concrete_function(**specs)
