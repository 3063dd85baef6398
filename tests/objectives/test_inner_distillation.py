"""Distances from the inside of a teacher, against their papers' formulas written out in NumPy."""

from __future__ import annotations

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from scipy.special import log_softmax

from sftkeras.backbones import Backbone
from sftkeras.backbones.fused_transformer import use_fused_encoder_layers
from sftkeras.backbones.inner_outputs import has_inner_outputs
from sftkeras.objectives.inner_distillation import InnerDistillation, Inside
from sftkeras.tasks import attach_head
from sftkeras.tasks.classification.task import Classification

TOKENS = np.array([[1, 2, 3, 0], [4, 5, 0, 0], [6, 7, 8, 9]], np.int32)
MASK = (TOKENS > 0).astype(np.int32)
INPUTS = {"token_ids": tf.constant(TOKENS), "segment_ids": tf.zeros_like(TOKENS), "padding_mask": tf.constant(MASK)}
WIDTH, HEADS = 8, 2


def inside(layers: int, seed: int) -> Inside:
    keras.utils.set_random_seed(seed)
    sizes = {"hidden_dim": WIDTH, "intermediate_dim": 12, "num_heads": HEADS, "max_sequence_length": 6}
    encoder = keras_hub.models.BertBackbone(10, num_layers=layers, dropout=0.0, **sizes)
    random = np.random.default_rng(seed)
    for variable in encoder.trainable_variables:
        if len(variable.shape) > 1:  # norms stay as they are, so that vectors are large enough to differ
            variable.assign(random.normal(0, 0.7, variable.shape))
    use_fused_encoder_layers(encoder)
    backbone = Backbone(encoder, None, 6, False, "hugging_face", {})
    assert has_inner_outputs(backbone)
    return Inside.of(attach_head(backbone, Classification(("a", "b"), dropout=0.0), "mean"), backbone)


@pytest.fixture(scope="module")
def both() -> tuple[Inside, Inside]:
    """A student of two layers and a teacher of four."""
    return inside(2, 1), inside(4, 2)


def over_tokens(values: np.ndarray) -> np.ndarray:
    return (values * MASK).sum(-1) / MASK.sum(-1)


def relations_of(one: Inside) -> list[np.ndarray]:
    layers = one.backbone.layers
    x = one.run(INPUTS, training=False)[str(len(layers) - 1)].numpy()
    attention, found = layers[-1]._self_attention_layer, []
    for part in (attention.query_dense, attention.key_dense, attention.value_dense):
        vectors = x @ part.kernel.numpy().reshape(WIDTH, WIDTH) + part.bias.numpy().reshape(-1)
        apart = vectors.reshape(3, 4, HEADS, WIDTH // HEADS).transpose(0, 2, 1, 3)
        scores = apart @ apart.transpose(0, 1, 3, 2) / np.sqrt(WIDTH // HEADS)
        found.append(log_softmax(np.where(MASK[:, None, None, :], scores, -1e30), -1))
    return found


def test_hidden_states_are_compared_layer_by_layer(both: tuple[Inside, Inside]) -> None:
    student, teacher = both
    ours, theirs = (one.run(INPUTS, training=False) for one in both)
    for layers, pairs in ((None, ((1, 2), (2, 4))), ([0, 2], ((1, 1), (2, 3)))):
        logits, found = InnerDistillation(student, teacher, hidden=3.0, layers=layers)(INPUTS)
        squares = [((ours[str(own)] - theirs[str(other)]) ** 2).numpy().mean(-1) for own, other in pairs]
        np.testing.assert_allclose(found, 3 * np.mean([over_tokens(it) for it in squares], 0), rtol=1e-5)
        np.testing.assert_allclose(logits, ours["logits"], rtol=1e-6)


def scores_of(one: Inside, number: int) -> np.ndarray:
    """The attention of a layer, counted from 1, before softmax."""
    x = one.run(INPUTS, training=False)[str(number - 1)].numpy()
    attention, size = one.backbone.layers[number - 1]._self_attention_layer, WIDTH // HEADS
    query, key = (
        (np.einsum("bld,dhs->blhs", x, part.kernel.numpy()) + part.bias.numpy()).transpose(0, 2, 1, 3)
        for part in (attention.query_dense, attention.key_dense)
    )
    return query @ key.transpose(0, 1, 3, 2) / np.sqrt(size)


def test_attention_is_compared_before_softmax_layer_by_layer(both: tuple[Inside, Inside]) -> None:
    student, teacher = both
    pairs_of_tokens = MASK[:, :, None] * MASK[:, None, :]
    for layers, pairs in ((None, ((1, 2), (2, 4))), ([0, 2], ((1, 1), (2, 3)))):
        _, found = InnerDistillation(student, teacher, attention=2.0, layers=layers)(INPUTS)
        squares = [((scores_of(student, own) - scores_of(teacher, other)) ** 2).mean(1) for own, other in pairs]
        means = [(it * pairs_of_tokens).sum((1, 2)) / pairs_of_tokens.sum((1, 2)) for it in squares]
        assert np.mean(means) > 0.01
        np.testing.assert_allclose(found, 2 * np.mean(means, 0), rtol=1e-5)


def test_relations_are_those_of_the_last_layers(both: tuple[Inside, Inside]) -> None:
    student, teacher = both
    expected = [
        over_tokens((np.exp(p) * np.where(MASK[:, None, None, :], p - q, 0)).sum(-1).mean(1))
        for q, p in zip(relations_of(student), relations_of(teacher), strict=True)
    ]
    _, found = InnerDistillation(student, teacher, relations=1.0)(INPUTS)
    assert np.mean(expected) > 0.01
    np.testing.assert_allclose(found, np.mean(expected, 0), rtol=1e-5, atol=1e-6)


def test_a_model_is_at_no_distance_from_itself(both: tuple[Inside, Inside]) -> None:
    _, found = InnerDistillation(both[0], both[0], hidden=1.0, attention=1.0, relations=1.0)(INPUTS)
    np.testing.assert_allclose(found, 0.0, atol=1e-6)
