"""Decoders compute what transformers does, for whole sequences, packed ones, and a token at a time."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pytest
import tensorflow as tf
from tiny_decoders import NAMES, TinyDecoder, batch

from sftkeras.backbones.decoders.decoder import Decoder
from sftkeras.backbones.hugging_face.decoders.reading import load_decoder

TOLERANCE = 2e-5  # of the logits' standard deviation


@pytest.fixture(scope="module", params=NAMES)
def tiny(request: pytest.FixtureRequest) -> TinyDecoder:
    return TinyDecoder(request.param)


@pytest.fixture(scope="module")
def decoder(tiny: TinyDecoder, tmp_path_factory: pytest.TempPathFactory) -> Decoder:
    folder = tiny.write(tmp_path_factory.mktemp("decoder"))
    return load_decoder(folder, tiny.config, dropout=None, weights=True)


def assert_equal(found: Sequence[np.ndarray], tiny: TinyDecoder) -> None:
    expected = np.concatenate(tiny.logits)
    np.testing.assert_allclose(np.concatenate(found), expected, rtol=0, atol=TOLERANCE * expected.std())


def test_logits_equal_those_of_transformers(tiny: TinyDecoder, decoder: Decoder) -> None:
    """Rows are padded, which changes nothing for them."""
    inputs = batch(tiny.rows)
    logits = decoder.logits(decoder(inputs)["sequence_output"]).numpy()
    assert_equal([logits[number, : len(row)] for number, row in enumerate(tiny.rows)], tiny)


def test_texts_in_one_row_do_not_see_one_another(tiny: TinyDecoder, decoder: Decoder) -> None:
    packed = {
        "token_ids": np.concatenate(tiny.rows)[np.newaxis],
        "positions": np.concatenate([np.arange(len(row)) for row in tiny.rows]).astype(np.int32)[np.newaxis],
        "segments": np.repeat([1, 2, 3], [len(row) for row in tiny.rows]).astype(np.int32)[np.newaxis],
    }
    assert_equal([decoder.logits(decoder(packed)["sequence_output"]).numpy()[0]], tiny)


def test_a_token_at_a_time_gives_what_the_whole_sequence_does(tiny: TinyDecoder, decoder: Decoder) -> None:
    """Prompts of 2, 5 and 6 tokens, so that what padding left in the cache is overwritten."""
    given = [2, 5, 6]
    prompts = batch([row[:length] for row, length in zip(tiny.rows, given, strict=True)])
    most = max(map(len, tiny.rows))
    vectors, cache = decoder.start(**{name: tf.constant(value) for name, value in prompts.items()}, cache_length=most)
    found = [[*row[:length]] for row, length in zip(decoder.logits(vectors).numpy(), given, strict=True)]
    step = tf.function(decoder.step, autograph=False)
    for number in range(most):
        positions = [min(length + number, len(row) - 1) for length, row in zip(given, tiny.rows, strict=True)]
        tokens = [row[position] for row, position in zip(tiny.rows, positions, strict=True)]
        vectors, cache = step(tf.constant(tokens), tf.constant(positions), cache)
        for row, logits in enumerate(decoder.logits(vectors).numpy()):
            if given[row] + number < len(tiny.rows[row]):
                found[row].append(logits)
    assert_equal([np.stack(row) for row in found], tiny)
