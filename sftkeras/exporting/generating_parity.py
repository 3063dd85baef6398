"""The gate before publishing a model that generates: the export reads, scores and writes as the trained model does."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType
from typing import Any, NamedTuple

import numpy as np
import tensorflow as tf

from sftkeras.conversations import Conversation, Message
from sftkeras.errors import SFTError
from sftkeras.exporting.parity import ODD_TEXTS, TOLERANCE
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.generation import GenerationLimits, Generator
from sftkeras.generation.writing import NO_TOKEN
from sftkeras.tasks import TextModel
from sftkeras.tasks.generating import Generating
from sftkeras.text.templates.compiled import random_conversations

_NEW_TOKENS = 64  # of each continuation that is compared
_MOST_PROMPT = 512  # tokens of a prompt that is continued, so that the gate takes seconds
_CONTINUED = 8  # prompts
_MOST_MESSAGES = 5  # of a random conversation
_ANSWERED = ODD_TEXTS[:2]  # short texts: serving_default writes as many tokens as it does for users
_ANSWER_TOKENS = 8  # of an answer in a random conversation
_WRITTEN = ("text", "ended", "prompt_tokens", "new_tokens")


class _Prompt(NamedTuple):
    """A prompt of the gate.

    Attributes:
        text: marked.
        tokens: of it, by the model in memory, int32.
    """

    text: str
    tokens: np.ndarray

    def error(self, signature: str, output: str, found: object, expected: object) -> SFTError:
        """The error that an output of a signature is not what it should be."""
        shown = repr(self.text if len(self.text) <= 40 else f"{self.text[:39]}…")
        return SFTError("SFT510", signature=signature, output=output, text=shown, found=found, expected=expected)


def check_generating(
    model: TextModel, generating: Generating, process: PredictionProcess, sample_texts: Sequence[str]
) -> float:
    """Compares the model in memory with the export that `process` has loaded.

    The same are the tokens of prompts; within `TOLERANCE`, relative to the largest number, the logits after prompts and
    the log-probabilities of their tokens; greedy continuations of 64 tokens, but for ties; the prompts that the graph
    makes of odd texts of users; and what `serving_default` and `chat` write, to what `generate` writes after prompts of
    Python's.

    Args:
        model: in memory, in float32.
        generating: what was exported of it.
        process: has loaded the export.
        sample_texts: rows as the data has them.

    Returns:
        The largest difference of logits and log-probabilities.

    Raises:
        SFTError: SFT510 if something differs, SFT511 if a logit is not finite.
    """
    decoder: Any = model.backbone.model  # type: ignore[union-attr]
    asked = [generating.asked(text) for text in ODD_TEXTS]
    prompts = _prompts(model, [*asked, *map(generating.marked, sample_texts)])
    _check_tokens(prompts, process)
    most = min(decoder.positions - 1, _MOST_PROMPT)
    fitting = [prompt for prompt in prompts if len(prompt.tokens) <= most]
    with tf.device("CPU:0"):
        difference = max(_compare_reading(prompt, decoder, process, generating) for prompt in fitting)
        _compare_writing(fitting[-_CONTINUED:], decoder, process, generating)
    _compare_prompts(asked, process)
    _compare_texts("serving_default", {"text": list(_ANSWERED)}, asked[: len(_ANSWERED)], process)
    if "chat" in generating.signatures:
        _compare_chat(generating, process)
    return difference


def _prompts(model: TextModel, texts: Sequence[str]) -> list[_Prompt]:
    tokens, _ = model.features.marked(tf.constant(list(texts), tf.string))  # type: ignore[attr-defined]
    prompts = (_Prompt(text, row.numpy()) for text, row in zip(texts, tokens, strict=True))
    return [prompt for prompt in prompts if len(prompt.tokens)]


def _check_tokens(prompts: Sequence[_Prompt], process: PredictionProcess) -> None:
    found = process.run("tokenize", {"text": [prompt.text for prompt in prompts]})["token_ids"]
    for prompt, row in zip(prompts, found, strict=True):
        if (tokens := row[row != NO_TOKEN].tolist()) != prompt.tokens.tolist():
            raise prompt.error("tokenize", "token_ids", tokens[:12], prompt.tokens.tolist()[:12])


def _compare_reading(prompt: _Prompt, decoder: Any, process: PredictionProcess, generating: Generating) -> float:
    """The largest difference of the logits after a prompt, and of the log-probabilities of its tokens."""
    logits = _logits(decoder, prompt.tokens, generating.facts["vocabulary"])
    if not np.isfinite(logits).all():
        raise SFTError("SFT511", output="logits", text=repr(prompt.text[:40]))
    length = np.int32(len(prompt.tokens))
    found = process.run("prefill", {"text": [prompt.text], "cache_length": length}, ["logits"])["logits"][0]
    largest = _compare("prefill", "logits", prompt, found, logits[-1])
    if length > 1:
        scores = logits - np.logaddexp.reduce(logits.astype(np.float64), axis=-1, keepdims=True)
        expected = scores[np.arange(length - 1), prompt.tokens[1:]]
        row = prompt.tokens[np.newaxis]
        scored = process.run("score_tokens", {"token_ids": row, "scored": np.ones_like(row)})
        largest = max(
            largest, _compare("score_tokens", "log_probabilities", prompt, scored["log_probabilities"][0], expected)
        )
    return largest


def _compare(signature: str, output: str, prompt: _Prompt, found: np.ndarray, expected: np.ndarray) -> float:
    difference = np.abs(found - expected) / max(1.0, float(np.abs(expected).max()))
    worst = int(difference.argmax())
    if not difference[worst] <= TOLERANCE:  # nor where it is no number
        raise prompt.error(signature, output, found[worst], expected[worst])
    return float(difference[worst])


def _compare_writing(
    prompts: Sequence[_Prompt], decoder: Any, process: PredictionProcess, generating: Generating
) -> None:
    """Compares greedy continuations, up to a token that is as probable as another one."""
    end_ids, vocabulary = tuple(generating.facts["end_ids"]), generating.facts["vocabulary"]
    limits = GenerationLimits(end_ids, _NEW_TOKENS, decoder.positions)
    expected = Generator(decoder, limits, vocabulary=vocabulary)([prompt.tokens for prompt in prompts])
    rows = tf.ragged.constant([prompt.tokens for prompt in prompts], tf.int32).to_tensor(NO_TOKEN).numpy()
    inputs = {"token_ids": rows, "max_new_tokens": [_NEW_TOKENS] * len(prompts)}
    found = process.run("generate_tokens", inputs)["token_ids"]
    for number, prompt in enumerate(prompts):
        row = found[number]
        ours, theirs = (
            [*ids, *end_ids[:1]] for ids in (row[row != NO_TOKEN].tolist(), expected.token_ids[number].tolist())
        )
        place = next((place for place, (a, b) in enumerate(zip(ours, theirs, strict=False)) if a != b), None)
        if place is None:
            continue
        read = np.append(prompt.tokens, theirs[:place]).astype(np.int32)
        logits = _logits(decoder, read, vocabulary)[-1]
        if logits.max() - logits[ours[place]] > TOLERANCE * max(1.0, float(np.abs(logits).max())):
            raise prompt.error("generate_tokens", "token_ids", ours[place], theirs[place])


def _compare_chat(generating: Generating, process: PredictionProcess) -> None:
    """Compares answers in conversations, whose prompts the graph makes by its table, with those to Python's prompts."""
    conversations = list(random_conversations(_CONTINUED, _MOST_MESSAGES, seed=1))
    turns = max(len(roles) for roles, _ in conversations)
    padded = [[[*it, *[""] * (turns - len(it))] for it in one] for one in conversations]
    inputs = {name: [one[place] for one in padded] for place, name in enumerate(("roles", "contents"))}
    messages = ([Message(*message) for message in zip(*one, strict=True)] for one in conversations)
    # As a row of the data it has an answer, before which its prompt ends.
    rows = (Conversation((*one, Message("assistant", ""))).to_json() for one in messages)
    options = {"max_new_tokens": [_ANSWER_TOKENS] * len(conversations)}
    _compare_texts("chat", inputs, [generating.marked(row) for row in rows], process, options)


