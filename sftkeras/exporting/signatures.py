"""Signatures of a text model, all over one graph of features and one of predictions."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import tensorflow as tf

from sftkeras.tasks import TextModel
from sftkeras.tasks.predictions import predictions_of

Tensors = dict[str, tf.Tensor]

# Features of tf.Example, and inputs of serving_default.
TEXT, PAIR = "text", "pair"

# Names that TensorFlow Serving's Classify and Regress calls prescribe.
METHODS = {
    "classify": tf.saved_model.CLASSIFY_METHOD_NAME,
    "regress": tf.saved_model.REGRESS_METHOD_NAME,
}
_EXAMPLES = tf.saved_model.CLASSIFY_INPUTS  # "inputs", the same for both


def trace_signatures(text_model: TextModel) -> dict[str, tf.types.experimental.ConcreteFunction]:
    """Traces the functions that a SavedModel offers.

    `serving_default` answers raw strings and `serve_tokens` answers token numbers, both with all the task's named
    answers; a model whose encoder reads texts itself, or whose answers are about the characters of a text, has no
    `serve_tokens` and no `tokenize`, which makes the token numbers that `serve_tokens` takes. Where the task's
    predictions allow it there is `classify` or `regress`, which answer serialized tf.Example as TensorFlow Serving's
    calls of these names want it.
    """
    # Functions of their own, so that the graph holds each once however many signatures call it. No autograph: it would
    # rewrite the code of the libraries inside.
    answer_inputs: Callable[[Tensors], Tensors] = text_model.predict_features
    if not text_model.features.windows:
        specs = _input_specs(text_model)
        answer_inputs = tf.function(text_model.predict_features, input_signature=[specs], autograph=False)

    names = (TEXT, PAIR) if text_model.features.pairs else (TEXT,)

    specs_of_texts = {name: _strings(name) for name in names}

    def read(texts: Tensors) -> Tensors:
        return text_model.features(*(texts[name] for name in names))

    read_texts = tf.function(read, input_signature=[specs_of_texts], autograph=False)

    def answer(texts: Tensors) -> Tensors:
        return answer_inputs(read_texts(texts))

    answer_texts = tf.function(answer, input_signature=[specs_of_texts], autograph=False)

    def answer_examples(examples: tf.Tensor) -> Tensors:
        return answer_texts(
            tf.io.parse_example(examples, {name: tf.io.FixedLenFeature([], tf.string) for name in names})
        )

    signatures = {"serving_default": answer_texts.get_concrete_function()}
    if text_model.features.max_length is not None and not text_model.features.windows:
        signatures["serve_tokens"] = _serve_tokens(text_model, answer_inputs)
        signatures["tokenize"] = read_texts.get_concrete_function()
    outputs = signatures["serving_default"].structured_outputs
    ranks = {name: len(tensor.shape) for name, tensor in outputs.items()}
    for method, renamed in predictions_of(ranks, text_model.task.kind).methods.items():
        signatures[method] = _on_examples(answer_examples, renamed)
    return signatures


def _on_examples(
    answer: Callable[[tf.Tensor], Tensors], renamed: Mapping[str, str]
) -> tf.types.experimental.ConcreteFunction:
    def serve(inputs: tf.Tensor) -> Tensors:
        answers = answer(inputs)
        return {output: answers[name] for output, name in renamed.items()}

    return tf.function(serve, input_signature=[_strings(_EXAMPLES)], autograph=False).get_concrete_function()


def _serve_tokens(
    text_model: TextModel, answer: Callable[[Tensors], Tensors]
) -> tf.types.experimental.ConcreteFunction:
    longest = text_model.features.max_length

    def serve(**tokens: tf.Tensor) -> Tensors:
        for name, tensor in tokens.items():
            tf.debugging.assert_less_equal(
                tf.shape(tensor)[1], longest, f"{name} is longer than the {longest} tokens this model takes."
            )
        return answer(tokens)

    return tf.function(serve, autograph=False).get_concrete_function(**_input_specs(text_model))


def _input_specs(text_model: TextModel) -> dict[str, tf.TensorSpec]:
    """The network's inputs: each [batch, length] of any length, or [batch] texts."""
    return {
        name: tf.TensorSpec([None] * len(tensor.shape), tensor.dtype, name)
        for name, tensor in text_model.network.input.items()
    }


def _strings(name: str) -> tf.TensorSpec:
    return tf.TensorSpec([None], tf.string, name)
