"""Forms of a task in other libraries, which publishing a run needs. Imports no TensorFlow."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

HeadKind = Literal["SequenceClassification", "TokenClassification", "QuestionAnswering"]


@dataclass(frozen=True)
class PublishedHead:
    """A dense layer called "logits" behind the encoder, for which transformers has a class.

    Attributes:
        kind: what follows "For" in the name of that class.
        labels: the names of its outputs.
        problem_type: how transformers makes probabilities of a text's logits; None where it does not ask.
        scale: what the layer's outputs are multiplied by to be predictions.
        shift: what is added then.
    """

    kind: HeadKind
    labels: tuple[str, ...] = ()
    problem_type: str | None = None
    scale: float = 1.0
    shift: float = 0.0


@dataclass(frozen=True)
class PublishedTask:
    """The parts of a task that other libraries have a form for.

    Attributes:
        head: of an encoder; None if it has none, or none that transformers knows.
        gives_vectors: whether it predicts the encoder's text vector, of length one.
        template: Jinja's text of the chat template that it learned with.
        end_tokens: special tokens with which that template ends an answer.
        system: system message of conversations that have none.
    """

    head: PublishedHead | None = None
    gives_vectors: bool = False
    template: str | None = None
    end_tokens: tuple[str, ...] = ()
    system: str | None = None
