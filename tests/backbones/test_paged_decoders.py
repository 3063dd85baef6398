"""Decoders that read from pages give what whole sequences do, whichever pages rows have and in whatever parts they
are read."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf
from tiny_decoders import TinyDecoder, batch

from sftkeras.backbones.decoders.joined import JoinedDecoder
from sftkeras.backbones.hugging_face.decoders.reading import load_decoder

SIZE = 4  # tokens of a page
TABLES = [[3, 1, 9], [5, 2, 7], [10, 4, 6]]
TOLERANCE = 4e-5  # of the logits' standard deviation: products of other shapes add in another order


@pytest.mark.parametrize("name", ["llama", "gemma3", "gpt2", "qwen2-windows"])
def test_pages_hold_what_was_read(name: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Rows of 5, 12 and 9 tokens, read in parts of 1, 5 and 6 tokens; a short one reads its last token again."""
    tiny = TinyDecoder(name)
    folder = tiny.write(tmp_path_factory.mktemp("decoder"))
    decoder = JoinedDecoder(load_decoder(folder, tiny.config, dropout=None, weights=True))
    pages = tf.zeros([11 if size is None else size for size in decoder.pages_shape(SIZE)])
    rows = batch(tiny.rows)["token_ids"]
    lengths = np.array([len(row) for row in tiny.rows])[:, np.newaxis]
    found = np.zeros([*rows.shape, tiny.logits[0].shape[1]], np.float32)
    for begin, end in ((0, 1), (1, 6), (6, 12)):
        columns = np.minimum(np.arange(begin, end)[np.newaxis], lengths - 1).astype(np.int32)
        ids = np.take_along_axis(rows, columns, 1)
        vectors = decoder.read_pages(tf.constant(ids), tf.constant(columns), tf.constant(TABLES), pages)
        np.put_along_axis(found, columns[..., np.newaxis], decoder.logits(vectors).numpy(), 1)
    expected = np.concatenate(tiny.logits)
    logits = np.concatenate([found[number, : len(row)] for number, row in enumerate(tiny.rows)])
    np.testing.assert_allclose(logits, expected, rtol=0, atol=TOLERANCE * expected.std())
