"""Fused encoder layers give what stock KerasHub layers give, forward and backward."""

from __future__ import annotations

from collections.abc import Callable

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from tiny_folders import EMBEDDING, HEADS, HIDDEN, INNER, LAYERS, POSITIONS, VOCABULARY, ragged_inputs

from sftkeras.backbones.dense.operations import exact_gelu, softmax
from sftkeras.backbones.dropout import RowRange, dropout_stream, use_stream_dropout
from sftkeras.backbones.fused_transformer import FusedTransformerEncoder, use_fused_encoder_layers
from sftkeras.backbones.hugging_face.family import transformer_layers

OTHER_ARCHITECTURES = {
    "Electra": {"vocab_size": len(VOCABULARY), "embedding_dim": EMBEDDING},
    "Albert": {"vocabulary_size": len(VOCABULARY), "embedding_dim": EMBEDDING},
    # Buckets of which each has one distance, so that KerasHub's rounding does not matter; see the next test.
    "DebertaV3": {"vocabulary_size": len(VOCABULARY), "bucket_size": 2 * POSITIONS},
}


def build(activation: Callable | None, architecture: str = "Bert", dropout: float = 0.0) -> keras.Model:
    encoder = getattr(keras_hub.models, f"{architecture}Backbone")(
        **OTHER_ARCHITECTURES.get(architecture, {"vocabulary_size": len(VOCABULARY)}),
        num_layers=LAYERS,
        num_heads=HEADS,
        hidden_dim=HIDDEN,
        intermediate_dim=INNER,
        max_sequence_length=POSITIONS,
        dropout=dropout,
    )
    for layer in transformer_layers(encoder):
        if activation:
            layer._feedforward_intermediate_dense.activation = activation
    random = np.random.default_rng(5)
    encoder.set_weights([random.normal(0.1, 0.3, weight.shape) for weight in encoder.weights])
    return encoder


def outcome(encoder: keras.Model, inputs: dict[str, np.ndarray]) -> tuple[np.ndarray, list[np.ndarray]]:
    """Token vectors, and the gradient of a loss that looks at each of them."""
    weights = [variable.value for variable in encoder.trainable_variables]
    with tf.GradientTape() as tape:
        tokens = encoder({name: inputs[name] for name in encoder.input}, training=True)
        tokens = tokens["sequence_output"] if isinstance(tokens, dict) else tokens
        pull = tf.random.stateless_normal(tokens.shape, [1, 2]) * inputs["padding_mask"][:, :, None]
        loss = tf.reduce_sum(tokens * pull)
    gradients = tape.gradient(loss, weights, unconnected_gradients="zero")
    return tokens.numpy(), [tf.convert_to_tensor(gradient).numpy() for gradient in gradients]


@pytest.mark.parametrize("activation", [None, exact_gelu, keras.activations.get("relu")], ids=["tanh", "erf", "relu"])
def test_values_and_gradients_are_those_of_stock_layers(activation: Callable | None) -> None:
    stock, fused = build(activation), build(activation)
    assert use_fused_encoder_layers(fused) == LAYERS
    assert_same(stock, fused)


@pytest.mark.parametrize(
    ("architecture", "layers"),
    [("Electra", LAYERS), ("Albert", 1), ("DistilBert", LAYERS), ("Roberta", LAYERS), ("DebertaV3", LAYERS)],
)
def test_other_architectures_and_a_layer_run_again_keep_values_and_gradients(architecture: str, layers: int) -> None:
    stock, fused = build(exact_gelu, architecture), build(exact_gelu, architecture)
    assert use_fused_encoder_layers(fused) == layers
    assert_same(stock, fused)


