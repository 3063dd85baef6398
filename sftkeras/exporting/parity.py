"""The gate before publishing: an export must give the predictions of the trained model."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import tensorflow as tf

from sftkeras.errors import SFTError
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.exporting.signatures import PAIR, TEXT
from sftkeras.tasks import TextModel
from sftkeras.tasks.predictions import Outputs, predictions_of, ranks_of

TOLERANCE = 1e-4  # float32 through other kernels and another padding differs by some 1e-6

# What users send sooner or later.
ODD_TEXTS = (
    "A quiet film that stays with you.",
    "",
    " \t\r\n",
    "Café, naïve, ÅNGSTRÖM: déjà-vu!",
    "这部电影 很好看。日本語と한국어",
    "👩‍👩‍👧 🎬🔥 ¯\\_(ツ)_/¯",
    "مرحبا שלום नमस्ते",
    "bell\x07, nul\x00, escape\x1b[31m, zero\u200bwidth, \ufeffmark, \ufffd",
    "[CLS] [SEP] [MASK] [PAD] <s>",
    "x" * 300,
    "a text that is much too long, " * 200,
)


@dataclass(frozen=True)
class Samples:
    """Texts to compare two models on.

    Attributes:
        texts: the texts.
        pairs: the second texts of a model of pairs, else None.
    """

    texts: tuple[str, ...]
    pairs: tuple[str, ...] | None

    def inputs(self) -> dict[str, list[str]]:
        """The inputs of `serving_default`."""
        return {TEXT: list(self.texts)} | ({} if self.pairs is None else {PAIR: list(self.pairs)})

    def examples(self) -> list[tf.train.Example]:
        """The texts as tf.Example."""
        inputs = {name: [text.encode("utf-8", "replace") for text in texts] for name, texts in self.inputs().items()}
        return [
            tf.train.Example(
                features=tf.train.Features(
                    feature={
                        name: tf.train.Feature(bytes_list=tf.train.BytesList(value=[texts[row]]))
                        for name, texts in inputs.items()
                    }
                )
            )
            for row in range(len(self.texts))
        ]


def odd_samples(*, pairs: bool) -> Samples:
    """Gives texts that break careless models."""
    return Samples(ODD_TEXTS, ODD_TEXTS[::-1] if pairs else None)


def check_parity(
    text_model: TextModel, process: PredictionProcess, samples: Samples, signatures: Iterable[str]
) -> float:
    """Compares the model in memory with the export that `process` has loaded, signature by signature.

    Returns:
        The largest difference found. It is absolute, but relative to an output's largest number where that exceeds one,
        as in regression in large units.

    Raises:
        SFTError: SFT510 if a prediction differs by more than `TOLERANCE` or in any label that is not as likely as
            another, SFT511 if one is not finite.
    """
    tokens, expected = _outputs_in_memory(text_model, samples)
    predictions = predictions_of(ranks_of(expected), text_model.task.kind)
    near_ties = predictions.near_ties(expected, TOLERANCE)
    largest = 0.0
    for signature in signatures:
        found = _outputs_of_export(process, signature, samples, tokens)
        wanted = tokens if signature == "tokenize" else expected
        renamed = predictions.methods.get(signature, {name: name for name in wanted})
        for output, name in renamed.items():
            free = near_ties.get(name, False)
            comparison = _Comparison(signature, output, samples, wanted[name], found[output], free)
            largest = max(largest, comparison.check())
    return largest


def check_signatures(text_model: TextModel, process: PredictionProcess, samples: Samples) -> None:
    """Makes sure that all signatures of a rounded export answer, with the model's tokens and with finite numbers.

    Raises:
        SFTError: SFT506 if one fails, SFT510 if tokens differ, SFT511 if a number is not finite.
    """
    tokens, _ = _outputs_in_memory(text_model, samples)
    for signature in process.signatures:
        found = _outputs_of_export(process, signature, samples, tokens)
        expected = tokens if signature == "tokenize" else found
        for name, array in found.items():
            _Comparison(signature, name, samples, expected[name], array).check()


def _outputs_of_export(
    process: PredictionProcess, signature: str, samples: Samples, tokens: dict[str, np.ndarray]
) -> Outputs:
    if signature == "serving_default":
        return process.predict(samples.texts, samples.pairs)
    if signature == "tokenize":
        return process.run(signature, samples.inputs())
    if signature == "serve_tokens":
        return process.run(signature, tokens)
    return process.run(signature, {"inputs": [example.SerializeToString() for example in samples.examples()]})


def _outputs_in_memory(text_model: TextModel, samples: Samples) -> tuple[dict[str, np.ndarray], Outputs]:
    """The model's inputs for the samples, and its outputs, computed on the CPU as in the prediction process."""
    with tf.device("CPU:0"):
        texts = [
            tf.constant([text.encode("utf-8", "replace") for text in texts]) for texts in samples.inputs().values()
        ]
        tokens = text_model.features(*texts)
        answers = text_model(*texts)
    return {name: tensor.numpy() for name, tensor in tokens.items()}, {
        name: _text(tensor.numpy()) for name, tensor in answers.items()
    }


def _text(array: np.ndarray) -> np.ndarray:
    return np.char.decode(array.astype("S"), "utf-8") if array.dtype == object else array


@dataclass(frozen=True)
class _Comparison:
    """One output of one signature: `expected` from the model in memory, `found` from the export."""

    signature: str
    output: str
    samples: Samples
    expected: np.ndarray
    found: np.ndarray
    free: np.ndarray | bool = False  # where rounding decides what stands there

    def check(self) -> float:
        """Gives the largest difference, or raises what `check_parity` does."""
        if self.expected.shape != self.found.shape:
            raise self._error("SFT510", 0, found=f"shape {self.found.shape}", expected=f"shape {self.expected.shape}")
        if self.expected.dtype.kind != "f":
            self._stop_at((self.expected != self.found) & np.logical_not(self.free))
            return 0.0
        for array in (self.expected, self.found):
            if len(rows := np.argwhere(~np.isfinite(array))):
                raise self._error("SFT511", rows[0][0])
        difference = np.abs(self.expected - self.found) / max(1.0, float(np.abs(self.expected).max(initial=0)))
        self._stop_at(difference > TOLERANCE)
        return float(difference.max(initial=0))

    def _stop_at(self, wrong: np.ndarray) -> None:
        if wrong.any():
            where = tuple(np.argwhere(wrong)[0])
            raise self._error("SFT510", where[0], found=self.found[where], expected=self.expected[where])

    def _error(self, code: str, row: int, **details: object) -> SFTError:
        text = self.samples.texts[row]
        shown = repr(text if len(text) <= 40 else text[:39] + "…")
        return SFTError(code, signature=self.signature, output=self.output, text=shown, **details)
