"""Models for the page, in plain TensorFlow: their answers have the names that the tasks give them."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import tensorflow as tf

from sftkeras.disk.files import sha256_of
from sftkeras.exporting.contract import WEIGHTS, write_contract

TEXT = tf.TensorSpec([None], tf.string, "text")
PAIR = tf.TensorSpec([None], tf.string, "pair")


class _Model(tf.Module):
    """Holds a weight, so that there is a file of them."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = tf.Variable(1.0)


def write_classifier(folder: Path, labels: Sequence[str] = ("bad", "good", "très bon"), *, sure: float = 0.9) -> None:
    """Answers the label whose name is in the text, else the first; with a contract and a model card."""
    model = _Model()
    names = tf.constant(labels)

    @tf.function(input_signature=[TEXT], autograph=False)
    def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
        found = tf.stack([tf.strings.regex_full_match(text, f"(?s).*{re.escape(it)}.*") for it in labels], 1)
        label = tf.argmax(tf.cast(found, tf.int32), 1)
        rest = (1 - sure) / (len(labels) - 1)
        probabilities = tf.one_hot(label, len(labels), sure, rest) * model.weight
        return {
            "label": tf.gather(names, label),
            "probability": tf.reduce_max(probabilities, 1),
            "probabilities": probabilities,
            "classes": tf.repeat(names[tf.newaxis], tf.shape(text)[0], 0),
        }

    tf.saved_model.save(model, str(folder), {"serving_default": answer})
    write_contract(folder, _contract(folder, labels))


def _contract(folder: Path, labels: Sequence[str]) -> dict[str, Any]:
    return {
        "schema": 1,
        "name": folder.parent.name,
        "created": "2026-01-02T03:04:05+00:00",
        "task": {"kind": "classification", "multi_label": False, "label_names": list(labels)},
        "pairs": False,
        "max_length": 128,
        "signatures": {},
        "operations": [],
        "origin": {
            "backbone": "hf://someone/tiny",
            "data": {"train": "reviews.csv"},
            "rows": {"train": 90},
            "data_fingerprint": None,
        },
        "metrics": {"accuracy": 0.875, "macro_f1": 0.86},
        "sample": {"request": {"inputs": {"text": ["a good film"]}}, "response": {"outputs": {}}},
        "weights_sha256": sha256_of(folder / WEIGHTS),
        "versions": {"sftkeras": "0.1.0"},
    }


def write_similarity(folder: Path) -> None:
    """A regression over pairs: how much longer the first text is."""
    model = _Model()

    @tf.function(input_signature=[TEXT, PAIR])
    def answer(text: tf.Tensor, pair: tf.Tensor) -> dict[str, tf.Tensor]:
        return {"value": tf.cast(tf.strings.length(text) - tf.strings.length(pair), tf.float32) * model.weight}

    tf.saved_model.save(model, str(folder), {"serving_default": answer})


def write_several_labels(folder: Path) -> None:
    """Multi-label: a label is given if the text holds its name."""
    model = _Model()
    labels = ("funny", "sad")

    @tf.function(input_signature=[TEXT], autograph=False)
    def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
        selected = tf.stack([tf.strings.regex_full_match(text, f".*{it}.*") for it in labels], 1)
        return {
            "selected": selected,
            "probabilities": tf.where(selected, 0.8, 0.3) * model.weight,
            "classes": tf.repeat([labels], tf.shape(text)[0], 0),
        }

    tf.saved_model.save(model, str(folder), {"serving_default": answer})


