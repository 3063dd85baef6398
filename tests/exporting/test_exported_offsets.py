"""The places that an exported model gives index the raw text, whatever the text and the tokenizer."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import keras
import keras_hub
import numpy as np
import pytest
import tensorflow as tf
from every_tokenizer import TOKENIZERS, odd_texts
from tiny_byte_pairs import tiny_byte_pairs

from sftkeras.backbones import Backbone
from sftkeras.exporting.saved_model import write_saved_model
from sftkeras.tasks import Task, TextModel, attach_head
from sftkeras.tasks.span_qa.task import SpanQA
from sftkeras.tasks.tagging.task import Tagging
from sftkeras.text import BytePair, Tokenizer

MAX_LENGTH = 16
BATCH = 500
KINDS: dict[str, Callable[[], Tokenizer]] = {
    "byte pairs": lambda: BytePair(*tiny_byte_pairs()),
    **{
        name: TOKENIZERS[name]
        for name in (
            "WordPiece uncased",
            "SentencePiece uncased",
            "Unigram of XLM-RoBERTa",
            "Unigram of DeBERTa",
            "cleaned WordPiece",
        )
    },
}
QUESTION = "the film"
# Each task, what is asked about a text, and the answer that shows the characters.
TASKS: dict[str, tuple[Task, Callable[[tuple[str, ...]], dict[str, Any]], str]] = {
    "tagging": (Tagging(("PER", "LOC"), constrained_decoding=False), lambda texts: {"text": texts}, "text"),
    "span_qa": (SpanQA(), lambda texts: {"text": (QUESTION,) * len(texts), "pair": texts}, "answer"),
}

Answer = Callable[[dict[str, Any]], dict[str, np.ndarray]]


def text_model(task: Task, tokenizer: Tokenizer, *, pairs: bool) -> TextModel:
    """A model that knows nothing, and so answers a great deal."""
    keras.utils.set_random_seed(3)
    encoder = keras_hub.models.BertBackbone(
        vocabulary_size=tokenizer.size,
        num_layers=1,
        num_heads=1,
        hidden_dim=8,
        intermediate_dim=8,
        max_sequence_length=MAX_LENGTH,
    )
    for weight in encoder.trainable_weights:
        weight.assign(keras.random.normal(weight.shape))
    backbone = Backbone(encoder, tokenizer, MAX_LENGTH, False, "hugging_face", {})
    features = task.features(tokenizer, max_length=MAX_LENGTH, pairs=pairs)
    return TextModel(features, attach_head(backbone, task, "mean"), task)


@contextmanager
def loaded(folder: Path) -> Iterator[Answer]:
    """What a SavedModel answers through the loader of TensorFlow Serving."""
    with tf.Graph().as_default(), tf.compat.v1.Session() as session:
        graph = tf.compat.v1.saved_model.load(session, [tf.saved_model.SERVING], str(folder))
        signature = graph.signature_def["serving_default"]
        inputs, outputs = sorted(signature.inputs), sorted(signature.outputs)
        run = session.make_callable(
            [signature.outputs[name].name for name in outputs], [signature.inputs[name].name for name in inputs]
        )

        def answer(asked: dict[str, Any]) -> dict[str, np.ndarray]:
            fed = [np.array([text.encode() for text in asked[name]], object) for name in inputs]
            return dict(zip(outputs, run(*fed), strict=True))

        yield answer


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("name", TASKS)
def test_places_index_the_raw_text(name: str, kind: str, tmp_path: Path) -> None:
    task, asked, shown = TASKS[name]
    write_saved_model(text_model(task, KINDS[kind](), pairs="pair" in asked(())), tmp_path / "model")
    texts, found = odd_texts(), 0
    with loaded(tmp_path / "model") as answer:
        for begin in range(0, len(texts), BATCH):
            batch = texts[begin : begin + BATCH]
            answers = answer(asked(batch))
            for row in zip(batch, answers["start"], answers["end"], answers[shown], strict=True):
                found += count_right(*row)
    assert found > len(texts) / 2


def count_right(text: str, *places: Any) -> int:
    """How many places there are in a text; fails if one does not hold the characters that are shown."""
    found = 0
    # As objects: NumPy's own strings lose a NUL at their end.
    for start, end, characters in zip(*(np.atleast_1d(np.array(place, object)) for place in places), strict=True):
        if start >= 0:
            assert text[start:end] == characters.decode(), text
            found += bool(characters)
    return found
