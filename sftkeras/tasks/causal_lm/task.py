"""Causal language modelling: learns the next token of plain texts, which adapts a decoder to them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, ClassVar

import keras
import tensorflow as tf

from sftkeras.evaluation.contract import Predict
from sftkeras.generation.prompts import ordinary_texts
from sftkeras.tasks.causal_lm.continuing import TextsPredictor
from sftkeras.tasks.causal_lm.features import PlainTextFeatures
from sftkeras.tasks.causal_lm.spec import SPEC, CausalLMSettings
from sftkeras.tasks.generating import Generating, begin_mark, generating
from sftkeras.tasks.memory_model import MemoryModel
from sftkeras.tasks.network import TextModel
from sftkeras.tasks.next_tokens import NextTokens, decoder_tokenizer
from sftkeras.text import AnyTokenizer, Cleaning, Detokenizer, Features, Tokenizer
from sftkeras.text.marks import ordinary

_NEW_TOKENS = 128  # of a continuation, where a request does not say


@dataclass(frozen=True)
class CausalLM(NextTokens):
    """Learns all tokens of texts.

    Attributes:
        options: the settings of the task.
    """

    options: CausalLMSettings

    kind: ClassVar[str] = "causal_lm"

    @property
    def embedding_noise(self) -> float:
        """Strength of the noise, from the settings."""
        return self.options.embedding_noise

    def for_tokenizer(self, tokenizer: AnyTokenizer) -> CausalLM:
        """The task itself.

        Raises:
            SFTError: SFT610 if the tokenizer is not that of a decoder.
        """
        decoder_tokenizer(tokenizer, self.kind)
        return self

    def features(
        self, tokenizer: AnyTokenizer, *, max_length: int, pairs: bool, cleaning: Cleaning | None = None
    ) -> Features:
        """Plain texts, long ones as several rows."""
        return PlainTextFeatures(decoder_tokenizer(tokenizer, self.kind), max_length=max_length, cleaning=cleaning)

    def predictor(self, model: TextModel, batch_size: int) -> Predict:
        """Scores all rows, and continues a few texts: see `TextsPredictor`."""
        tokenizer: Tokenizer = model.features.tokenizer  # type: ignore[attr-defined]
        return TextsPredictor(MemoryModel(model, Detokenizer(tokenizer), tokenizer.end_ids), batch_size)

    def generating(self, model: TextModel) -> Generating:
        """Continues texts."""
        tokenizer = decoder_tokenizer(model.features.tokenizer, self.kind)  # type: ignore[attr-defined]
        begin, cleaning = begin_mark(tokenizer), model.features.cleaning

        def prompt(texts: tf.Tensor) -> tf.Tensor:
            return tf.strings.join([begin, ordinary_texts(cleaning(texts) if cleaning else texts)])

        def asked(text: str) -> str:
            (cleaned,) = cleaning.clean([text]) if cleaning else (text,)
            return begin + ordinary(cleaned)

        return generating(
            model,
            prompt=prompt,
            asked=asked,
            marked=asked,
            end_ids=tokenizer.end_ids,
            max_new_tokens=_NEW_TOKENS,
            strips_first_space=False,
        )

    def predicts_untuned(self, network: keras.Model) -> bool:
        """True: a decoder continues texts before it learns."""
        return True

    def settings(self) -> dict[str, Any]:
        """The settings of the task."""
        return asdict(self.options)


def make(config: CausalLMSettings, label_names: tuple[str, ...], labels: Any) -> CausalLM:
    """Builds the task."""
    return CausalLM(config)


def restore(settings: Mapping[str, Any]) -> CausalLM:
    """Builds the task again from its `settings()`, for evaluation."""
    options = SPEC.restored(settings)
    assert isinstance(options, CausalLMSettings)
    return CausalLM(options)
