"""A server that streams texts for minutes while clients go away midway and new versions come: none may fail.

    python benchmarks/soak_generation.py --model saved_models/helpdesk                  # 30 minutes
    python benchmarks/soak_generation.py --model … --minutes 3 --publish_seconds 20

Each client asks `/v1/completions` for one streamed text after another; a third of these it leaves after some pieces.
Versions are published, and memory is compared, as `soak.py` does it. The times are those to the first piece.
"""

from __future__ import annotations

import asyncio
import random
import time
from collections import Counter
from contextlib import aclosing
from pathlib import Path
from typing import Any

import aiohttp
from event_streams import events_of
from soak import Served, Soak, Soaked, run

from sftkeras.exporting.generation_file import read_generation

WORDS = ["the", "parcel", "we", "sent", "last", "week", "is", "there", "on", "Monday", "what", "do", "you", "like"]
MOST_WORDS = 40  # of a prompt; fewer of a model that reads little
MOST_TOKENS = 64
LEAVING = 1 / 3  # of the texts


def main() -> None:
    """Soaks streams of texts."""
    run(Soak("soak_generation", __doc__, "a chat or causal_lm model", load, minutes=30, clients=8, publish_seconds=60))


def load(soaked: Soaked, version: Path, served: Served, clients: int, work: Path) -> None:
    """Streams texts to all clients."""
    facts = read_generation(version)
    if facts is None:
        raise SystemExit(f"{version} does not generate")
    words = min(MOST_WORDS, facts["positions"] // 16)
    asyncio.run(stream_all(soaked, f"{served.rest}/v1/completions", served.model, clients, words))


async def stream_all(soaked: Soaked, url: str, model: str, clients: int, words: int) -> None:
    """Streams texts to all clients until the time is over."""
    sent: Counter[str] = Counter()
    end = time.monotonic() + soaked.seconds

    async def client(number: int) -> None:
        draw = random.Random(number)
        while time.monotonic() < end:
            pieces = draw.randrange(1, MOST_TOKENS // 2) if draw.random() < LEAVING else None
            body = {
                "model": model,
                "prompt": " ".join(draw.choices(WORDS, k=draw.randint(1, words))),
                "max_tokens": draw.randrange(1, MOST_TOKENS),
                "temperature": draw.choice([0, 1]),
                "seed": draw.randrange(2**31),
            }
            try:
                sent[await stream(session, url, body, pieces, soaked.latencies)] += 1
            except Exception as error:  # whatever it is, it is a failure
                soaked.failures[f"{type(error).__name__}: {error}"[:200]] += 1
                sent["failed"] += 1

    async with aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=600)) as session:
        await asyncio.gather(*map(client, range(clients)))
    soaked.sent = dict(sent)


async def stream(
    session: aiohttp.ClientSession, url: str, body: dict[str, Any], pieces: int | None, latencies: list[float]
) -> str:
    """Streams one text.

    Args:
        session: of the clients.
        url: of the call.
        body: its request.
        pieces: so many are read before the client leaves; None reads all.
        latencies: is given the seconds until the first piece.

    Returns:
        "whole" or "left".

    Raises:
        RuntimeError: the server answered with an error, or the stream did not end as it should.
    """
    began, count = time.monotonic(), 0
    async with aclosing(events_of(session, url, body)) as events:
        async for _ in events:
            if not count:
                latencies.append(time.monotonic() - began)
            count += 1
            if count == pieces:
                return "left"
    return "whole"


if __name__ == "__main__":
    main()
