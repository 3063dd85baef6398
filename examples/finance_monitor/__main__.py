"""`python -m examples.finance_monitor`: a stream of texts → the sentiment a served model predicts for them → alerts."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TextIO

import yaml
from rich.console import Console
from rich.live import Live
from rich.table import Table
from rich.text import Text

from examples.finance_monitor.monitor import Alert, Monitor, Rule
from sftkeras.serving.client import Client, ClientError, InputError

COMPANIES = Path(__file__).with_name("companies.yaml")


def main() -> int:
    """Watches the stream to its end; the exit code is 2 if the server cannot be asked."""
    options = _options()
    monitor = Monitor(yaml.safe_load(options.watchlist), Rule(options.window, options.least))
    console = Console(highlight=False)
    try:
        with (
            Client.grpc(options.server, model=options.model) as client,
            Live(console=console, get_renderable=lambda: table(monitor)),
        ):
            watch(options.stream, client, monitor, console, options.negative)
        if not console.is_terminal:
            console.print()  # which Live leaves out
    except ClientError as error:
        print(f"{options.server}: {error}", file=sys.stderr)
        return 2
    return 0


def watch(lines: TextIO, client: Client, monitor: Monitor, console: Console, negative: str) -> None:
    """Asks the model about each text that names a watched company, and prints alerts as they begin and end."""
    for text in texts(lines):
        companies = monitor.named_in(text)
        if not companies:
            continue
        (answer,) = client.answer([text])
        for company in companies:
            alert = monitor.count(company, _is(negative, answer))
            if alert:
                console.print(_told(alert, text), no_wrap=True, overflow="ellipsis")


def texts(lines: TextIO) -> Iterator[str]:
    """Yields the text of each line: `text` of a JSON object, or the line itself."""
    for line in lines:
        try:
            row = json.loads(line)
        except ValueError:
            row = None
        yield str(row["text"]) if isinstance(row, dict) and "text" in row else line.strip()


def table(monitor: Monitor) -> Table:
    """The companies and how their latest texts were."""
    shown = Table("company", "texts", "negative of the latest", "share", "")
    for company in monitor.companies.values():
        state = Text("ALERT", "bold red") if company.alarming else Text("")
        of = f"{company.negatives} of {len(company.recent)}"
        shown.add_row(company.name, f"{company.texts:,}", of, f"{company.share:.2f}", state)
    return shown


def _is(label: str, answer: dict[str, Any]) -> bool:
    if label not in answer["probabilities"]:
        raise InputError(f"the model has no label {label}; it has {', '.join(answer['probabilities'])}")
    return bool(answer["label"] == label)


def _told(alert: Alert, text: str) -> Text:
    word = Text("ALERT", "bold red") if alert.begins else Text("over", "green")
    said = f" {alert.company}: {alert.negatives} of the latest {alert.texts} texts are negative. "
    return Text.assemble(word, said, (" ".join(text.split()), "dim"))


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    file = argparse.FileType("r", encoding="utf-8")
    add("stream", nargs="?", type=file, default="-", help="texts, one a line or JSON Lines (default: standard input)")
    add("--watchlist", type=file, default=str(COMPANIES), help="YAML file of companies and words that name them")
    add("--server", default="localhost:8500", help="the model server's gRPC address (default: %(default)s)")
    add("--model", default="chinese-sentiment", help="the served model (default: %(default)s)")
    add("--negative", default="negative", help="its label for negative texts (default: %(default)s)")
    add("--window", type=int, default=Rule.window, help="latest texts that count (default: %(default)s)")
    add("--least", type=int, default=Rule.least, help="texts before an alert may begin (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
