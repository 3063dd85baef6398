"""Distillation of what is inside of an encoder: hidden states, attention, and the relations of tokens at the end.

The teacher runs beside the student in each step, on the same tokens.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import keras
import tensorflow as tf

from sftkeras.backbones import Backbone
from sftkeras.backbones.inner_outputs import attention_heads, attention_scores, relations, with_inner_outputs


@dataclass(frozen=True)
class Inside:
    """A network with inner outputs, and the encoder in it.

    Attributes:
        network: see `with_inner_outputs`.
        backbone: the encoder.
    """

    network: keras.Model
    backbone: Backbone

    @classmethod
    def of(cls, network: keras.Model, backbone: Backbone) -> Inside:
        """Return that of a network that gives logits alone."""
        return cls(with_inner_outputs(network, backbone), backbone)

    def run(self, inputs: dict[str, tf.Tensor], *, training: bool) -> dict[str, tf.Tensor]:
        """Return the outputs for model inputs, of which it takes those that it knows."""
        return self.network({name: inputs[name] for name in self.network.input}, training=training)


class InnerDistillation:
    """The distances of a student's hidden states, attention and relations from a teacher's.

    Args:
        student: that learns.
        teacher: that does not.
        hidden: weight of the distance of hidden states; 0 leaves it out.
        attention: weight of that of attention, whose heads are as many; 0 leaves it out.
        relations: weight of that of relations; 0 leaves it out.
        layers: for each layer of the student, the number of that of the teacher, from 0; None takes layers in like
            distances, the last with the last, as TinyBERT does.
    """

    def __init__(
        self,
        student: Inside,
        teacher: Inside,
        *,
        hidden: float = 0.0,
        attention: float = 0.0,
        relations: float = 0.0,
        layers: Sequence[int] | None = None,
    ) -> None:
        self._student, self._teacher = student, teacher
        self._hidden, self._attention, self._relations = hidden, attention, relations
        ours, theirs = len(student.backbone.layers), len(teacher.backbone.layers)
        self._pairs = [
            (number + 1, layers[number] + 1 if layers is not None else -(-(number + 1) * theirs // ours))
            for number in range(ours)
        ]
        # The most relation heads that both widths can be cut into, of those that the student's attention has.
        width = teacher.backbone.model.hidden_dim
        self._heads = math.gcd(attention_heads(student.backbone), width)

    def __call__(self, inputs: dict[str, tf.Tensor]) -> tuple[tf.Tensor, tf.Tensor]:
        """Run both on some rows; return the student's logits, and each row's distance, [rows] float32."""
        ours = self._student.run(inputs, training=True)
        theirs = {name: tf.stop_gradient(it) for name, it in self._teacher.run(inputs, training=False).items()}
        mask = inputs["padding_mask"]
        distance = tf.zeros(tf.shape(mask)[:1])
        if self._hidden:
            distance += self._hidden * self._of_states(ours, theirs, mask)
        if self._attention:
            distance += self._attention * self._of_attention(ours, theirs, mask)
        if self._relations:
            distance += self._relations * self._of_relations(ours, theirs, mask)
        return ours["logits"], distance

    def _of_states(self, ours: dict[str, tf.Tensor], theirs: dict[str, tf.Tensor], mask: tf.Tensor) -> tf.Tensor:
        """The squared difference of vectors, averaged over tokens and layers (Jiao et al., 2020, arXiv:1909.10351)."""
        distances = []
        for own, other in self._pairs:
            difference = tf.cast(ours[str(own)], tf.float32) - tf.cast(theirs[str(other)], tf.float32)
            distances.append(_mean_over_tokens(tf.reduce_mean(tf.square(difference), -1), mask))
        return tf.add_n(distances) / len(distances)

    def _of_attention(self, ours: dict[str, tf.Tensor], theirs: dict[str, tf.Tensor], mask: tf.Tensor) -> tf.Tensor:
        """The squared difference of attention before softmax, averaged over pairs of tokens, heads and layers."""
        distances = []
        for own, other in self._pairs:
            student, teacher = (
                attention_scores(inside.backbone.layers[number - 1], states[str(number - 1)])
                for inside, states, number in ((self._student, ours, own), (self._teacher, theirs, other))
            )
            of_pairs = tf.reduce_mean(tf.square(student - tf.stop_gradient(teacher)), 1)  # [rows, length, length]
            distances.append(_mean_over_tokens(_mean_over_tokens(of_pairs, mask[:, tf.newaxis, :]), mask))
        return tf.add_n(distances) / len(distances)

    def _of_relations(self, ours: dict[str, tf.Tensor], theirs: dict[str, tf.Tensor], mask: tf.Tensor) -> tf.Tensor:
        """The mean divergence of the relations in the last layers (Wang et al., 2021, arXiv:2012.15828)."""
        own, other = (self._relations_of(*it, mask) for it in ((self._student, ours), (self._teacher, theirs)))
        divergences = []
        for p, q in zip(other, own, strict=True):
            p = tf.stop_gradient(p)
            of_heads = tf.reduce_sum(tf.exp(p) * (p - q), -1)  # [rows, heads, length]
            divergences.append(_mean_over_tokens(tf.reduce_mean(of_heads, 1), mask))
        return tf.add_n(divergences) / len(divergences)

    def _relations_of(self, inside: Inside, states: dict[str, tf.Tensor], mask: tf.Tensor) -> list[tf.Tensor]:
        layers = inside.backbone.layers
        return relations(layers[-1], states[str(len(layers) - 1)], mask, self._heads)


def _mean_over_tokens(values: tf.Tensor, mask: tf.Tensor) -> tf.Tensor:
    """The mean of `values` [rows, …, length] over the tokens of each row, [rows, …]."""
    tokens = tf.cast(mask, tf.float32)
    return tf.reduce_sum(values * tokens, -1) / tf.maximum(tf.reduce_sum(tokens, -1), 1)
