"""Predictions of masked language modelling: lists of likely tokens, padded to one width for a server.

Imports no TensorFlow.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from sftkeras.tasks.predictions import Predictions, Record, printable

if TYPE_CHECKING:
    from rich.text import Text


class MaskedLMPredictions(Predictions):
    """`masks`, each a list of `token` and `probability`; for a text without masks, these are of the tokens that were
    masked in it, `hidden`, and `perplexity` says how likely they were."""

    outputs: ClassVar = {"token": 3, "probability": 3}  # [texts, most masks of a text, guesses]
    lists = True
    keys = ("masks", "perplexity", "hidden")
    optional_keys = ("perplexity", "hidden")
    list_types: ClassVar = {"masks": [[{"token": str, "probability": float}]], "hidden": [str]}

    def record(self, row: Mapping[str, Any]) -> Record:
        """Makes a list of guesses of each mask but the padding."""
        perplexity = _perplexity(row)
        own = {} if perplexity is None else {"perplexity": perplexity, "hidden": [it for it in row["hidden"] if it]}
        return own | {"masks": _masks(row)}

    def line(self, record: Record) -> Text:
        """Lists the predictions for each mask of the text; for a text without any, its perplexity."""
        from rich.text import Text

        if "perplexity" in record:
            line = Text(f"perplexity {record['perplexity']:,.1f}", style="bold")
        else:
            guesses = ([f"{printable(it['token'])} {it['probability']:.2f}" for it in mask] for mask in record["masks"])
            line = Text(" | ").join(Text.assemble((mask[0], "bold"), "  " + "  ".join(mask[1:])) for mask in guesses)
        return line.append("  " + printable(record["text"]))

    def near_ties(self, outputs: Mapping[str, np.ndarray], tolerance: float) -> dict[str, np.ndarray]:
        """Places where the order of tokens is within the tolerance. The token after the last guess is unknown."""
        near = -np.diff(outputs["probability"], axis=-1) <= tolerance  # they fall
        edge = np.zeros((*outputs["probability"].shape[:-1], 1), bool)
        return {"token": np.concatenate([near, ~edge], -1) | np.concatenate([edge, near], -1)}

    def decided(self, record: Record) -> Any:
        """Returns the likeliest token of each mask: the order of those after it says little."""
        return [mask[0]["token"] for mask in record["masks"]] or record.get("hidden")

    def meaning(self, task: Mapping[str, Any]) -> str:
        """Names the mask, and explains texts without any."""
        return (
            f"Tokens for each `{task['mask'][0]}` of a text: `token` and `probability` have the five likeliest "
            "for each mask, in order. In a text without any, one word in seven is masked: `hidden` has these tokens, "
            "`loss` their negative log-probability, whose mean measures how well the model knows such texts."
        )

    def limit(self, max_length: int | None) -> str:
        """Nothing is cut off."""
        return f"Texts of more than {max_length} tokens are read in parts"

    def example(self, task: Mapping[str, Any]) -> dict[str, str]:
        """A text with a mask."""
        return {"text": f"A quiet {task['mask'][0]} that stays with you."}


def _masks(row: Mapping[str, Any]) -> list[list[dict[str, Any]]]:
    masks = zip(row["token"], row["probability"], strict=True)
    found = ([{"token": t, "probability": p} for t, p in zip(*guesses, strict=True)] for guesses in masks)
    return [guesses for guesses in found if any(guess["token"] for guess in guesses)]


def _perplexity(row: Mapping[str, Any]) -> float | None:
    """Perplexity of the tokens that were masked in the text; None if it has masks of its own."""
    losses = [loss for hidden, loss in zip(row["hidden"], row["loss"], strict=True) if hidden]
    return float(np.exp(np.mean(losses))) if losses else None


PREDICTIONS = MaskedLMPredictions()
