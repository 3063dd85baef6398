"""Tags of words to entities, in the graph: which tags are legal one after another, and which words they join.

Tag 0 is "outside"; label k begins an entity by tag 2k + 1 and continues it by tag 2k + 2, which is BIO. The words of
all texts stand one after another, with the number of the text that each is of.
"""

from __future__ import annotations

from dataclasses import dataclass

import tensorflow as tf

_NEVER = -1e9  # logarithm of a probability that counts as none


def begin_tag(label: int) -> int:
    """The tag of the first word of an entity."""
    return 2 * label + 1


def inside_tag(label: int) -> int:
    """The tag of its further words."""
    return 2 * label + 2


@dataclass(frozen=True)
class Joined:
    """Decoded tags of words, each [words].

    Attributes:
        inside: bool, whether a word is of an entity.
        begins: bool, whether it is its first.
        label: int32, of which label; without meaning outside.
    """

    inside: tf.Tensor
    begins: tf.Tensor
    label: tf.Tensor

    @property
    def goes_on(self) -> tf.Tensor:
        """Whether a word is of the entity of the word before, [words] bool."""
        return self.inside & ~self.begins

    @property
    def entity(self) -> tf.Tensor:
        """The number of each word's entity, [words] int32; that of the one before outside."""
        return tf.cumsum(tf.cast(self.begins, tf.int32)) - 1


def join(tags: tf.Tensor, texts: tf.Tensor) -> Joined:
    """Reads tags leniently: one that continues nothing, or another label, begins an entity.

    Args:
        tags: [words] int32.
        texts: [words] int32, ascending.
    """
    inside = tags > 0
    label = tf.maximum(tags - 1, 0) // 2
    goes_on = inside & (tags % 2 == 0) & _before(inside, False) & (label == _before(label, -1))
    return Joined(inside, inside & ~(goes_on & (texts == _before(texts, -1))), label)


def _before(values: tf.Tensor, first: int | bool) -> tf.Tensor:
    """Values of the word before."""
    return tf.concat([tf.constant([first], values.dtype), values[:-1]], 0)[: tf.size(values)]


def likeliest_legal(log_probabilities: tf.Tensor) -> tf.Tensor:
    """The likeliest sequence of tags in which only what has begun continues (Viterbi, 1967).

    The probability of a sequence is that of its tags; a legal tag is as likely after one tag as after another.

    Args:
        log_probabilities: [texts, words, tags] float32; a word that is padding is surely outside.

    Returns:
        [texts, words] int32.
    """
    texts, words = tf.shape(log_probabilities)[0], tf.shape(log_probabilities)[1]
    # Outside of a graph, the loops would run an operation at a time: seconds for a long text.
    viterbi = _viterbi if tf.inside_function() else _viterbi_in_a_graph
    return tf.cond(words > 0, lambda: viterbi(log_probabilities), lambda: tf.zeros([texts, 0], tf.int32))


def _viterbi(log_probabilities: tf.Tensor) -> tf.Tensor:
    words, tags = tf.shape(log_probabilities)[1], tf.shape(log_probabilities)[2]
    steps = tf.transpose(log_probabilities, [1, 0, 2])  # [words, texts, tags]
    goes_on = (tf.range(tags) > 0) & (tf.range(tags) % 2 == 0)
    start = steps[0] + tf.where(goes_on, _NEVER, 0.0)

    def forward(
        word: tf.Tensor, best: tf.Tensor, chosen: tf.TensorArray
    ) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray]:
        """`best` [texts, tags]: how likely the best sequence is that ends so; `chosen`: the tag before each."""
        value, tag = _best_before(best)
        return word + 1, value + steps[word], chosen.write(word, tag)

    chosen = tf.TensorArray(tf.int32, words, element_shape=[None, None], clear_after_read=False)
    _, best, chosen = tf.while_loop(lambda word, *_: word < words, forward, (tf.constant(1), start, chosen))

    def backward(word: tf.Tensor, tag: tf.Tensor, path: tf.TensorArray) -> tuple[tf.Tensor, tf.Tensor, tf.TensorArray]:
        before = tf.gather(chosen.read(word), tag, batch_dims=1)
        return word - 1, before, path.write(word - 1, before)

    last = tf.argmax(best, 1, output_type=tf.int32)
    path = tf.TensorArray(tf.int32, words, element_shape=[None]).write(words - 1, last)
    _, _, path = tf.while_loop(lambda word, *_: word > 0, backward, (words - 1, last, path))
    return tf.transpose(path.stack())


_viterbi_in_a_graph = tf.function(
    _viterbi, input_signature=[tf.TensorSpec([None, None, None], tf.float32)], autograph=False
)


def _best_before(best: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
    """For each tag, how likely the best sequence is that it may follow, and the tag which that ends with.

    Args:
        best: [texts, tags], how likely the best sequence is that ends with each tag.

    Returns:
        [texts, tags] float32, and int32.
    """
    any_value, any_tag = tf.reduce_max(best, 1), tf.argmax(best, 1, output_type=tf.int32)  # [texts]
    of_label = tf.reshape(best[:, 1:], [tf.shape(best)[0], -1, 2])  # [texts, labels, begin and inside]
    own_value = tf.reduce_max(of_label, 2)
    labels = tf.range(tf.shape(of_label)[1])
    own_tag = 2 * labels + 1 + tf.argmax(of_label, 2, output_type=tf.int32)
    return _by_tag(any_value, own_value), _by_tag(any_tag, own_tag)


def _by_tag(any_: tf.Tensor, own: tf.Tensor) -> tf.Tensor:
    """`any_` [texts] for what may follow anything, and `own` [texts, labels] for what continues: [texts, tags]."""
    begins = tf.broadcast_to(any_[:, tf.newaxis], tf.shape(own))
    of_labels = tf.reshape(tf.stack([begins, own], 2), [tf.shape(own)[0], -1])
    return tf.concat([any_[:, tf.newaxis], of_labels], 1)