def write_tagger(folder: Path) -> None:
    """Finds the first "<b>" of a text and what follows a 🎬, where it has them; rows are filled up to two spans."""
    model = _Model()

    @tf.function(input_signature=[TEXT], autograph=False)
    def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
        characters = tf.strings.unicode_split(text, "UTF-8").to_tensor("")  # [batch, length]

        def place(mark: str) -> tf.Tensor:
            found = tf.cast(tf.equal(characters, mark), tf.int32)
            return tf.where(
                tf.reduce_max(found, 1, keepdims=True) > 0, tf.argmax(found, 1, tf.int32)[:, tf.newaxis], -1
            )

        start = tf.concat([place("<"), place("🎬")], 1)
        there = start >= 0
        return {
            "label": tf.where(there, [["<i>tag</i>", "FILM"]], ""),
            "score": tf.where(there, [[0.75, 0.5]], 0.0) * model.weight,
            "start": tf.where(there, start + tf.constant([[0, 1]]), -1),
            "end": tf.where(there, start + tf.constant([[3, 5]]), -1),
            "text": tf.where(there, "not looked at", ""),
        }

    tf.saved_model.save(model, str(folder), {"serving_default": answer})


def write_answerer(folder: Path) -> None:
    """Answers with the letters of the context behind its first 🎬, or with nothing if it has none."""
    model = _Model()

    @tf.function(input_signature=[TEXT, PAIR], autograph=False)
    def answer(text: tf.Tensor, pair: tf.Tensor) -> dict[str, tf.Tensor]:
        characters = tf.strings.unicode_split(pair, "UTF-8").to_tensor("")  # [batch, length]
        found = tf.cast(tf.equal(characters, "🎬"), tf.int32)
        there = tf.reduce_max(found, 1) > 0
        start = tf.argmax(found, 1, tf.int32) + 1
        end = tf.strings.length(pair, "UTF8_CHAR")
        behind = tf.strings.substr(pair, tf.minimum(start, end), tf.maximum(end - start, 0), "UTF8_CHAR")
        score = tf.where(there, 0.75, 0.9) * model.weight
        return {
            "answer": tf.where(there, behind, ""),
            "score": score,
            "start": tf.where(there, start, -1),
            "end": tf.where(there, end, -1),
            "no_answer": tf.where(there, 0.25, score),
        }

    tf.saved_model.save(model, str(folder), {"serving_default": answer})


def write_vectors(folder: Path) -> None:
    """Answers a vector of ten numbers: the length of the text, and nines."""
    model = _Model()

    @tf.function(input_signature=[TEXT])
    def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
        length = tf.cast(tf.strings.length(text), tf.float32)[:, tf.newaxis]
        return {"vector": tf.concat([length, tf.fill([tf.shape(text)[0], 9], 9.0)], 1) * model.weight}

    tf.saved_model.save(model, str(folder), {"serving_default": answer})


def write_masks(folder: Path) -> None:
    """Fills the mask of a text; in one without any, the word "film" is hidden. Rows are filled up to two masks."""
    model = _Model()

    @tf.function(input_signature=[TEXT], autograph=False)
    def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
        asked = tf.strings.regex_full_match(text, r".*\[MASK\].*")[:, tf.newaxis]
        first = tf.constant([[1.0, 0.0]]) * model.weight  # of the two masks, the second is filling
        guesses = tf.where(first[:, :, tf.newaxis] > 0, [["<b>plot</b>", "film"]], "")
        return {
            "token": tf.tile(guesses, [tf.shape(text)[0], 1, 1]),
            "probability": tf.tile(first[:, :, tf.newaxis] * [[[0.75, 0.25]]], [tf.shape(text)[0], 1, 1]),
            "hidden": tf.where(asked, "", tf.where(first > 0, "film", "")),
            "loss": tf.where(asked, 0.0, first * 2.0),
        }

    tf.saved_model.save(model, str(folder), {"serving_default": answer})


def write_unknown(folder: Path) -> None:
    """Answers something that no view knows, not a number among it."""
    model = _Model()

    @tf.function(input_signature=[TEXT])
    def answer(text: tf.Tensor) -> dict[str, tf.Tensor]:
        nothing = tf.fill(tf.shape(text), float("nan")) * model.weight
        return {"echo": text, "nothing": nothing}

    tf.saved_model.save(model, str(folder), {"serving_default": answer})
