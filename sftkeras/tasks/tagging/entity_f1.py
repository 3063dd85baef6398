"""F1 of whole entities while training, counted in the graph."""

from __future__ import annotations

import keras
import tensorflow as tf

from sftkeras.tasks.tagging.decoding import join


class EntityF1(keras.metrics.Metric):
    """F1 of entities whose words and label are all right, over the rows of the model inputs.

    A text that is divided into windows counts as several, so the figure is that of the report only where texts are
    short. Padding and further pieces of a word have the truth -1.
    """

    _direction = "up"

    def __init__(self, name: str = "entity_f1") -> None:
        super().__init__(name=name, dtype="float32")
        self._hits, self._answered, self._actual = (
            self.add_variable((), "zeros", name=part) for part in ("hits", "answered", "actual")
        )

    def update_state(self, truths: tf.Tensor, predictions: tf.Tensor, sample_weight: None = None) -> None:
        """Counts the entities of some rows.

        Args:
            truths: [rows, length] int32 tags, -1 where there is no word.
            predictions: [rows, length, tags] probabilities.
            sample_weight: not used.
        """
        words = tf.where(truths >= 0)  # [words, 2], row by row
        rows = tf.cast(words[:, 0], tf.int32)
        truth = join(tf.gather_nd(tf.cast(truths, tf.int32), words), rows)
        given = join(tf.gather_nd(tf.argmax(predictions, -1, output_type=tf.int32), words), rows)
        differ = (truth.begins != given.begins) | (truth.goes_on != given.goes_on) | (truth.label != given.label)
        # A prediction that continues after the last word of a true entity is wrong as well.
        after = tf.concat([given.goes_on & ~truth.goes_on, [False]], 0)[1:]
        wrong = tf.cast(truth.inside & (differ | after), tf.float32)
        entities = tf.reduce_sum(tf.cast(truth.begins, tf.int32))
        # Words outside count for an entity that is ignored.
        number = tf.where(truth.inside, truth.entity, entities)
        faults = tf.math.unsorted_segment_sum(wrong, number, entities + 1)[:entities]
        self._hits.assign_add(tf.reduce_sum(tf.cast(faults == 0, tf.float32)))
        self._answered.assign_add(tf.reduce_sum(tf.cast(given.begins, tf.float32)))
        self._actual.assign_add(tf.cast(entities, tf.float32))

    def result(self) -> tf.Tensor:
        """The F1 so far, 0 without entities."""
        return tf.math.divide_no_nan(2 * self._hits.value, self._answered.value + self._actual.value)
