"""What training does with a decoder: gradients, recomputed layers, dropout, bfloat16 products, depths, saving."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf
from tiny_decoders import TinyDecoder, batch

from sftkeras.backbones import Backbone
from sftkeras.backbones.decoders.activations import activated_product, gated_product
from sftkeras.backbones.decoders.attention import turn
from sftkeras.backbones.decoders.config import Activation, DecoderConfig
from sftkeras.backbones.decoders.decoder import Decoder
from sftkeras.backbones.dense.operations import normalise_root_mean_square, products_in
from sftkeras.backbones.dropout import dropout_stream, use_stream_dropout
from sftkeras.backbones.hugging_face.decoders.reading import describe, load_decoder
from sftkeras.backbones.rematerialisation import rematerialise
from sftkeras.tuning.layers import depths_of

X = tf.constant(np.random.default_rng(1).normal(0, 2, (3, 4, 8)), tf.float32)
Y = tf.constant(np.random.default_rng(2).normal(0, 2, (3, 4, 8)), tf.float32)
ROWS, OTHER_ROWS = tf.reshape(X, [12, 8]), tf.reshape(Y, [12, 8])
KERNEL = tf.constant(np.random.default_rng(4).normal(0, 0.5, (8, 5)), tf.float32)
SCALE = tf.constant(np.random.default_rng(3).normal(1, 0.5, 8), tf.float32)
ANGLES = tf.range(8.0)


def plain_norm(x: tf.Tensor, scale: tf.Tensor) -> tf.Tensor:
    return x / tf.sqrt(tf.reduce_mean(x * x, -1, keepdims=True) + 1e-3) * scale


def plain_turn(x: tf.Tensor, cosine: tf.Tensor, sine: tf.Tensor) -> tf.Tensor:
    turning = x[..., :6]
    swapped = tf.concat([turning[..., 3:], turning[..., :3]], -1)
    return tf.concat([turning * cosine + swapped * sine, x[..., 6:]], -1)


PLAIN: dict[Activation, Callable[[tf.Tensor], tf.Tensor]] = {
    "silu": tf.nn.silu,
    "gelu": tf.nn.gelu,
    "gelu_tanh": partial(tf.nn.gelu, approximate=True),
    "relu": tf.nn.relu,
}
Own = Plain = Callable[..., tf.Tensor]


def gated(name: Activation) -> tuple[Own, Plain]:
    return partial(gated_product, name), lambda x, y, kernel: (PLAIN[name](x) * y) @ kernel


def activated(name: Activation) -> tuple[Own, Plain]:
    return partial(activated_product, name), lambda x, kernel: PLAIN[name](x) @ kernel


COSINE, SINE = tf.cos(ANGLES[:6]), tf.sin(ANGLES[:6])
OPERATIONS: dict[str, tuple[Callable[..., tf.Tensor], Callable[..., tf.Tensor], list[tf.Tensor]]] = {
    "norm": (lambda x, scale: normalise_root_mean_square(x, scale, 1e-3), plain_norm, [X, SCALE]),
    "turn": (lambda x: turn(x, COSINE, SINE), lambda x: plain_turn(x, COSINE, SINE), [X]),
    **{f"{name} gate": (*gated(name), [ROWS, OTHER_ROWS, KERNEL]) for name in PLAIN},
    **{name: (*activated(name), [ROWS, KERNEL]) for name in PLAIN},
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_written_out_gradients_are_those_of_tensorflow(name: str) -> None:
    own, plain, inputs = OPERATIONS[name]
    found = []
    for function in (own, plain):
        with tf.GradientTape() as tape:
            tape.watch(inputs)
            value = function(*inputs)
            loss = tf.reduce_sum(value * tf.sin(value))
        found.append([value, *tape.gradient(loss, inputs)])
    for one, other in zip(*found, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-4, atol=2e-5)


def decoder_of(name: str, *, dropout: float = 0.0) -> Decoder:
    tiny = TinyDecoder(name)
    config = describe(tiny.config, Path())[1]
    return random_decoder(
        replace(config, embedding_dropout=dropout, residual_dropout=dropout, attention_dropout=dropout)
    )


def random_decoder(config: DecoderConfig) -> Decoder:
    decoder = Decoder(config)
    random = np.random.default_rng(5)
    for variable in decoder.variables:
        variable.assign(random.normal(0, 0.3, variable.shape))
    return decoder


def outcome(decoder: Decoder) -> tuple[np.ndarray, list[np.ndarray]]:
    """The outputs and the gradients of a step with dropout."""
    inputs = batch(TinyDecoder("llama").rows)

    @tf.function
    def run() -> tuple[tf.Tensor, list[tf.Tensor]]:
        with dropout_stream(17, tf.constant(3)), tf.GradientTape() as tape:
            vectors = decoder(inputs, training=True)["sequence_output"]
            loss = tf.reduce_sum(tf.square(decoder.logits(vectors)[:, :3]))
        variables = [variable.value for variable in decoder.trainable_variables]
        gradients = tape.gradient(loss, variables, unconnected_gradients="zero")
        return vectors, [tf.convert_to_tensor(gradient) for gradient in gradients]

    vectors, gradients = run()
    return vectors.numpy(), [gradient.numpy() for gradient in gradients]


@pytest.mark.parametrize("name", ["gemma3", "gpt2"])
def test_recomputed_layers_give_the_same_values_and_gradients(name: str) -> None:
    decoder = decoder_of(name, dropout=0.3)
    use_stream_dropout(decoder)
    vectors, gradients = outcome(decoder)
    rematerialise(decoder.transformer_layers)
    vectors_again, gradients_again = outcome(decoder)
    np.testing.assert_allclose(vectors_again, vectors, atol=1e-5)
    for variable, one, other in zip(decoder.trainable_variables, gradients, gradients_again, strict=True):
        np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5 * (1 + np.abs(one).max()), err_msg=variable.path)


def test_products_in_bfloat16_leave_all_else_in_float32() -> None:
    decoder = decoder_of("llama")
    vectors, gradients = outcome(decoder)
    with products_in("bfloat16"):
        rounded, rounded_gradients = outcome(decoder)
    assert rounded.dtype == np.float32
    assert 0 < np.abs(rounded - vectors).max() < 0.1 * vectors.std() * 2
    for one, other in zip(gradients, rounded_gradients, strict=True):
        assert other.dtype == np.float32
        np.testing.assert_allclose(other, one, atol=0.1 * np.abs(one).max())


def test_depths_of_a_decoder_count_from_its_embeddings() -> None:
    """Its head, where it has one of its own, is as deep as what comes after the last layer."""
    decoder = decoder_of("llama")
    backbone = Backbone(decoder, None, 64, False, "hugging_face", {}, kind="decoder")
    depths = dict(zip((it.path for it in decoder.trainable_variables), depths_of(decoder, backbone), strict=True))
    assert depths["embeddings/token_embedding/embeddings"] == 0
    assert depths["layer_0/query/kernel"] == 1
    assert depths["layer_1/down/kernel"] == 2
    assert depths["last_norm/norm/gamma"] == depths["output/embeddings"] == 3


def test_a_frozen_embedding_of_a_tied_head_has_no_gradient() -> None:
    decoder = decoder_of("gemma")
    decoder.token_embedding.trainable = False
    assert all(variable is not decoder.output_kernel for variable in decoder.trainable_variables)
    outcome(decoder)


def test_a_saved_network_computes_the_same(tmp_path: Path) -> None:
    decoder = decoder_of("gemma3")
    network = keras.Model(decoder.input, decoder.output)
    network.save(tmp_path / "network.keras")
    again = keras.models.load_model(tmp_path / "network.keras")
    inputs = batch(TinyDecoder("llama").rows)
    expected = network(inputs)["sequence_output"]
    np.testing.assert_array_equal(again(inputs)["sequence_output"], expected)


def test_names_of_weights_are_unique() -> None:
    paths = [variable.path for variable in decoder_of("qwen3").variables]
    assert len(set(paths)) == len(paths)


def test_a_decoder_for_weights_of_its_own_needs_none(tmp_path: Path) -> None:
    tiny = TinyDecoder("smollm3")
    decoder = load_decoder(tmp_path, tiny.config, dropout=None, weights=False)
    assert {float(np.abs(kernel).max()) for kernel in decoder.get_weights() if kernel.ndim == 2} == {0.0}
