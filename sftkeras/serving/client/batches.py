"""Long inputs in several calls, and their answers back in the order of the inputs."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from sftkeras.serving.client.contract import Arrays, Signature
from sftkeras.serving.client.errors import ClientError
from sftkeras.serving.client.tensors import STRING
from sftkeras.tasks.padding import joined


@dataclass(frozen=True)
class CallBatches:
    """The rows of one input, cut into parts.

    Attributes:
        parts: the inputs of each call.
        order: the rows as they stand in the parts, one after another.
    """

    parts: list[Arrays]
    order: np.ndarray

    @property
    def rows(self) -> list[int]:
        """Number of rows of each part; 0 for inputs without rows."""
        return [len(next(iter(part.values()))) if part and len(self.order) else 0 for part in self.parts]

    def join(self, answers: list[Arrays]) -> Arrays:
        """Puts the answers to the parts together, row by row as the inputs were.

        Raises:
            ClientError: FAILED_PRECONDITION if rows of different parts have different shapes, and are no spans.
        """
        if len(answers) == 1:
            return answers[0]
        back = np.argsort(self.order, kind="stable")
        try:
            return {name: array[back] for name, array in joined(answers).items()}
        except ValueError as error:
            problem = (
                f"answers to parts of a long input do not fit together ({error}): send no more rows than batch_size"
            )
            raise ClientError("FAILED_PRECONDITION", problem) from error


def split(inputs: Arrays, signature: Signature, size: int) -> CallBatches:
    """Cuts inputs into parts of `size` rows; strings of like length go together, to save padding in the model.

    What fits into one call, or has no rows that could be sent apart, stays as it is.
    """
    rows = len(next(iter(inputs.values()))) if inputs and signature.batched else 0
    if rows <= size:
        return CallBatches([inputs], np.arange(rows))
    lengths = np.zeros(rows, np.int64)
    for name, array in inputs.items():
        if signature.inputs[name].dtype == STRING and array.ndim == 1:
            lengths += [len(text) for text in array]
    order = np.argsort(lengths, kind="stable")
    places = [order[start : start + size] for start in range(0, rows, size)]
    return CallBatches([{name: array[place] for name, array in inputs.items()} for place in places], order)
