"""Broken and hostile requests: how they are made of whole ones, and how a server over HTTP is seen to answer them."""

from __future__ import annotations

import contextlib
import json
import random
import re
import select
import socket
from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice
from typing import Any

import psutil
from rest_client import Running

TOKENS = [b"NaN", b"-Infinity", b"1e999", b"-1e-999", b"9" * 400, b"9" * 5000, b"[" * 2000, b'{"a":' * 300, b"\x00"]
TOKENS += [b"\xff\xfe", b"\\ud800", b"null", b"true", b'"', b"\\", b",", b"]}", b'"b64":"@"', b'"instances":', b"\r\n"]
TOKENS += [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"/versions/0"]
MOST_BYTES = 2**16  # of a body
REST = b"\r\n\r\n" + b" " * MOST_BYTES  # ends a head, and is as long as any body


def hostile_requests(
    bodies: Mapping[str, Sequence[Any]], count: int, seed: int = 3, tokens: Sequence[bytes] = TOKENS
) -> Iterator[bytes]:
    """Requests as bytes: whole ones, then with pieces cut out, doubled, flipped and put in.

    Args:
        bodies: by path, what is posted there as JSON.
        count: how many.
        seed: equal ones give equal requests.
        tokens: what is put in.
    """
    chance = random.Random(seed)
    for _ in range(count):
        path, documents = chance.choice(list(bodies.items()))
        body = json.dumps(chance.choice(documents)).encode()
        in_body = chance.random() < 0.7
        if in_body:
            body = mutated(body, chance, tokens)
        head = f"POST {path} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        request = head.encode() + body
        yield request if in_body else mutated(request, chance, tokens)


def mutated(
    content: bytes, chance: random.Random, tokens: Sequence[bytes], times: Sequence[int] = (1, 1, 1, 2, 4)
) -> bytes:
    """Some bytes removed, repeated, flipped, replaced, turned round or put in, or all behind them cut off.

    Args:
        content: of a whole request.
        chance: decides.
        tokens: what takes the place of bytes.
        times: one of these is how often.
    """
    for _ in range(chance.choice(times)):
        start = chance.randrange(len(content) + 1)
        end = start + int(chance.expovariate(0.2))
        piece = content[start:end]
        match chance.randrange(7):
            case 0:
                piece = b""
            case 1:
                piece = piece * chance.randint(2, 5)
            case 2:
                piece = bytes(byte ^ (1 << chance.randrange(8)) for byte in piece)
            case 3:
                piece = chance.choice(tokens)
            case 4:
                piece = piece[::-1]
            case 5:
                piece = chance.randbytes(chance.randrange(1, 9)) + piece
            case 6:
                return content[:start]
        content = content[:start] + piece + content[end:]
    return content


def reply_to(port: int, request: bytes, most: int = 200) -> bytes:
    """The beginning of the reply, empty if the server hung up. A server that waits for more of the request gets it."""
    with socket.create_connection(("127.0.0.1", port), timeout=300) as connection:
        # A server that has refused the head reads no more, and its answer may be there already.
        with contextlib.suppress(ConnectionError):
            connection.sendall(request)
            if not select.select([connection], [], [], 0.3)[0]:
                connection.sendall(REST)
        try:
            return connection.recv(most)
        except ConnectionError:
            return b""


def statuses(
    rest: Running,
    bodies: Mapping[str, Sequence[Any]],
    count: int,
    *,
    first: int,
    expected: Collection[bytes],
    most_growth: int,
    tokens: Sequence[bytes] = TOKENS,
) -> Counter[bytes]:
    """How often a server gives each status to `hostile_requests`, 8 at a time; fails at another one than expected.

    Args:
        rest: the server, in this process.
        bodies: see `hostile_requests`.
        count: requests.
        first: others before them, with which grows what grows once.
        expected: statuses of a server that is well.
        most_growth: bytes of memory that the process may need more, whatever the number of requests.
        tokens: see `hostile_requests`.
    """
    process, counts = psutil.Process(), Counter[bytes]()
    requests, ask = hostile_requests(bodies, count, tokens=tokens), partial(reply_to, rest.port)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(ask, hostile_requests(bodies, first, seed=4, tokens=tokens)))
        before = process.memory_info().rss
        while some := list(islice(requests, 200)):
            for reply, request in zip(pool.map(ask, some), some, strict=True):
                status = status_in(reply)
                counts[status] += 1
                assert status in expected, (reply, request)
    grown = process.memory_info().rss - before
    print(dict(counts), f"{grown / 2**20:.1f} MiB more")
    assert grown < most_growth
    return counts


def status_in(reply: bytes) -> bytes:
    """The status of a reply, empty if it is none; what names no version of HTTP is answered as 0.9."""
    found = re.match(rb"HTTP/\d\.\d (\d\d\d) ", reply)
    return found[1] if found else b""
