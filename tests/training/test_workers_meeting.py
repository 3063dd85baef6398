"""Workers wait for each other for so long and no longer, and do not train together what they were told differently."""

from __future__ import annotations

import socket
import threading
from concurrent.futures import Future, ThreadPoolExecutor

import pytest

from sftkeras.errors import SFTError
from sftkeras.launch import free_addresses
from sftkeras.training.workers.cluster import Cluster, address_parts
from sftkeras.training.workers.meeting import meet


def met(settings: dict[int, str], count: int = 3, seconds: float = 600) -> dict[int, Future]:
    """What becomes of some of `count` workers."""
    addresses = free_addresses(count)
    with ThreadPoolExecutor() as pool:
        return {index: pool.submit(meet, Cluster(addresses, index), told, seconds) for index, told in settings.items()}


def error_of(worker: Future) -> str:
    error = worker.exception()
    assert isinstance(error, SFTError)
    return str(error)


def test_all_go_on_when_all_are_there() -> None:
    for worker in met({2: "same", 0: "same", 1: "same"}).values():
        worker.result()


def test_a_worker_alone_need_not_wait() -> None:
    meet(Cluster(("no such host:1",), 0), "same", 0)


def test_a_worker_that_never_comes_is_named_to_all() -> None:
    there = met({0: "same", 1: "same"}, seconds=1.5)
    assert [error_of(worker)[:6] for worker in there.values()] == ["SFT431"] * 2
    assert error_of(there[0]) == error_of(there[1])


def test_a_chief_that_never_comes_is_named() -> None:
    assert "SFT431  127.0.0.1:" in error_of(met({1: "same"}, count=2, seconds=1)[1])


def test_other_settings_are_told_to_all() -> None:
    for worker in met({0: "same", 1: "other"}, count=2).values():
        assert "SFT432" in error_of(worker)


def test_strangers_at_the_port_are_not_counted() -> None:
    addresses = free_addresses(2)
    with ThreadPoolExecutor() as pool:
        chief = pool.submit(meet, Cluster(addresses, 0), "same", 600)
        for words in (b"", b"GET / HTTP/1.1\r\n", b'{"index": 0}\n', b'{"index": 7}\n', b"[]\n"):
            for _ in range(6000):
                try:
                    with socket.create_connection(address_parts(addresses[0])) as line:
                        line.sendall(words)
                    break
                except ConnectionError:
                    threading.Event().wait(0.05)  # the chief is not listening yet
        assert not chief.done()
        meet(Cluster(addresses, 1), "same", 600)
        chief.result()


def test_a_port_that_is_taken_is_told() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        address = f"127.0.0.1:{taken.getsockname()[1]}"
        with pytest.raises(SFTError, match=r"SFT430.*cannot listen"):
            meet(Cluster((address, "127.0.0.1:1"), 0), "same", 1)
