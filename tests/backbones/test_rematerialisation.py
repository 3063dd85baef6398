"""Layers that compute their activations again give the values and the gradients they gave before, dropout included."""

from __future__ import annotations

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf

from sftkeras.backbones.dropout import dropout_stream, use_stream_dropout
from sftkeras.backbones.fused_transformer import use_fused_encoder_layers
from sftkeras.backbones.hugging_face.family import transformer_layers
from sftkeras.backbones.rematerialisation import rematerialise

SIZES = {"num_layers": 2, "num_heads": 2, "hidden_dim": 8, "intermediate_dim": 16, "max_sequence_length": 8}
MASK = np.array([[1, 1, 1, 1, 0], [1, 1, 0, 0, 0]], np.int32)
INPUTS = {"token_ids": MASK * 3, "segment_ids": MASK * 0, "padding_mask": MASK}


def encoder(architecture: str, *, fused: bool) -> keras.Model:
    keras.utils.set_random_seed(3)
    sizes = SIZES | ({"embedding_dim": 4} if architecture == "Albert" else {})
    model = getattr(keras_hub.models, f"{architecture}Backbone")(vocabulary_size=10, dropout=0.3, **sizes)
    if fused:
        use_fused_encoder_layers(model)
    use_stream_dropout(model)
    return model


def outcome(model: keras.Model) -> tuple[np.ndarray, list[np.ndarray]]:
    variables = [variable.value for variable in model.trainable_variables]

    @tf.function
    def run() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with dropout_stream(17, tf.constant(3)), tf.GradientTape() as tape:
            tokens = model(INPUTS, training=True)["sequence_output"]
            loss = tf.reduce_sum(tf.square(tokens[:, :2] - 1))
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        return tokens, [tf.convert_to_tensor(gradient) for gradient in gradients]

    tokens, gradients = run()
    return tokens.numpy(), [gradient.numpy() for gradient in gradients]


@pytest.mark.parametrize(("architecture", "fused"), [("Bert", True), ("Bert", False), ("Albert", True)])
def test_values_and_gradients_stay(architecture: str, fused: bool) -> None:
    model = encoder(architecture, fused=fused)
    tokens, gradients = outcome(model)
    rematerialise(transformer_layers(model))
    tokens_again, gradients_again = outcome(model)
    np.testing.assert_allclose(tokens_again, tokens, atol=1e-6)
    for variable, one, other in zip(model.trainable_variables, gradients, gradients_again, strict=True):
        np.testing.assert_allclose(other, one, atol=1e-5, err_msg=variable.path)


def test_inference_is_as_before() -> None:
    model = encoder("Bert", fused=True)
    before = model(INPUTS, training=False)["sequence_output"].numpy()
    rematerialise(transformer_layers(model))
    np.testing.assert_array_equal(model(INPUTS, training=False)["sequence_output"], before)
