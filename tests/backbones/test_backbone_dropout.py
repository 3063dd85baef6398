"""Dropout masks are a function of (seed, step, replica, row, layer, call), at the right rate."""

from __future__ import annotations

import itertools
import math

import keras
import numpy as np
import pytest
import tensorflow as tf

from sftkeras.backbones.dropout import RowRange, StreamDropout, dropout_again, dropout_stream, use_stream_dropout

SHAPE = (40, 50)


def model(rate: float = 0.25) -> keras.Model:
    """Two dropout layers, side by side."""
    inputs = keras.Input(SHAPE[1:])
    network = keras.Model(inputs, [keras.layers.Dropout(rate, name=name)(inputs) for name in ("first", "second")])
    use_stream_dropout(network)
    return network


@pytest.fixture(scope="module")
def two_layers() -> keras.Model:
    return model()


def masks(network: keras.Model, *stream: int) -> tuple[bytes, ...]:
    with dropout_stream(*stream):
        outputs = network(tf.ones(SHAPE), training=True)
    return tuple((np.asarray(output) > 0).tobytes() for output in outputs)


def test_the_same_place_has_the_same_mask(two_layers: keras.Model) -> None:
    assert masks(two_layers, 17, 3, 1) == masks(two_layers, 17, 3, 1) == masks(model(), 17, 3, 1)


def test_every_other_place_has_another_mask(two_layers: keras.Model) -> None:
    places = list(itertools.product((17, 18), (0, 1, 2**20), (0, 1)))
    drawn = [mask for place in places for mask in masks(two_layers, *place)]
    assert len(set(drawn)) == 2 * len(places)


@pytest.mark.parametrize("bounds", [(0, 40), (0, 13, 40), (0, 1, 2, 39, 40), (0, 0, 7, 7, 40)])
def test_rows_drop_the_same_alone_and_in_the_whole_batch(two_layers: keras.Model, bounds: tuple[int, ...]) -> None:
    with dropout_stream(17, 3, 1):
        whole = two_layers(tf.ones(SHAPE), training=True)
    parts = []
    for begin, end in itertools.pairwise(bounds):
        with dropout_stream(17, 3, 1, RowRange(tf.constant(begin), tf.constant(end - begin))):
            parts.append(two_layers(tf.ones((end - begin, *SHAPE[1:])), training=True))
    for layer, expected in enumerate(whole):
        np.testing.assert_array_equal(np.concatenate([part[layer] for part in parts]), expected)


def test_what_is_computed_again_drops_the_same(called_again: keras.Model) -> None:
    with dropout_stream(17, 3):
        called_again(tf.ones(SHAPE), training=True)
        again = dropout_again()
        first = called_again(tf.ones(SHAPE), training=True)
    for _ in range(2):
        with again():
            np.testing.assert_array_equal(called_again(tf.ones(SHAPE), training=True), first)
    with dropout_again()():  # outside of a stream there is nothing to repeat
        called_again(tf.ones(SHAPE), training=True)


@pytest.fixture(scope="module")
def called_again() -> keras.Model:
    """Two dropout layers, the first of which is called three times, as ALBERT's are."""
    inputs = keras.Input(SHAPE[1:])
    first, second = keras.layers.Dropout(0.25), keras.layers.Dropout(0.25)
    network = keras.Model(inputs, [first(inputs), second(inputs), first(inputs), first(inputs)])
    use_stream_dropout(network)
    return network


def test_a_layer_called_again_has_another_mask_and_the_same_at_the_next_run(called_again: keras.Model) -> None:
    drawn = masks(called_again, 17, 3)
    assert len(set(drawn)) == 4
    assert drawn == masks(called_again, 17, 3)
    assert not set(drawn) & set(masks(called_again, 17, 4))

    @tf.function
    def in_graph(step: tf.Tensor) -> list[tf.Tensor]:
        with dropout_stream(17, step):
            return called_again(tf.ones(SHAPE), training=True)

    for step in (3, 4, 3):  # traced once, run three times
        traced = tuple((output.numpy() > 0).tobytes() for output in in_graph(tf.constant(step, tf.int64)))
        assert traced == masks(called_again, 17, step)


