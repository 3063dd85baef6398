"""Steps of cleaning before tokenisation, in training and in serving alike, as the settings name them.

Each step is an operation of the graph, and knows where every character of its result stood before: answers about places
in a text are about the raw text. What the patterns look for is in `markup` and `personal_data`.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, Literal

import numpy as np
import tensorflow as tf
import tensorflow_text as tf_text

from sftkeras.text.cleaning import markup, personal_data
from sftkeras.text.tokenizers.alignment import SPACE
from sftkeras.text.tokenizers.letters import valid
from sftkeras.text.tokenizers.origin import Origin, normalise, replace, untouched
from sftkeras.text.tokenizers.tokenizer import Tokenizer

_NUL = r"\x{00}"  # at which tf_text.regex_split_with_offsets 2.21 ends a text; HTML reads it as U+FFFD
_VERSION = 1  # raise it when the steps give other texts: caches and contracts distinguish them

UnicodeForm = Literal["nfc", "nfkc"]
Step = Callable[[tf.Tensor], tuple[tf.Tensor, Origin]]


class Cleaning:
    """Steps that rewrite texts, in this order; see `sftkeras.config.CleaningConfig`.

    Args:
        markup: HTML tags are dropped, and entities become their characters.
        unicode: the normalisation form that texts are brought to.
        mask: kinds of personal data, keys of `personal_data.PATTERNS`, that a placeholder such as <email> stands for.
        spaces: white space becomes single spaces, and is dropped at the ends.
    """

    def __init__(
        self,
        *,
        markup: bool = False,
        unicode: UnicodeForm | None = None,
        mask: Sequence[str] = (),
        spaces: bool = False,
    ) -> None:
        self._settings: dict[str, Any] = {"markup": markup, "unicode": unicode, "mask": list(mask), "spaces": spaces}
        texts = tf.TensorSpec([None], tf.string)
        # Functions, so that the origin is left out of the graph where it is not needed.
        self._clean = tf.function(lambda texts: self._run(texts)[0], input_signature=[texts], autograph=False)
        self._clean_with_origin = tf.function(self._run, input_signature=[texts], autograph=False)

    def settings(self) -> dict[str, Any]:
        """Settings to build it again, as plain JSON."""
        return dict(self._settings)

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the cleaned texts."""
        return hashlib.sha256(json.dumps([_VERSION, self._settings, tf_text.__version__]).encode()).hexdigest()

    @property
    def steps(self) -> dict[str, Step]:
        """Steps that are set, by the names of the settings."""
        steps: dict[str, Step] = {}
        if self._settings["markup"]:
            steps["markup"] = lambda texts: replace(texts, markup.PATTERN, markup.replacement)
        if form := self._settings["unicode"]:
            steps["unicode"] = lambda texts: normalise(texts, form.upper())
        if kinds := self._settings["mask"]:
            pattern, replacement = personal_data.masking(kinds)
            steps["mask"] = lambda texts: replace(texts, pattern, replacement)
        if self._settings["spaces"]:
            steps["spaces"] = lambda texts: replace(texts, f"(?:{SPACE})+", _single_space)
        return steps

    def __call__(self, texts: tf.Tensor) -> tf.Tensor:
        """Cleans `texts` [batch] string."""
        return self._clean(texts)

    def with_origin(self, texts: tf.Tensor) -> tuple[tf.Tensor, Origin]:
        """Cleans as `__call__`, and returns the raw characters that each character of the result stands for."""
        texts, starts, ends = self._clean_with_origin(texts)
        return texts, Origin(starts, ends)

    def clean(self, texts: list[str]) -> list[str]:
        """Cleans texts outside of a graph."""
        return _strings(self(tf.constant(texts, tf.string)))

    def after_each_step(self, texts: list[str]) -> dict[str, list[str]]:
        """Gives the texts after each step, by the names of the settings."""
        tensor, results = tf.constant(texts, tf.string), {}
        for name, step in self.steps.items():
            tensor, _ = step(tensor)
            results[name] = _strings(tensor)
        return results

    def before(self, tokenizer: Tokenizer) -> CleanedTokenizer:
        """A tokenizer of raw texts that cleans them first."""
        return CleanedTokenizer(tokenizer, self)

    def _run(self, texts: tf.Tensor) -> tuple[tf.Tensor, tf.RaggedTensor, tf.RaggedTensor]:
        texts = tf.strings.regex_replace(valid(texts), _NUL, "\ufffd")
        origin = untouched(texts)
        for step in self.steps.values():
            texts, later = step(texts)
            origin = origin.then(later)
        return texts, origin.starts, origin.ends


def make_cleaning(**settings: Any) -> Cleaning | None:
    """Builds the cleaning that the settings ask for; None if they ask for nothing."""
    return Cleaning(**settings) if any(settings.values()) else None


class CleanedTokenizer(Tokenizer):
    """A tokenizer behind a cleaning: it is given raw texts, and its offsets are in these; else as the tokenizer.

    Args:
        tokenizer: the tokenizer.
        cleaning: what is done to texts before.
    """

    cleaning: Cleaning

    def __init__(self, tokenizer: Tokenizer, cleaning: Cleaning) -> None:
        self.tokenizer = tokenizer
        self.cleaning = cleaning
        self.pad_id, self.cls_id, self.sep_id = tokenizer.pad_id, tokenizer.cls_id, tokenizer.sep_id
        self.layout = tokenizer.layout
        self.resources = tokenizer.resources

    @property
    def size(self) -> int:
        """Number of tokens."""
        return self.tokenizer.size

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides the token numbers."""
        return hashlib.sha256(f"{self.cleaning.fingerprint} {self.tokenizer.fingerprint}".encode()).hexdigest()

    def pieces(self, numbers: np.ndarray) -> list[str]:
        """The tokens of these numbers."""
        return self.tokenizer.pieces(numbers)

    def __call__(self, texts: tf.Tensor) -> tf.RaggedTensor:
        """Tokenises `texts` [batch] string, cleaned, into [batch, (tokens)] int32, without special tokens."""
        return self.tokenizer(self.cleaning(texts))

    def with_offsets(self, texts: tf.Tensor) -> tuple[tf.RaggedTensor, tf.RaggedTensor, tf.RaggedTensor]:
        """Tokenises as `__call__`; see `sftkeras.text.Tokenizer.with_offsets`."""
        texts, origin = self.cleaning.with_origin(texts)
        tokens, starts, ends = self.tokenizer.with_offsets(texts)
        return tokens, *origin.spans(starts, ends)


def _strings(texts: tf.Tensor) -> list[str]:
    return [text.decode("utf-8", "replace") for text in texts.numpy().tolist()]


def _single_space(pieces: tf.Tensor, at_end: tf.Tensor) -> tf.Tensor:
    is_space = tf.strings.regex_full_match(pieces, f"(?:{SPACE})+")
    return tf.where(is_space, tf.where(at_end, "", " "), pieces)
