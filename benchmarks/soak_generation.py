"""A server that streams texts for minutes while clients go away midway and new versions come: none may fail.

    python benchmarks/soak_generation.py --model saved_models/helpdesk                  # 30 minutes
    python benchmarks/soak_generation.py --model … --minutes 3 --publish_seconds 20

Each client asks `/v1/completions` for one streamed text after another; a third of these it leaves after some pieces.
Versions are published, and memory is compared, as `soak.py` does it. The times are those to the first piece.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import random
import tempfile
import threading
import time
from collections import Counter
from pathlib import Path
from typing import Any

import aiohttp
from processes import HERE, sftkeras_server
from records import keep_and_show, machine, now
from soak import Soaked, about, passed, publish, tables, watch

from sftkeras.exporting.generation_file import read_generation
from sftkeras.exporting.versions import find_version

WORDS = ["the", "parcel", "we", "sent", "last", "week", "is", "there", "on", "Monday", "what", "do", "you", "like"]
MOST_WORDS = 40  # of a prompt; fewer of a model that reads little
MOST_TOKENS = 64
LEAVING = 1 / 3  # of the texts


def main() -> None:
    """Streams, publishes, samples; prints the verdict and keeps it. The exit code is 1 if it failed."""
    settings = arguments()
    version = find_version(settings.model)
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        work = Path(settings.work or folder)
        work.mkdir(parents=True, exist_ok=True)
        soaked = soak(version, work, settings.clients, 60 * settings.minutes, settings.publish_seconds)
    record = {
        "when": now(),
        "machine": machine(),
        "clients": settings.clients,
        "minutes": settings.minutes,
        "publish_seconds": settings.publish_seconds,
        **soaked.figures(),
        "memory": [round(size / 2**20) for size in soaked.memory[:: max(1, len(soaked.memory) // 60)]],
    }
    keep_and_show(record, settings.results, "soak_generation", about(record), tables(record))
    raise SystemExit(not passed(record))


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, required=True, help="a chat or causal_lm model: NAME or NAME/VERSION")
    parser.add_argument("--minutes", type=float, default=30)
    parser.add_argument("--clients", type=int, default=8)
    parser.add_argument("--publish_seconds", type=float, default=60, help="between two new versions")
    parser.add_argument("--results", type=Path, default=HERE / "results", help="folder for the record and its tables")
    parser.add_argument("--work", help="folder for versions and logs; by default one that is removed at the end")
    return parser.parse_args()


def soak(version: Path, work: Path, clients: int, seconds: float, publish_seconds: float) -> Soaked:
    """Serves copies of a version to streaming clients; see `soak.soak`."""
    model = version.parent.name
    versions = work / "models" / model
    publish(version, versions, 1)
    soaked = Soaked(seconds)
    log = work / "server.log"
    with sftkeras_server(work / "models", log) as (server, _, rest):
        watching = threading.Thread(target=watch, args=(soaked, server, version, versions, publish_seconds))
        watching.start()
        facts = read_generation(version)
        if facts is None:
            raise SystemExit(f"{version} does not generate")
        words = min(MOST_WORDS, facts["positions"] // 16)
        asyncio.run(stream_all(soaked, f"{rest}/v1/completions", model, clients, words))
        watching.join()
        soaked.served = log.read_text(encoding="utf-8").count(" is available") - 1  # the first was there before
    return soaked


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
                "stream": True,
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
    began, count, finished = time.monotonic(), 0, False
    async with session.post(url, json=body) as reply:
        if reply.status != 200:
            raise RuntimeError(f"status {reply.status}: {await reply.text()}")
        async for line in reply.content:
            if not line.startswith(b"data: "):
                continue
            if line.strip() == b"data: [DONE]":
                if not finished:
                    raise RuntimeError("[DONE] without a finish_reason")
                return "whole"
            event = json.loads(line.removeprefix(b"data: "))
            if "error" in event:
                raise RuntimeError(f"error {event['error']}")
            if not count:
                latencies.append(time.monotonic() - began)
            count += 1
            finished |= any(choice["finish_reason"] for choice in event["choices"])
            if count == pieces:
                reply.close()
                return "left"
    raise RuntimeError("the stream ended without [DONE]")


if __name__ == "__main__":
    main()
