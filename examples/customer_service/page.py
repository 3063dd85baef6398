"""`python -m examples.customer_service.page`: the building company's desk as a page, by three served models."""

from __future__ import annotations

import argparse
import asyncio
import json
import sys
import time
from collections.abc import Callable
from pathlib import Path

from aiohttp import web

from examples.customer_service.building import GREETING, BuildingDesk, Models, read_entries
from sftkeras.serving.client import ClientError

PAGE = Path(__file__).with_name("page.html")
LONGEST = 2000  # characters of a text
MOST = 1000  # conversations that are remembered
SECONDS = 120  # for a server to load the models


def main() -> int:
    """Serves the page until it is interrupted; the exit code is 2 if the model server cannot be asked."""
    options = _options()
    try:
        with Models(options.server) as models:
            wait_for(models)
            answering = models.answering(read_entries(options.faq))
            app = application(lambda: BuildingDesk(models.wants, answering), options.handed_over)
            web.run_app(app, host="127.0.0.1", port=options.port, access_log=None)
    except ClientError as error:
        print(f"{options.server}: {error}", file=sys.stderr)
        return 2
    return 0


def wait_for(models: Models) -> None:
    """Waits until the server, which may have been started just now, has loaded the models.

    Raises:
        ClientError: it has not, in two minutes.
    """
    limit = time.monotonic() + SECONDS
    while True:
        try:
            models.ask_each()
            return
        except ClientError as error:
            if error.status not in ("UNAVAILABLE", "NOT_FOUND") or time.monotonic() > limit:
                raise
        time.sleep(1)


def application(new_desk: Callable[[], BuildingDesk], queue: Path) -> web.Application:
    """Returns the page and what it calls, `POST /reply`.

    Args:
        new_desk: makes the desk of a new conversation.
        queue: file that conversations for a colleague are added to, masked.
    """
    desks: dict[str, BuildingDesk] = {}

    async def page(request: web.Request) -> web.Response:
        return web.Response(text=PAGE.read_text("utf-8").replace("GREETING", GREETING), content_type="text/html")

    async def reply(request: web.Request) -> web.Response:
        asked = await request.json()
        text, conversation = str(asked["text"]).strip()[:LONGEST], str(asked["conversation"])
        if conversation not in desks and len(desks) >= MOST:
            desks.pop(next(iter(desks)))  # the oldest
        desk = desks.setdefault(conversation, new_desk())
        try:
            found = await asyncio.to_thread(desk.reply, text)
        except ClientError as error:
            return web.json_response({"error": f"The models do not answer: {error.status}"}, status=503)
        if found.handed_over:
            with queue.open("a", encoding="utf-8") as file:
                file.write(json.dumps(desk.log, ensure_ascii=False) + "\n")
        answer = found.answer
        source = f"{answer.entry.question} ({answer.cosine:.2f})" if answer and answer.text else ""
        return web.json_response({"said": found.said, "source": source, "handed_over": found.handed_over})

    app = web.Application()
    app.add_routes([web.get("/", page), web.post("/reply", reply)])
    return app


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    faq = Path("data/construction-faq-train.jsonl")
    add("--faq", type=Path, default=faq, help="JSON Lines with question and answer (default: %(default)s)")
    add("--server", default="localhost:8500", help="the model server's gRPC address (default: %(default)s)")
    add("--port", type=int, default=8600, help="of the page (default: %(default)s)")
    add("--handed_over", type=Path, default="handed_over.jsonl", help="file that conversations for a person go to")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