def assert_same(stock: keras.Model, fused: keras.Model) -> None:
    inputs = ragged_inputs()
    (tokens, gradients), (fused_tokens, fused_gradients) = outcome(stock, inputs), outcome(fused, inputs)
    np.testing.assert_allclose(fused_tokens, tokens, atol=1e-5)
    for variable, gradient, fused_gradient in zip(stock.trainable_variables, gradients, fused_gradients, strict=True):
        scale = max(1.0, float(np.abs(gradient).max()))
        np.testing.assert_allclose(fused_gradient / scale, gradient / scale, atol=1e-5, err_msg=variable.path)
    assert any(np.abs(gradient).max() > 0.1 for gradient in gradients)


def test_turned_layers_keep_weights_names_and_config() -> None:
    stock, fused = build(None), build(None)
    use_fused_encoder_layers(fused)
    assert [weight.path for weight in fused.weights] == [weight.path for weight in stock.weights]
    for layer, other in zip(stock.transformer_layers, fused.transformer_layers, strict=True):
        assert type(other) is FusedTransformerEncoder
        config = other.get_config()
        assert config == layer.get_config() | {"name": other.name, "parts": config["parts"]}


def test_padding_changes_nothing_and_a_row_of_padding_is_finite() -> None:
    fused = build(exact_gelu)
    use_fused_encoder_layers(fused)
    inputs = ragged_inputs()
    short = {name: array[:2, :4] for name, array in inputs.items()}
    whole = fused(inputs, training=False)["sequence_output"].numpy()
    alone = fused(short, training=False)["sequence_output"].numpy()
    mask = short["padding_mask"][:2].astype(bool)
    np.testing.assert_allclose(alone[mask], whole[:2, :4][mask], atol=1e-5)
    empty = {name: np.zeros_like(array) for name, array in inputs.items()}
    assert np.isfinite(fused(empty, training=False)["sequence_output"]).all()


def test_pre_norm_layers_are_left_alone() -> None:
    inputs = keras.Input((4, 8))
    network = keras.Model(inputs, keras_hub.layers.TransformerEncoder(8, 2, normalize_first=True)(inputs))
    assert use_fused_encoder_layers(network) == 0


def test_mixed_precision_stays_near_float32() -> None:
    inputs = ragged_inputs()
    exact = build(exact_gelu)
    use_fused_encoder_layers(exact)
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        mixed = build(exact_gelu)
    finally:
        keras.config.set_dtype_policy("float32")
    use_fused_encoder_layers(mixed)
    tokens = mixed(inputs, training=False)["sequence_output"]
    assert tokens.dtype == tf.bfloat16
    expected = exact(inputs, training=False)["sequence_output"].numpy()
    np.testing.assert_allclose(tf.cast(tokens, tf.float32), expected, atol=0.1 * np.abs(expected).max())


def test_softmax_of_bfloat16_is_rounded_once() -> None:
    scores = tf.cast(tf.random.stateless_normal([64, 512], [1, 2]), tf.bfloat16)
    weights = softmax(scores)
    assert weights.dtype == tf.bfloat16
    exact = tf.nn.softmax(tf.cast(scores, tf.float64))
    np.testing.assert_allclose(tf.cast(weights, tf.float64), exact, rtol=2**-8)


@pytest.mark.parametrize("architecture", ["Bert", *OTHER_ARCHITECTURES])
def test_rows_drop_the_same_in_micro_batches_and_in_their_batch(architecture: str) -> None:
    encoder = build(None, architecture, dropout=0.3)
    use_fused_encoder_layers(encoder)
    use_stream_dropout(encoder)
    inputs = {name: tf.constant(values) for name, values in ragged_inputs().items() if name in encoder.input}
    rows = len(inputs["token_ids"])

    def outputs(begin: int, end: int) -> np.ndarray:
        part = RowRange(tf.constant(begin), tf.constant(end - begin))
        with dropout_stream(3, tf.constant(7), part=part):
            found = encoder({name: values[begin:end] for name, values in inputs.items()}, training=True)
        return (found["sequence_output"] if isinstance(found, dict) else found).numpy()

    parts = np.concatenate([outputs(0, 1), outputs(1, rows)])
    np.testing.assert_allclose(parts, outputs(0, rows), atol=1e-5)
