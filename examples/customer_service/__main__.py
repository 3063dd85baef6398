"""`python -m examples.customer_service`: a conversation with the desk, one line a text; two served models listen in."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console
from rich.text import Text

from examples.customer_service.desk import Desk, Manual, Reply
from sftkeras.serving.client import Client, ClientError

MANUALS = {path.stem: path for path in Path(__file__).parent.glob("*.yaml")}


def main() -> int:
    """Talks until the customer leaves or a person takes over; the exit code is 2 if the server cannot be asked."""
    options = _options()
    manual = Manual.read(MANUALS[options.language])
    try:
        with (
            Client.grpc(options.server, model=manual.models["intents"]) as intents,
            Client.grpc(options.server, model=manual.models["entities"]) as entities,
        ):
            talk(Desk(manual), intents, entities, Console(highlight=False), options.handed_over)
    except ClientError as error:
        print(f"{options.server}: {error}", file=sys.stderr)
        return 2
    return 0


def talk(desk: Desk, intents: Client, entities: Client, console: Console, queue: Path) -> None:
    """Answers each text; a conversation that a person takes over is added to the file `queue`."""
    console.print(Text(desk.manual.greeting))
    for text in spoken():
        (intent,), (named,) = intents.answer([text]), entities.answer([text])
        reply = desk.reply(text, intent, named["entities"])
        console.print(Text.assemble(reply.said, ("   " + understood(reply), "dim")), soft_wrap=True)
        if reply.handed_over:
            with queue.open("a", encoding="utf-8") as file:
                file.write(json.dumps(desk.log, ensure_ascii=False) + "\n")
            return


def spoken() -> Iterator[str]:
    """Yields what the customer types, until the input ends."""
    prompt = "> " if sys.stdin.isatty() else ""
    while True:
        try:
            text = input(prompt).strip()
        except (EOFError, KeyboardInterrupt):
            return
        if text:
            yield text


def understood(reply: Reply) -> str:
    """The desk's reading of the text, for tuning it."""
    names = "".join(f", {label}: {text}" for label, text in reply.entities.items())
    return f"[{'' if reply.understood else 'not understood: '}{reply.intent} {reply.probability:.2f}{names}]"


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    add("--language", choices=sorted(MANUALS), default="en", help="of the conversation (default: %(default)s)")
    add("--server", default="localhost:8500", help="the model server's gRPC address (default: %(default)s)")
    add("--handed_over", type=Path, default="handed_over.jsonl", help="file that conversations for a person go to")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
