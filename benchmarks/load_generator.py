"""Clients that ask a server as fast as it answers, in a process of their own. It knows nothing of models: it sends
bytes and looks at the status.

Run by serve_vs_peers.py and soak.py, through `processes.Worker`:

    python load_generator.py grpc://HOST:PORT/SERVICE/METHOD BODIES.json     or     http://HOST:PORT/PATH BODIES.json

BODIES.json is a list of requests in base64. Each line of standard input, {"clients", "seconds", "warm_up"}, is answered
by one line: {"seconds", "latencies", "sent", "failures"}.
"""

from __future__ import annotations

import asyncio
import base64
import json
import sys
import time
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import aiohttp
import grpc

TIMEOUT = 60  # seconds; above what any contender needs
STRIDE = 37  # from where one client begins in the list to where the next does

Ask = Callable[[bytes], Awaitable[str]]
"""Sends a request and reads the whole answer; returns what went wrong, "" if nothing did."""


async def main(address: str, bodies: list[bytes]) -> None:
    connect = connect_grpc if address.startswith("grpc:") else connect_http
    while line := await asyncio.to_thread(sys.stdin.readline):
        async with AsyncExitStack() as stack:
            turn = json.loads(line)
            clients = [await connect(address, stack) for _ in range(turn["clients"])]
            answer = await take_turn(clients, bodies, turn["seconds"], turn["warm_up"])
        print(json.dumps(answer), flush=True)


async def take_turn(clients: list[Ask], bodies: list[bytes], seconds: float, warm_up: float) -> dict[str, Any]:
    """Lets all clients ask at once, each its next request when it has the answer to the last.

    Args:
        clients: a connection each.
        bodies: the requests; they are sent over and over.
        seconds: how long answers are counted.
        warm_up: seconds before that, in which they are not.
    """
    latencies: list[float] = []
    failures: Counter[str] = Counter()
    sent = 0
    begin = time.perf_counter() + warm_up
    end = begin + seconds

    async def ask_on(client: Ask, first: int) -> None:
        nonlocal sent
        for number in count(first):
            asked = time.perf_counter()
            if asked >= end:
                return
            failure = await client(bodies[number % len(bodies)])
            answered = time.perf_counter()
            sent += 1
            if failure:
                failures[failure] += 1
                await asyncio.sleep(0.01)  # a server that is gone is not to be asked a thousand times a second
            elif begin <= answered < end:
                latencies.append(answered - asked)

    await asyncio.gather(*(ask_on(client, STRIDE * place) for place, client in enumerate(clients)))
    return {"seconds": seconds, "latencies": latencies, "sent": sent, "failures": dict(failures)}


async def connect_grpc(address: str, stack: AsyncExitStack) -> Ask:
    parts = urlsplit(address)
    options = [("grpc.use_local_subchannel_pool", 1), ("grpc.enable_retries", 0)]  # a connection each; no second try
    channel = await stack.enter_async_context(grpc.aio.insecure_channel(parts.netloc, options))
    call = channel.unary_unary(parts.path)

    async def ask(body: bytes) -> str:
        try:
            await call(body, timeout=TIMEOUT)
        except grpc.aio.AioRpcError as error:
            return f"{error.code().name} {error.details()}"
        return ""

    return ask


async def connect_http(address: str, stack: AsyncExitStack) -> Ask:
    timeout = aiohttp.ClientTimeout(TIMEOUT)
    session = await stack.enter_async_context(aiohttp.ClientSession(timeout=timeout))
    headers = {"Content-Type": "application/json"}

    async def ask(body: bytes) -> str:
        try:
            async with session.post(address, data=body, headers=headers) as response:
                content = await response.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            return f"{type(error).__name__} {error}"
        return "" if response.status == 200 else f"{response.status} {content[:200].decode(errors='replace')}"

    return ask


if __name__ == "__main__":
    requests = [base64.b64decode(body) for body in json.loads(Path(sys.argv[2]).read_text(encoding="utf-8"))]
    asyncio.run(main(sys.argv[1], requests))
