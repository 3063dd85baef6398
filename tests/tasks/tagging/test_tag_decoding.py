"""Tags in the graph mean what plain code says, and the likeliest legal tags are found."""

from __future__ import annotations

import itertools

import numpy as np
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from sftkeras.tasks.tagging.decoding import begin_tag, inside_tag, join, likeliest_legal
from sftkeras.tasks.tagging.entity_f1 import EntityF1
from sftkeras.tasks.tagging.matches import matches
from sftkeras.tasks.tagging.scores import ScoredEntity

LABELS = 2
TAGS = 2 * LABELS + 1

SENTENCES = st.lists(st.lists(st.integers(0, TAGS - 1), max_size=7), min_size=1, max_size=4)


def entities_of(tags: list[int]) -> list[ScoredEntity]:
    """The entities of one text by their words, as people read tags."""
    found: list[ScoredEntity] = []
    for word, tag in enumerate(tags):
        if tag == 0:
            continue
        label = (tag - 1) // 2
        last = found[-1] if found else None
        if tag == inside_tag(label) and last and last.end == word and last.label == label:
            found[-1] = last._replace(end=word + 1)
        else:
            found.append(ScoredEntity(word, word + 1, label))
    return found


@settings(max_examples=100, deadline=None)
@given(SENTENCES)
def test_tags_are_joined_as_people_read_them(texts: list[list[int]]) -> None:
    tags = np.array([tag for text in texts for tag in text], np.int32)
    numbers = np.repeat(np.arange(len(texts)), [len(text) for text in texts]).astype(np.int32)
    joined = join(tf.constant(tags), tf.constant(numbers))
    expected = [entity for text in texts for entity in entities_of(text)]
    assert int(tf.reduce_sum(tf.cast(joined.begins, tf.int32))) == len(expected)
    inside = joined.inside.numpy()
    sizes = np.bincount(joined.entity.numpy()[inside], minlength=len(expected))
    assert sizes.tolist() == [entity.end - entity.start for entity in expected]
    assert joined.label.numpy()[joined.begins.numpy()].tolist() == [entity.label for entity in expected]


def is_legal(tags: tuple[int, ...]) -> bool:
    before = (0, *tags)
    return all(
        tag == 0 or tag % 2 == 1 or last in (tag, begin_tag((tag - 1) // 2))
        for last, tag in zip(before, tags, strict=False)
    )


def test_the_likeliest_legal_tags_are_found() -> None:
    random = np.random.default_rng(3)
    legal = np.array([tags for tags in itertools.product(range(TAGS), repeat=4) if is_legal(tags)])
    logits = random.normal(0, 2, (40, 4, TAGS)).astype(np.float32)
    scores = np.take_along_axis(logits[:, None], legal[None, :, :, None], -1)[..., 0].sum(-1)  # [texts, sequences]
    found = likeliest_legal(tf.constant(logits)).numpy()
    np.testing.assert_array_equal(found, legal[scores.argmax(1)])
    assert (found != logits.argmax(-1)).any()  # there was something to mend


def test_texts_without_words_have_no_tags() -> None:
    in_graph = tf.function(likeliest_legal, input_signature=[tf.TensorSpec([None, None, TAGS])], autograph=False)
    assert in_graph(tf.zeros([2, 0, TAGS])).shape == (2, 0)
    assert in_graph(tf.zeros([0, 3, TAGS])).shape == (0, 3)
    assert in_graph(tf.zeros([0, 0, TAGS])).shape == (0, 0)


@settings(max_examples=30, deadline=None)
@given(st.lists(st.lists(st.tuples(*[st.integers(0, TAGS - 1)] * 2), max_size=6), min_size=1, max_size=5), st.data())
def test_f1_counts_whole_entities(texts: list[list[tuple[int, int]]], data: st.DataObject) -> None:
    width = 12
    truth = np.full((len(texts), width), -1, np.int32)
    given_tags = np.zeros((len(texts), width), np.int32)
    hits = answered = actual = 0
    for row, text in enumerate(texts):
        places = sorted(data.draw(st.sets(st.integers(0, width - 1), min_size=len(text), max_size=len(text))))
        given_tags[row] = data.draw(st.integers(0, TAGS - 1))  # whatever is said where there is no word
        true, found = [one for one, _ in text], [other for _, other in text]
        truth[row, places], given_tags[row, places] = true, found
        pairs = matches(entities_of(true), entities_of(found))
        hits += sum(pair.fault == "right" for pair in pairs)
        answered, actual = answered + len(entities_of(found)), actual + len(entities_of(true))
    metric = EntityF1()
    metric.update_state(tf.constant(truth), tf.one_hot(given_tags, TAGS))
    expected = 2 * hits / (answered + actual) if answered + actual else 0
    assert abs(float(metric.result()) - expected) < 1e-6