def _compare_prompts(asked: Sequence[str], process: PredictionProcess) -> None:
    """Compares the prompts that the graph makes of odd texts with those of Python."""
    found = process.run("prompt", {"text": list(ODD_TEXTS)})["text"].tolist()
    for made, prompt in zip(found, asked, strict=True):
        if made != prompt:
            raise _Prompt(prompt, np.zeros(0)).error("prompt", "text", repr(made[:80]), repr(prompt[:80]))


def _compare_texts(
    signature: str,
    inputs: Mapping[str, Any],
    prompts: Sequence[str],
    process: PredictionProcess,
    options: Mapping[str, Any] = MappingProxyType({}),
) -> None:
    """Compares what a signature writes with what is written after the prompts that it should have made.

    All outputs are asked for, as by whoever uses the process afterwards: TensorFlow optimises a graph anew, which takes
    seconds, for each choice of outputs.
    """
    expected = process.run("generate", {"text": list(prompts), **options})
    found = process.run(signature, {**inputs, **options})
    for name in _WRITTEN:
        for text, one, other in zip(prompts, found[name].tolist(), expected[name].tolist(), strict=True):
            if one != other:
                raise _Prompt(text, np.zeros(0)).error(signature, name, repr(one), repr(other))


def _logits(decoder: Any, tokens: np.ndarray, vocabulary: int) -> np.ndarray:
    """The logits after each token, [tokens, vocabulary] float32."""
    row = tf.constant(tokens[np.newaxis])
    positions = tf.range(len(tokens))[tf.newaxis]
    vectors, _ = decoder.start(row, positions, tf.ones_like(row), len(tokens))
    return decoder.logits(vectors[0]).numpy()[:, :vocabulary]
