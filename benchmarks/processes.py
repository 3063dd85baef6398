"""The processes of the benchmarks: servers that say where they listen, and workers that take turns."""

from __future__ import annotations

import base64
import json
import os
import re
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
import psutil

from sftkeras.serving.client import messages
from sftkeras.serving.client.tensors import to_proto

HERE = Path(__file__).parent
PATIENCE = 120  # seconds in which a server must listen

PREDICT = "tensorflow.serving.PredictionService/Predict"


def environment(**variables: str) -> dict[str, str]:
    """The user's environment without settings of TensorFlow or Keras, which each contender chooses for itself."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("TF_", "KERAS_"))}
    return {**kept, **variables}


@contextmanager
def ended(words: list[str], log: Path, **pipes: Any) -> Iterator[subprocess.Popen]:
    """A process that is ended, by force if need be, when the block is left; its output goes into a log.

    It leads a process group, which can be stopped for a while as a whole.
    """
    with log.open("w", encoding="utf-8") as said:
        pipes = {"stdout": said, "stderr": said, **pipes}
        process = subprocess.Popen(words, env=environment(), process_group=0, **pipes)
    try:
        yield process
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


@contextmanager
def listening(words: list[str], log: Path, *patterns: str) -> Iterator[tuple[psutil.Process, list[str]]]:
    """A server, and what the patterns find in its log once all of them do: where it listens.

    Raises:
        SystemExit: it ended, or is not ready in time; names its log.
    """
    with ended(words, log) as process:
        limit = time.monotonic() + PATIENCE
        while not all(found := [re.search(pattern, log.read_text(encoding="utf-8")) for pattern in patterns]):
            if process.poll() is not None or time.monotonic() > limit:
                raise SystemExit(f"{' '.join(words)}\ndoes not listen; its log is {log}")
            time.sleep(0.05)
        yield psutil.Process(process.pid), [match[1] for match in found if match]


@contextmanager
def sftkeras_server(models: Path, log: Path, *flags: str) -> Iterator[tuple[psutil.Process, str, str]]:
    """`python -m sftkeras.serve` as a user types it; gives the process, HOST:PORT for gRPC, and the URL for REST."""
    words = [sys.executable, "-m", "sftkeras.serve", "--models", str(models), "--port=0", "--rest_api_port=0", *flags]
    with listening(words, log, r"gRPC +(\S+:\d+)", r"REST +(http://\S+:\d+)") as (process, (grpc, rest)):
        yield process, grpc, rest


class Worker:
    """A process that answers each line of JSON with another. Use it in a `with` statement.

    Args:
        program: a file of this folder.
        arguments: its command line.
        log: for what it says besides.
        python: the interpreter; this one by default.
    """

    def __init__(self, program: str, arguments: list[str], log: Path, python: str = sys.executable) -> None:
        words = [python, str(HERE / program), *arguments]
        self._log = log
        self._ended = ended(words, log, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def __enter__(self) -> Worker:
        self._process = self._ended.__enter__()
        return self

    def __exit__(self, *error: Any) -> None:
        self._ended.__exit__(*error)

    @property
    def pid(self) -> int:
        return self._process.pid

    def tell(self, **question: Any) -> None:
        """Gives it work, and does not wait."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):  # it has ended: `answer` says so
            self._process.stdin.write(json.dumps(question) + "\n")
            self._process.stdin.flush()

    def answer(self) -> Any:
        """Waits for the answer.

        Raises:
            SystemExit: the process ended; names its log, with its last words.
        """
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            last = self._log.read_text(encoding="utf-8").strip().rpartition("\n")[2]
            raise SystemExit(f"{self._log.stem} ended: {last}\nIts log is {self._log}")
        return json.loads(line)

    def ask(self, **question: Any) -> Any:
        """Gives it work and waits for the answer."""
        self.tell(**question)
        return self.answer()


def free_port() -> int:
    """A free port of this machine."""
    with socket.create_server(("127.0.0.1", 0)) as server:
        return server.getsockname()[1]


def cpu_seconds(process: psutil.Process) -> float:
    """Processor time that a process has used, over all its threads."""
    used = process.cpu_times()
    return used.user + used.system


def grpc_bodies(model: str, texts: list[str]) -> list[bytes]:
    """A Predict request for each text."""

    def body(text: str) -> bytes:
        request = messages.PredictRequest(model_spec=messages.ModelSpec(name=model))
        request.inputs["text"].CopyFrom(to_proto(np.array([text.encode()], object)))
        return request.SerializeToString()

    return [body(text) for text in texts]


def rest_bodies(texts: list[str]) -> list[bytes]:
    """A document in row format for each text."""
    return [json.dumps({"instances": [text]}).encode() for text in texts]


def load_generator(address: str, bodies: list[bytes], work: Path, name: str) -> Worker:
    """Clients that send these bodies to this address; see load_generator.py."""
    file = work / f"{name}.json"
    file.write_text(json.dumps([base64.b64encode(body).decode() for body in bodies]), encoding="utf-8")
    return Worker("load_generator.py", [address, str(file)], work / f"{name}.log")
