"""A decoder's tokenizer works in a SavedModel, by TensorFlow Serving's loader, and remembers nothing."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tensorflow as tf
from tensorflow.core.protobuf.meta_graph_pb2 import MetaGraphDef
from tiny_decoder_tokenizers import END_TURN, IN_TEXTS, loaded, marked
from toy_tokenizers import ADVERSARIAL

from sftkeras.exporting.op_gate import server_needs
from sftkeras.text import Detokenizer
from sftkeras.text.marks import learned, ordinary, special

FAMILIES = ("smollm2", "llama3", "qwen", "phi3", "gemma")  # every kind of rule
TEXTS = [f"{ordinary(text)}{IN_TEXTS[0]}{learned(ordinary(text[::-1]) + special(END_TURN))}" for text in ADVERSARIAL]
# Calls of functions and loops, which are listed as operations with a state whatever is in them.
CALLS = {"StatefulPartitionedCall", "While", "If"}


@pytest.mark.parametrize("family", FAMILIES)
def test_an_exported_tokenizer_gives_the_same_in_a_server(family: str, tmp_path: Path) -> None:
    tokenizer, detokenizer = marked(family), Detokenizer(loaded(family))

    @tf.function(input_signature=[tf.TensorSpec([None], tf.string, name="text")], autograph=False)
    def serve(text: tf.Tensor) -> dict[str, tf.Tensor]:
        tokens, is_learned = tokenizer(text)
        return {"tokens": tokens.to_tensor(-1), "learned": is_learned.to_tensor(-1), "text": detokenizer(tokens)}

    tf.saved_model.save(tf.Module(), str(tmp_path), signatures=serve)
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, [tf.saved_model.SERVING], str(tmp_path))
        outputs = graph.signature_def["serving_default"].outputs
        fed = {graph.signature_def["serving_default"].inputs["text"].name: np.array(TEXTS, object)}

        def answer() -> dict[str, Any]:
            return session.run({name: it.name for name, it in outputs.items()}, fed)

        first, again = answer(), answer()
    tokens, is_learned = tokenizer(tf.constant(TEXTS))
    assert np.array_equal(first["tokens"], tokens.to_tensor(-1))
    assert np.array_equal(first["learned"], is_learned.to_tensor(-1))
    assert first["text"].tolist() == detokenizer(tokens).numpy().tolist()
    assert all(np.array_equal(first[name], again[name]) for name in first)
    assert server_needs(graph).minimum is not None
    assert states(graph) == set()


def states(graph: MetaGraphDef) -> set[str]:
    """The operations of a graph that keep something between calls, but for those that save and restore."""
    kept = {op.name for op in graph.meta_info_def.stripped_op_list.op if op.is_stateful}
    functions = [it for it in graph.graph_def.library.function if "_traced_" not in it.signature.name]
    assert len(functions) > 2
    return (kept & {node.op for function in functions for node in function.node_def}) - CALLS