def test_a_second_pass_through_the_network_in_one_step_has_other_masks(two_layers: keras.Model) -> None:
    with dropout_stream(17, 3):
        passes = [two_layers(tf.ones(SHAPE), training=True) for _ in range(2)]
    drawn = [(np.asarray(output) > 0).tobytes() for outputs in passes for output in outputs]
    assert len(set(drawn)) == 4


def test_more_draws_than_a_step_has_room_for_are_no_silent_repetition() -> None:
    first, last = StreamDropout(0.5), StreamDropout(0.5)  # of 256 layers, for each of which there is room 16 times
    first.layer_count = last.layer_count = 256
    last.layer_number = 255
    with dropout_stream(17, 3):
        for layer in [first, last] * 16:
            layer(tf.ones([1]), training=True)
        with pytest.raises(ValueError, match="more than 4096 times"):
            first(tf.ones([1]), training=True)


def test_draws_of_neighbouring_places_do_not_overlap(two_layers: keras.Model) -> None:
    first, second = masks(two_layers, 17, 5)
    following, _ = masks(two_layers, 17, 6)
    rows = {mask[begin : begin + 50] for mask in (first, second, following) for begin in range(0, 2000, 50)}
    assert len(rows) == 3 * 40


def test_graph_and_eager_draw_alike(two_layers: keras.Model) -> None:
    @tf.function
    def draw(step: tf.Tensor) -> list[tf.Tensor]:
        with dropout_stream(17, step, 1):
            return two_layers(tf.ones(SHAPE), training=True)

    drawn = tuple((output.numpy() > 0).tobytes() for output in draw(tf.constant(9, tf.int64)))
    assert drawn == masks(two_layers, 17, 9, 1)


@pytest.mark.parametrize("rate", [0.001, 0.1, 0.5, 0.9, 0.999])
def test_the_rate_is_right_and_the_expectation_exact(rate: float) -> None:
    layer = StreamDropout(rate)
    size = 200_000
    with dropout_stream(17, 0):
        output = layer(tf.ones([size]), training=True).numpy()
    rounded = min(255, max(1, round(rate * 256))) / 256
    assert abs(rounded - rate) <= 1 / 256
    assert set(np.unique(output)) == {0.0, np.float32(1 / (1 - rounded))}
    spread = math.sqrt(size * rounded * (1 - rounded))
    assert abs((output == 0).sum() - size * rounded) < 5 * spread
    # Over all 256 bytes the mean is one: what is kept is scaled by the rate that is really dropped.
    assert math.isclose((1 - rounded) * float(output.max()), 1, rel_tol=1e-6)


def test_inference_drops_nothing_inside_a_stream_or_outside(two_layers: keras.Model) -> None:
    inputs = tf.random.stateless_uniform(SHAPE, [1, 2])
    with dropout_stream(17, 3):
        inside = two_layers(inputs, training=False)
    for output in (*inside, *two_layers(inputs, training=False)):
        np.testing.assert_array_equal(output, inputs)


def test_a_rate_of_zero_drops_nothing() -> None:
    with dropout_stream(17, 3):
        np.testing.assert_array_equal(StreamDropout(0.0)(tf.ones([9]), training=True), np.ones(9))


def test_outside_a_stream_it_is_the_stock_layer() -> None:
    inputs = tf.ones(SHAPE)
    expected = keras.layers.Dropout(0.25, seed=4)(inputs, training=True)
    np.testing.assert_array_equal(StreamDropout(0.25, seed=4)(inputs, training=True), expected)


def test_a_stream_ends_with_its_block() -> None:
    layer = StreamDropout(0.25, seed=4)
    with pytest.raises(ValueError, match="broken off"), dropout_stream(17, 0):
        raise ValueError("broken off")
    np.testing.assert_array_equal(
        layer(tf.ones(SHAPE), training=True), keras.layers.Dropout(0.25, seed=4)(tf.ones(SHAPE), training=True)
    )


def test_the_gradient_goes_where_the_mask_lets_it() -> None:
    layer, inputs = StreamDropout(0.5), tf.ones([1000])
    with dropout_stream(17, 0), tf.GradientTape() as tape:
        tape.watch(inputs)
        output = layer(inputs, training=True)
    np.testing.assert_array_equal(tape.gradient(output, inputs), output)
