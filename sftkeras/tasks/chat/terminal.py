"""Terminal summary of an evaluated chat model: losses, and answers before and after side by side."""

from __future__ import annotations

from typing import Any

from rich.table import Table
from rich.text import Text

from sftkeras.evaluation.report.wording import number
from sftkeras.tasks.predictions import printable

_MOST_CHARACTERS = 300  # of an answer


def losses_line(report: dict[str, Any]) -> Text:
    """Perplexity on the test answers and on the retention text, with that of the untuned model."""
    untuned = report["baselines"].get("untuned", {"metrics": {}})["metrics"].get("perplexity")
    line = Text(f"Perplexity on the test answers {number(report['metrics']['perplexity'])}", style="dim")
    if untuned is not None:
        line.append(f" (untuned {number(untuned)})")
    if retention := report["retention"]:
        line.append(f"; on {retention['text']} {number(retention['after'])}")
        if retention["before"] is not None:
            line.append(f" (untuned {number(retention['before'])})")
    return line


def sample_table(sample: dict[str, Any]) -> Table:
    """A prompt with its reference and the answers to it, a row each."""
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim", no_wrap=True)
    table.add_column()
    table.add_row("", "")
    table.add_row("prompt", Text(_shown(sample["text"]), style="bold"))
    table.add_row("reference", Text(_shown(sample["reference"])))
    if sample["untuned"] is not None:
        table.add_row("untuned", Text(_shown(sample["untuned"])))
    table.add_row("fine-tuned", Text(_shown(sample["answer"]), style="green"))
    return table


def _shown(text: str) -> str:
    text = printable(" ".join(text.split()))
    return text if len(text) <= _MOST_CHARACTERS else text[: _MOST_CHARACTERS - 1] + "…"
