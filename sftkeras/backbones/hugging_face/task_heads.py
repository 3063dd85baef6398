"""Heads behind an encoder as classes of transformers have them, where one computes the same.

A class that puts something else between encoder and labels, such as a layer that was never trained here, would answer
otherwise: such a head is not written.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np

from sftkeras.backbones.hugging_face.family import Family, Weight, is_pooler

if TYPE_CHECKING:
    import keras

# What the names of an architecture's classes begin with.
CLASSES = {
    "bert": "Bert",
    "electra": "Electra",
    "albert": "Albert",
    "roberta": "Roberta",
    "xlm-roberta": "XLMRoberta",
    "distilbert": "DistilBert",
    "deberta-v2": "DebertaV2",
}
TEXTS = "SequenceClassification"
# Architectures whose text classes come behind the pooler as it is: dense layer, tanh, dense layer. DistilBERT, ELECTRA
# and DeBERTa have another layer there, of their own.
_POOLED = ("bert", "albert")
# Those whose head has the pooler's layer as its own.
_POOLER_IN_HEAD = ("roberta", "xlm-roberta")


@dataclass(frozen=True)
class TaskHead:
    """A dense layer behind an encoder.

    Attributes:
        kind: what follows "For" in the name of its class: SequenceClassification, which takes the vector of the text,
            TokenClassification or QuestionAnswering, which take those of the tokens.
        kernel: [inputs, labels] float32.
        bias: [labels] float32.
        labels: names of the outputs; empty where they have none.
        problem_type: how transformers makes probabilities of a text's logits.
    """

    kind: str
    kernel: np.ndarray
    bias: np.ndarray
    labels: Sequence[str] = ()
    problem_type: str | None = None

    def config(self) -> dict[str, Any]:
        """Return what config.json says of it."""
        named = {
            "id2label": {str(number): label for number, label in enumerate(self.labels)},
            "label2id": {label: number for number, label in enumerate(self.labels)},
        }
        problem = {"problem_type": self.problem_type} if self.problem_type else {}
        return (named if self.labels else {}) | problem


@dataclass(frozen=True)
class StoredArray:
    """A tensor of a checkpoint that is no variable."""

    name: str
    values: np.ndarray

    @property
    def shape(self) -> tuple[int, ...]:
        """The tensor's shape."""
        return self.values.shape

    def tensor(self) -> np.ndarray:
        """The values."""
        return self.values


def has_form(model_type: str, kind: str, *, pooled: bool) -> bool:
    """Whether a class of transformers computes what a dense layer does behind an encoder of this architecture.

    Args:
        model_type: of the encoder.
        kind: of the head.
        pooled: whether the layer takes what the encoder's trained pooler gives.
    """
    if kind != TEXTS:
        return model_type in CLASSES
    return pooled and model_type in (*_POOLED, *_POOLER_IN_HEAD)


def tensors_with_head(family: Family, encoder: keras.Model, head: TaskHead) -> Iterator[Weight | StoredArray]:
    """Yield all weights of encoder and head by the names that the head's class has for them."""
    is_of_texts = head.kind == TEXTS
    for weight in family.weights(encoder):
        if not is_pooler(weight) or (is_of_texts and family.model_type in _POOLED):
            yield replace(weight, name=f"{family.prefix}.{weight.name}")
        elif is_of_texts:
            yield replace(weight, name=weight.name.replace("pooler.dense", "classifier.dense"))
    name = "qa_outputs" if head.kind == "QuestionAnswering" else "classifier"
    if is_of_texts and family.model_type in _POOLER_IN_HEAD:
        name = "classifier.out_proj"
    yield StoredArray(f"{name}.weight", np.ascontiguousarray(head.kernel.T))
    yield StoredArray(f"{name}.bias", head.bias)
