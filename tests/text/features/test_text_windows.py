"""Windows: nothing of a long text is cut off, each token is answered for once, and context is as wide as it can be."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from sftkeras.text.features.packing import Layout
from sftkeras.text.features.windows import Windows, pack_windows

BERT, ROBERTA = Layout(101, 102), Layout(101, 102, pad=103, ends_between=2, segments=False)
Row = list[int]

rows = st.lists(st.lists(st.integers(1, 99), max_size=40), max_size=8)


def ragged(values: list[Row]) -> tf.RaggedTensor:
    flat = np.array([value for row in values for value in row], np.int32)
    return tf.RaggedTensor.from_row_lengths(flat, [len(row) for row in values])


def windows_of(
    texts: list[Row], max_length: int, overlap: int, before: list[Row] | None = None, layout: Layout = BERT
) -> Windows:
    starts = [[10 * place for place in range(len(row))] for row in texts]
    ends = [[10 * place + 7 for place in range(len(row))] for row in texts]
    return pack_windows(
        *map(ragged, (texts, starts, ends)),
        layout=layout,
        max_length=max_length,
        overlap=overlap,
        before=None if before is None else ragged(before),
    )


@settings(max_examples=25, deadline=None)
@given(rows, st.integers(4, 20), st.data())
def test_merging_gives_each_token_once_in_order(texts: list[Row], max_length: int, data: st.DataObject) -> None:
    overlap = data.draw(st.integers(0, max_length - 3))
    windows = windows_of(texts, max_length, overlap)
    assert windows.merge(windows.inputs["token_ids"]).to_list() == texts
    assert windows.merge(windows.starts).to_list() == [[10 * place for place in range(len(row))] for row in texts]
    assert windows.merge(windows.ends).to_list() == [[10 * place + 7 for place in range(len(row))] for row in texts]
    assert windows.merge(windows.token).to_list() == [list(range(len(row))) for row in texts]


@settings(max_examples=25, deadline=None)
@given(rows, st.integers(4, 20), st.data())
def test_windows_are_full_and_overlap(texts: list[Row], max_length: int, data: st.DataObject) -> None:
    room = max_length - 2
    overlap = data.draw(st.integers(0, room - 1))
    windows = windows_of(texts, max_length, overlap)
    mask = windows.inputs["padding_mask"].numpy().astype(bool)
    token = windows.token.numpy()
    for number, text in enumerate(texts):
        here = np.flatnonzero(windows.text.numpy() == number)
        held = [token[row][token[row] >= 0] for row in here]
        for row, tokens in zip(here, held, strict=True):
            ids = windows.inputs["token_ids"].numpy()[row][mask[row]].tolist()
            assert ids == [101, *(text[place] for place in tokens), 102]
            assert len(tokens) == min(room, len(text))
        for one, other in pairwise(held):
            shared = len(set(one) & set(other))
            assert overlap <= shared < room
        expected = 1 + max(0, -(-(len(text) - room) // (room - overlap)))
        assert len(here) == expected


@settings(max_examples=25, deadline=None)
@given(rows, st.integers(4, 20), st.data())
def test_a_token_belongs_to_a_window_in_which_it_is_farthest_from_the_ends(
    texts: list[Row], max_length: int, data: st.DataObject
) -> None:
    windows = windows_of(texts, max_length, data.draw(st.integers(0, max_length - 3)))
    token, owned = windows.token.numpy(), windows.owned.numpy()
    context: dict[tuple[int, int], list[tuple[int, bool]]] = {}
    for row, text in enumerate(windows.text.numpy()):
        held = token[row][token[row] >= 0]
        for place in held:
            mine = bool(owned[row][token[row] == place][0])
            context.setdefault((text, place), []).append((min(place - held[0], held[-1] - place), mine))
    for found in context.values():
        assert [size for size, mine in found if mine] == [max(size for size, _ in found)]


@pytest.mark.parametrize("layout", [BERT, ROBERTA], ids=["BERT", "RoBERTa"])
def test_a_question_stands_before_every_window(layout: Layout) -> None:
    texts, questions = [list(range(1, 31)), [7, 8]], [[51, 52], list(range(61, 80))]
    windows = windows_of(texts, 16, 3, questions, layout)
    ids, mask = windows.inputs["token_ids"].numpy(), windows.inputs["padding_mask"].numpy().astype(bool)
    between = [102] * layout.ends_between
    budget = 16 - 2 - layout.ends_between
    for row, text in enumerate(windows.text.numpy()):
        question = questions[text][: budget // 2]
        held = windows.token.numpy()[row]
        tokens = [texts[text][place] for place in held[held >= 0]]
        assert ids[row][mask[row]].tolist() == [101, *question, *between, *tokens, 102]
        segments = windows.inputs["segment_ids"].numpy()[row]
        assert set(segments[held >= 0]) == {1 if layout.segments else 0}
    assert windows.merge(windows.inputs["token_ids"]).to_list() == texts
    assert ids.shape[1] <= 16


def test_no_texts_and_empty_ones() -> None:
    assert windows_of([], 8, 2).inputs["token_ids"].shape[0] == 0
    windows = windows_of([[], [5], []], 8, 2)
    assert windows.inputs["token_ids"].numpy().tolist() == [[101, 102, 0], [101, 5, 102], [101, 102, 0]]
    assert windows.merge(windows.starts).to_list() == [[], [0], []]


@pytest.mark.parametrize(("overlap", "before"), [(6, None), (-1, None), (3, [[1]])])
def test_an_overlap_that_leaves_no_room_is_refused(overlap: int, before: list[Row] | None) -> None:
    with pytest.raises(ValueError, match="cannot overlap"):
        windows_of([[1, 2, 3]], 8, overlap, before)


def test_the_graph_gives_what_eager_calls_give() -> None:
    texts = [list(range(1, 31)), [], [7, 8]]
    spec = tf.RaggedTensorSpec([None, None], tf.int32, 1)

    @tf.function(input_signature=[spec], autograph=False)
    def in_graph(tokens: tf.RaggedTensor) -> tuple[tf.Tensor, tf.Tensor]:
        windows = pack_windows(tokens, tokens, tokens, layout=BERT, max_length=10, overlap=3)
        return windows.inputs["token_ids"], windows.owned

    ids, owned = in_graph(ragged(texts))
    expected = windows_of(texts, 10, 3)
    np.testing.assert_array_equal(ids, expected.inputs["token_ids"])
    np.testing.assert_array_equal(owned, expected.owned)
