"""Thousands of broken and hostile requests: the server refuses them, stays alive, stays right and stays small.

FUZZ_REQUESTS sets how many; the default is for every day, 20000 for a release.
"""

from __future__ import annotations

import json
import os
import random
import re
import select
import socket
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import islice

import psutil
import pytest
from half_plus_two import write_half_plus_two
from rest_client import Running, serving

REQUESTS = int(os.environ.get("FUZZ_REQUESTS", "600"))
MOST_GROWTH = 64 * 2**20  # bytes, whatever the number of requests

MODEL = "/v1/models/half_plus_two"
BODIES = {
    ":predict": [
        {"instances": [1.0, 2.0]},
        {"inputs": {"x": [[1, 2], [3, 4]]}},
        {"signature_name": "several", "instances": [{"image": {"b64": "AAEC"}, "n": [1, 2]}]},
    ],
    ":regress": [{"signature_name": "regress_x_to_y", "examples": [{"x": 80.0}]}],
    ":classify": [{"signature_name": "classify_x_to_y", "context": {"x": 1.5}, "examples": [{}, {"y": ["a", "b"]}]}],
}
TOKENS = [b"NaN", b"-Infinity", b"1e999", b"-1e-999", b"9" * 400, b"9" * 5000, b"[" * 2000, b'{"a":' * 300, b"\x00"]
TOKENS += [b"\xff\xfe", b"\\ud800", b"null", b"true", b'"', b"\\", b",", b"]}", b'"b64":"@"', b'"instances":', b"\r\n"]
TOKENS += [b"Content-Length: 3\r\n", b"Transfer-Encoding: chunked\r\n", b"Content-Encoding: gzip\r\n", b"/versions/0"]
MOST_BYTES = 2**16  # of a body
REST = b"\r\n\r\n" + b" " * MOST_BYTES  # ends a head, and is as long as any body
# 408 and 5xx would be the server's fault.
EXPECTED = {b"200", b"400", b"404", b"405", b"413", b"417", b"501", b""}


def hostile_requests(count: int, seed: int = 3) -> Iterator[bytes]:
    """Requests as bytes: whole ones, then with pieces cut out, doubled, flipped and put in."""
    chance = random.Random(seed)
    for _ in range(count):
        method, documents = chance.choice(list(BODIES.items()))
        body = json.dumps(chance.choice(documents)).encode()
        in_body = chance.random() < 0.7
        if in_body:
            body = mutated(body, chance)
        head = f"POST {MODEL}{method} HTTP/1.1\r\nHost: a\r\nConnection: close\r\nContent-Length: {len(body)}\r\n\r\n"
        request = head.encode() + body
        yield request if in_body else mutated(request, chance)


def mutated(piece: bytes, chance: random.Random) -> bytes:
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
                inside = chance.choice(TOKENS)
            case 4:
                inside = inside[::-1]
        piece = piece[:start] + inside + piece[end:]
    return piece


@pytest.fixture(scope="module")
def rest(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    models = tmp_path_factory.mktemp("models")
    write_half_plus_two(models / "half_plus_two" / "1")
    with serving(models, timeout=300, max_body_bytes=MOST_BYTES) as it:
        yield it


def status_of(rest: Running, request: bytes) -> bytes:
    """The status of the reply, empty if the server hung up. A server that waits for more of the request gets it."""
    with socket.create_connection(("127.0.0.1", rest.port), timeout=300) as connection:
        try:
            connection.sendall(request)
            if not select.select([connection], [], [], 0.3)[0]:
                connection.sendall(REST)
            reply = connection.recv(200)
        except ConnectionError:
            return b""
    found = re.match(rb"HTTP/1\.[01] (\d\d\d) ", reply)
    return found[1] if found else b""


def test_hostile_requests_do_no_harm(rest: Running, caplog: pytest.LogCaptureFixture) -> None:
    process = psutil.Process()
    counts: Counter[bytes] = Counter()
    requests = hostile_requests(REQUESTS)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(partial(status_of, rest), hostile_requests(200, seed=4)))  # what grows once, grows here
        before = process.memory_info().rss
        while some := list(islice(requests, 200)):
            for status, request in zip(pool.map(partial(status_of, rest), some), some, strict=True):
                counts[status] += 1
                assert status in EXPECTED, request
    grown = process.memory_info().rss - before
    print(dict(counts), f"{grown / 2**20:.1f} MiB more")
    assert counts[b"400"] > REQUESTS / 2
    assert counts[b"200"] > 0
    assert grown < MOST_GROWTH
    assert not caplog.records
    assert rest.ask("POST", MODEL + ":predict", {"instances": [1.0]}).json == {"predictions": [2.5]}
    assert len(rest.metrics.page()) < 100_000
