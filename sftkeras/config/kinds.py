"""The values that settings take: bounded numbers, names, kinds of tasks and labels."""

# Bounded numbers are types that jsonargparse makes at run time, which a type checker cannot follow.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

from jsonargparse.typing import restricted_number_type, restricted_string_type

# One label a text; none, one or several; a number; labelled spans of characters; spans of the second text that answer
# the first, if any do; no label at all.
LabelKind = Literal["class", "classes", "number", "spans", "answers", "none"]


@dataclass(frozen=True)
class TaskFacts:
    """What must be known of a task before its file, and TensorFlow, are loaded.

    Attributes:
        label_kind: what a label of it is, in the data.
        answers: what it answers, in words, for messages.
        settings: the settings of a task that it looks at.
        judged_as: how a report judges it, a key of `sftkeras.evaluation.KINDS`; None: as its label kind is judged.
        refuses: settings of the data that it cannot do anything with.
        needs_pair: whether it learns from two texts a row, and from nothing else.
        columns: where its data has what data.text and data.pair name, if these are not set.
        pools: whether it makes one vector of those of a text's tokens, by backbone.pooling.
        answers_untuned: whether the encoder can answer before it learns, with no head or one of its own: a baseline.
        metrics: names of what it measures while training, where they do not depend on its settings; without them a
            monitor that there is not is found only once the task is loaded.
        gives_backbone: whether what it makes is an encoder for other tasks, which the run then keeps as a folder.
    """

    label_kind: LabelKind
    answers: str
    settings: tuple[str, ...] = ()
    judged_as: str | None = None
    refuses: tuple[str, ...] = ()
    gives_backbone: bool = False
    needs_pair: bool = False
    answers_untuned: bool = False
    columns: Mapping[str, str] = field(default_factory=dict)
    pools: bool = True
    metrics: tuple[str, ...] = ()


# Every task. Its file is tasks/KIND.py, which is looked up by this name.
TASKS: dict[str, TaskFacts] = {
    "classification": TaskFacts(
        "class",
        "labels",
        ("dropout", "multi_label", "threshold", "label_smoothing", "class_weights"),
        metrics=("accuracy", "macro_f1"),
    ),
    "regression": TaskFacts("number", "numbers", ("dropout",), metrics=("mae", "rmse")),
    "tagging": TaskFacts("spans", "entities", ("dropout", "constrained_decoding"), pools=False, metrics=("entity_f1",)),
    "span_qa": TaskFacts(
        "answers",
        "answers out of a context",
        ("dropout", "max_answer_length", "no_answer_threshold"),
        refuses=("augmentation",),
        columns={"text": "question", "pair": "context"},
        pools=False,
        metrics=("span_f1",),
    ),
    "masked_lm": TaskFacts(
        "none",
        "masked words",
        ("mask_share", "whole_words", "chinese_words"),
        judged_as="masked_words",
        refuses=("pair", "augmentation"),
        gives_backbone=True,
        pools=False,
        answers_untuned=True,
        metrics=("masked_accuracy",),
    ),
    "similarity": TaskFacts(
        "none",
        "vectors",
        ("loss", "temperature", "margin"),
        judged_as="similarity",
        needs_pair=True,
        answers_untuned=True,
        metrics=("in_batch_accuracy",),
    ),
}
TaskKind = Literal[tuple(TASKS)]
FileFormat = Literal["csv", "tsv", "json", "jsonl", "parquet", "xlsx", "conll", "text"]
TagScheme = Literal["auto", "bio", "iob1", "bioes", "io", "words"]
UnitInterval = restricted_number_type("UnitInterval", float, [(">=", 0), ("<", 1)])
Probability = restricted_number_type("Probability", float, [(">", 0), ("<=", 1)])
Fraction = restricted_number_type("OpenUnitInterval", float, [(">", 0), ("<", 1)])
Seed = restricted_number_type("Seed", int, [(">=", 0), ("<", 2**32)])  # what NumPy takes
# Room for [CLS] first [SEP] second [SEP].
TextLength = restricted_number_type("TextLength", int, [(">=", 5)])
Port = restricted_number_type("Port", int, [(">=", 0), ("<", 2**16)])
# A folder's name and part of a server's address.
Name = restricted_string_type(
    "Name", r"^\w[\w.-]*\Z", docstring="a name of letters, digits, dots, dashes and underscores"
)
