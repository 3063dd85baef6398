"""The values that settings take: bounded numbers, names, kinds of tasks and labels."""

# Bounded numbers are types that jsonargparse makes at run time, which a type checker cannot follow.
# mypy: disable-error-code="valid-type"

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from jsonargparse.typing import restricted_number_type, restricted_string_type

# One label a text; none, one or several; a number; labelled spans of characters.
LabelKind = Literal["class", "classes", "number", "spans"]


@dataclass(frozen=True)
class TaskFacts:
    """What must be known of a task before its file, and TensorFlow, are loaded.

    Attributes:
        label_kind: what a label of it is, in the data.
        answers: what it answers, in words, for messages.
        settings: the settings of a task that it looks at.
        judged_as: how a report judges it, a key of `sftkeras.evaluation.KINDS`; None: as its label kind is judged.
    """

    label_kind: LabelKind
    answers: str
    settings: tuple[str, ...] = ()
    judged_as: str | None = None


# Every task. Its file is tasks/KIND.py, which is looked up by this name.
TASKS: dict[str, TaskFacts] = {
    "classification": TaskFacts(
        "class", "labels", ("dropout", "multi_label", "threshold", "label_smoothing", "class_weights")
    ),
    "regression": TaskFacts("number", "numbers", ("dropout",)),
    "tagging": TaskFacts("spans", "entities", ("dropout", "constrained_decoding")),
}
TaskKind = Literal[tuple(TASKS)]
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
