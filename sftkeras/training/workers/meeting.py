"""The workers of a training wait for each other, and compare their settings, before TensorFlow connects them.

TensorFlow 2.21 waits an hour for a worker that never comes, and then aborts the process without a word.
"""

from __future__ import annotations

import contextlib
import ipaddress
import json
import socket
import time
from typing import Any

from sftkeras.errors import SFTError
from sftkeras.training.workers.cluster import Cluster, address_parts

_PAUSE = 0.2  # seconds between two tries to reach the chief
_LONGEST_LINE = 4096  # bytes of what a worker says; whatever says more is no worker of ours


def meet(cluster: Cluster, settings: str, seconds: float) -> None:
    """Returns when all workers are there.

    The others call at the chief's address, which TensorFlow uses only later, and say who they are.

    Args:
        cluster: the workers.
        settings: a digest that must be the same on all.
        seconds: the longest wait.

    Raises:
        SFTError: SFT431 if a worker does not come in time, SFT432 if one has other settings; on all workers.
    """
    if len(cluster.addresses) == 1:
        return
    deadline = time.monotonic() + seconds
    if cluster.index == 0:
        _receive(cluster, settings, deadline, seconds)
    else:
        _call(cluster, settings, deadline, seconds)


def _receive(cluster: Cluster, settings: str, deadline: float, seconds: float) -> None:
    """The chief's side: greets each worker once all are there."""
    host, port = address_parts(cluster.addresses[0])
    present: dict[int, socket.socket] = {}
    with contextlib.ExitStack() as opened:
        try:
            listening = opened.enter_context(socket.create_server((_listen_at(host), port)))
        except OSError as error:
            problem = f"cannot listen at {cluster.addresses[0]} ({error.strerror})"
            raise SFTError("SFT430", problem=problem) from error
        verdict: dict[str, Any] = {}
        while len(present) < len(cluster.addresses) - 1 and not verdict:
            caller = _accept(listening, deadline)
            if caller is None:
                missing = [at for index, at in enumerate(cluster.addresses) if index and index not in present]
                verdict = {"code": "SFT431", "workers": ", ".join(missing), "minutes": f"{seconds / 60:g}"}
                break
            opened.enter_context(caller)
            said = _listen(caller)
            index = said.get("index")
            if not isinstance(index, int) or not 0 < index < len(cluster.addresses):
                continue  # a port scanner, or a worker of another training
            present[index] = caller
            if said.get("settings") != settings:
                verdict = {"code": "SFT432", "worker": cluster.addresses[index]}
        for caller in present.values():
            _say(caller, verdict)
    _raise(verdict)


def _call(cluster: Cluster, settings: str, deadline: float, seconds: float) -> None:
    """A worker's side: calls until the chief is there, and waits for its answer."""
    chief = cluster.addresses[0]
    while (left := deadline - time.monotonic()) > 0:
        try:
            with socket.create_connection(address_parts(chief), timeout=min(left, 10)) as line:
                _say(line, {"index": cluster.index, "settings": settings})
                line.settimeout(left + 5)  # the chief, which may have begun to wait later, reports first who is missing
                answer = _listen(line)
        except OSError:  # not up yet, its name not known yet, or its port still of another
            answer = {}
        if "code" in answer:
            _raise(answer if answer["code"] else {})
            return
        time.sleep(_PAUSE)
    raise SFTError("SFT431", workers=chief, minutes=f"{seconds / 60:g}")


def _raise(verdict: dict[str, Any]) -> None:
    if verdict:
        details = {name: value for name, value in verdict.items() if name != "code"}
        raise SFTError(verdict["code"], **details)


def _accept(listening: socket.socket, deadline: float) -> socket.socket | None:
    """The next caller, or None if none comes until the deadline."""
    listening.settimeout(max(deadline - time.monotonic(), 0.001))
    try:
        caller, _ = listening.accept()
    except TimeoutError:
        return None
    caller.settimeout(2)  # who calls speaks at once
    return caller


def _say(line: socket.socket, words: dict[str, Any]) -> None:
    with contextlib.suppress(OSError):  # who has gone is found missing soon enough
        line.sendall(json.dumps({"code": None, **words}).encode() + b"\n")


def _listen(line: socket.socket) -> dict[str, Any]:
    """Message of the other side, a line of JSON; nothing if it sends none."""
    said = b""
    try:
        while not said.endswith(b"\n") and len(said) < _LONGEST_LINE:
            if not (more := line.recv(_LONGEST_LINE)):
                break
            said += more
        words = json.loads(said)
    except (OSError, ValueError):
        return {}
    return words if isinstance(words, dict) else {}


def _listen_at(host: str) -> str:
    """This machine's own address where only it takes part, all of its addresses otherwise."""
    try:
        return host if ipaddress.ip_address(host).is_loopback else ""
    except ValueError:
        return "127.0.0.1" if host == "localhost" else ""
