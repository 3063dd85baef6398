"""Predictions of models that generate: a text for each text, and whether it ended by itself. Imports no TensorFlow."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, ClassVar

from sftkeras.tasks.predictions import Predictions, Record, printable

if TYPE_CHECKING:
    from rich.text import Text

_TEXT = "generated"  # what records call the text: `text` is what was asked


class GeneratedTexts(Predictions):
    """A `generated` text, whether it `ended` by itself, and how many tokens prompt and text have.

    A chat model's is the answer to a user's message, that of causal_lm how a text goes on.
    """

    outputs: ClassVar = {"text": 1, "ended": 1, "prompt_tokens": 1, "new_tokens": 1}
    keys = (_TEXT, "ended", "prompt_tokens", "new_tokens")

    def record(self, row: Mapping[str, Any]) -> Record:
        """Calls the text `generated`."""
        return {_TEXT: row["text"], **{name: row[name] for name in self.keys[1:]}}

    def shown(self, record: Record) -> Text:
        """The text, in one line; an ellipsis where a limit ended it."""
        from rich.text import Text

        return Text(_in_one_line(record[_TEXT]) + ("" if record["ended"] else " …"), style="bold")

    def left_out(self, record: Record) -> bool:
        """A prompt without room for an answer."""
        return not record["new_tokens"] and not record["ended"]

    def whole_text(self, record: Record) -> str | None:
        """Returns a text that ended by itself and is not empty."""
        text: str = record[_TEXT]
        return text if record["ended"] and text.strip() else None

    def line(self, record: Record) -> Text:
        """Prompt and generated answer."""
        from rich.text import Text

        return Text.assemble((_in_one_line(record["text"]), "dim"), "  ", self.shown(record))

    def title(self, task: Mapping[str, Any]) -> str:
        """Names the kind of model."""
        return "chat" if task["kind"] == "chat" else "language"

    def meaning(self, task: Mapping[str, Any]) -> str:
        """Explains the outputs and the other signatures."""
        is_chat = task["kind"] == "chat"
        what = "the answer to `text`, a user's message" if is_chat else "how `text`, the beginning of one, goes on"
        return (
            f"`text` is {what}, greedily decoded; `ended` says whether it ended by itself, not by its limit; "
            "`prompt_tokens` and `new_tokens` count what was read and written. The signature `generate` takes the "
            "limit, the temperature and the like as well, each with a default, and prompts whose special tokens are "
            "marked; `score` gives the log-probabilities of a text after a prompt."
        )

    def limit(self, max_length: int | None) -> str:
        """Says what too long prompts get."""
        return "A prompt that is longer than the model reads gets an empty text, with `new_tokens` 0"

    def example(self, task: Mapping[str, Any]) -> dict[str, str]:
        """A question, or a beginning."""
        return {"text": "What can you do for me?" if task["kind"] == "chat" else "Once upon a time"}


def _in_one_line(text: str) -> str:
    return " ".join(printable(text).split())


PREDICTIONS = GeneratedTexts()
