"""Pooling by markers: the vectors of the tokens that open a span, side by side."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
from tiny_bert import HIDDEN, write_tiny_bert

from sftkeras.backbones import load_backbone
from sftkeras.config import closing_marker, opening_markers
from sftkeras.errors import SFTError
from sftkeras.tasks import attach_head, pool
from sftkeras.tasks.classification.task import Classification
from sftkeras.tasks.network import MarkerPooling

TOKENS = np.random.default_rng(4).normal(0, 3, (4, 5, 3)).astype(np.float32)
NUMBERS = np.array([[1, 7, 2, 9, 0], [9, 7, 0, 0, 0], [7, 2, 7, 3, 9], [1, 2, 3, 0, 0]], np.int32)


def test_vectors_stand_side_by_side_in_the_order_of_the_markers() -> None:
    found = MarkerPooling([9, 7])(TOKENS, NUMBERS).numpy()
    assert found.shape == (4, 6)
    np.testing.assert_allclose(found[0], np.concatenate([TOKENS[0, 3], TOKENS[0, 1]]), rtol=1e-6)
    np.testing.assert_allclose(found[1], np.concatenate([TOKENS[1, 0], TOKENS[1, 1]]), rtol=1e-6)
    # Of one that stands twice, the mean; of one that is missing, nothing.
    np.testing.assert_allclose(found[2], np.concatenate([TOKENS[2, 4], (TOKENS[2, 0] + TOKENS[2, 2]) / 2]), rtol=1e-6)
    np.testing.assert_array_equal(found[3], 0)


def test_it_computes_in_float32_and_takes_no_rows() -> None:
    assert MarkerPooling([9, 7])(tf.cast(TOKENS, tf.float16), NUMBERS).dtype == tf.float32
    assert MarkerPooling([9, 7])(TOKENS[:0], NUMBERS[:0]).shape == (0, 6)


def test_it_survives_its_config() -> None:
    assert MarkerPooling.from_config(MarkerPooling([9, 7], name="p").get_config()).numbers == (9, 7)


@pytest.mark.parametrize(
    ("tokens", "opening"),
    [
        (("[E1]", "[/E1]", "[E2]", "[/E2]"), ("[E1]", "[E2]")),
        (("</a>", "<b>", "<a>", "covid"), ("<a>",)),
        (("[E1]", "[E2]"), ()),
        ((), ()),
    ],
)
def test_a_token_opens_a_span_if_one_closes_it(tokens: tuple[str, ...], opening: tuple[str, ...]) -> None:
    assert opening_markers(tokens) == opening
    assert all(closing_marker(token) in tokens for token in opening)


def test_a_head_gets_the_vectors_of_all_opening_markers(tmp_path: Path) -> None:
    tokens = ("[head]", "[/head]", "covid", "[tail]", "[/tail]")
    backbone = load_backbone(write_tiny_bert(tmp_path / "bert"), max_length=16, extra_tokens=tokens)
    assert pool(backbone, "markers").shape == (None, 2 * HIDDEN)
    task = Classification(("a", "b"))
    features = task.features(backbone.tokenizer, max_length=16, pairs=False)
    network = attach_head(backbone, task, "markers")
    inputs = features(tf.constant(["[head]good[/head] film [tail]plot[/tail]", "no marker at all"]))
    logits = network({name: inputs[name] for name in network.input}, training=False)
    sequence = backbone.model({name: inputs[name] for name in network.input}, training=False)["sequence_output"]
    numbers = inputs["token_ids"].numpy()
    places = [numbers[0].tolist().index(backbone.tokenizer.numbers[token]) for token in ("[head]", "[tail]")]
    kernel, bias = network.get_layer("logits").get_weights()
    vector = np.concatenate([sequence[0, place] for place in places])
    np.testing.assert_allclose(logits[0], vector @ kernel + bias, atol=1e-5)
    np.testing.assert_allclose(logits[1], bias, atol=1e-6)


def test_without_markers_it_is_refused(tmp_path: Path) -> None:
    folder = write_tiny_bert(tmp_path / "bert")
    for tokens in ((), ("[E1]", "covid")):
        with pytest.raises(SFTError, match="SFT384"):
            pool(load_backbone(folder, max_length=16, extra_tokens=tokens), "markers")
