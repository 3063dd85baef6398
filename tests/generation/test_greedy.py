"""Greedy generation by a decoder whose next token is known: the sum of the last two, within its vocabulary."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from sftkeras.generation import GenerationLimits, Generator

VOCABULARY = 10
END = 9


class LastTwo:
    """Predicts the sum of the last two tokens. Its cache is every token that a row has read, by position."""

    def __init__(self, spare: int = 0) -> None:
        self.steps = tf.Variable(0)
        self.spare = spare  # rows of the vocabulary that are no tokens, and have the highest logits

    def start(self, token_ids, positions, segments, cache_length):
        read = token_ids * segments
        before = tf.pad(read, [[0, 0], [1, 0]])[:, :-1]
        cache = tf.pad(read, [[0, 0], [0, cache_length - tf.shape(read)[1]]])
        return self._vectors(read + before), {"tokens": tf.ensure_shape(cache, [None, None])}

    def step(self, token_ids, positions, cache):
        self.steps.assign_add(1)
        rows = tf.range(tf.shape(token_ids)[0])
        tokens = tf.tensor_scatter_nd_update(cache["tokens"], tf.stack([rows, positions], 1), token_ids)
        before = tf.gather(tokens, positions - 1, batch_dims=1)
        return self._vectors(token_ids + before), {"tokens": tokens}

    def logits(self, vectors):
        spare = tf.fill([tf.shape(vectors)[0], self.spare], 2.0)
        return tf.concat([vectors, spare], -1)

    def _vectors(self, sums):
        return tf.one_hot(sums % VOCABULARY, VOCABULARY)


def continued(prompt: list[int], most: int) -> tuple[list[int], bool]:
    """What must come out."""
    read, found = [0, *prompt], []
    while len(found) < most:
        token = (read[-1] + read[-2]) % VOCABULARY
        if token == END:
            return found, True
        found.append(token)
        read.append(token)
    return found, False


PROMPTS = [[1, 1], [7], [2, 2, 1, 5, 5], [3, 6], [0, 0], [1, 4, 2, 6, 7, 1, 3], [4, 4, 4]]


def generated(prompts, most=20, decoder=None, **limits):
    generator = Generator(
        decoder or LastTwo(), GenerationLimits((END,), most, **limits), vocabulary=VOCABULARY, batch_size=3
    )
    return generator([np.array(prompt, np.int32) for prompt in prompts])


@pytest.mark.parametrize("most", [1, 2, 20])
def test_texts_do_not_depend_on_the_other_rows_of_a_batch(most):
    found = generated(PROMPTS, most)
    wanted = [continued(prompt, most) for prompt in PROMPTS]
    assert [(row.tolist(), ended) for row, ended in zip(found.token_ids, found.ended.tolist(), strict=True)] == wanted
    assert any(ended for _, ended in wanted)


def test_the_loop_stops_when_every_text_has_ended():
    decoder = LastTwo()
    found = generated([[4, 5], [3, 1]], 1000, decoder)  # 9 at once; 4, 5, 9
    assert found.ended.all()
    assert [len(row) for row in found.token_ids] == [0, 2]
    assert decoder.steps.numpy() == 2


def test_prompt_and_text_fit_into_the_positions_of_the_decoder():
    found = generated([[0, 0], [0] * 6, [0] * 8, [0] * 9, [4, 5]], positions=8)
    assert [len(row) for row in found.token_ids] == [6, 2, 0, 0, 0]
    assert found.ended.tolist() == [False, False, False, False, True]


def test_rows_to_spare_are_no_tokens():
    assert generated([[1, 1]], 3, LastTwo(spare=2)).token_ids[0].tolist() == [2, 3, 5]


def test_progress_is_told_of_each_batch():
    done = []
    generator = Generator(LastTwo(), GenerationLimits((END,), 2), vocabulary=VOCABULARY, batch_size=3)
    generator([np.array(prompt, np.int32) for prompt in PROMPTS], done.append)
    assert done == [3, 3, 1]
