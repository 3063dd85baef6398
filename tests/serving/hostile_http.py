"""Broken and hostile HTTP requests: how they are made of whole ones, and how a server is seen to answer them."""

from __future__ import annotations

import contextlib
import json
import random
import re
import select
import socket
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

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


def mutated(piece: bytes, chance: random.Random, tokens: Sequence[bytes] = TOKENS) -> bytes:
    for _ in range(chance.choice([1, 1, 1, 2, 4])):
        start = chance.randrange(len(piece) + 1)
        end = start + int(chance.expovariate(0.3))
        inside = piece[start:end]
        match chance.randrange(5):
            case 0:
                inside = b""
            case 1:
                inside = inside * chance.randint(2, 5)
            case 2:
                inside = bytes(byte ^ (1 << chance.randrange(8)) for byte in inside)
            case 3:
                inside = chance.choice(tokens)
            case 4:
                inside = inside[::-1]
        piece = piece[:start] + inside + piece[end:]
    return piece


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


def status_in(reply: bytes) -> bytes:
    """The status of a reply, empty if it is none; what names no version of HTTP is answered as 0.9."""
    found = re.match(rb"HTTP/\d\.\d (\d\d\d) ", reply)
    return found[1] if found else b""
