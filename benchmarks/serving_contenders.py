"""The contenders of serve_vs_peers.py: what each is asked, and what a turn of it costs. No tables here."""

from __future__ import annotations

import json
import subprocess
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import psutil
from exported_weights import write_for_transformers
from processes import (
    HERE,
    PREDICT,
    Worker,
    cpu_seconds,
    grpc_bodies,
    listening,
    load_generator,
    rest_bodies,
    sftkeras_server,
)

from sftkeras.serving.client import Client

ROWS = 32  # texts in a call of the contender in batches
WARM_UP = 0.5  # seconds of each turn that are not counted

GRPC, REST, FASTAPI = "sftkeras, gRPC", "sftkeras, REST", "FastAPI + transformers"
SINGLE, BATCHES = "in process, 1 text a call", f"in process, {ROWS} texts a call"

Answers = list[dict[str, Any]]


@dataclass(frozen=True)
class Turn:
    """Results of one contender in some seconds.

    Attributes:
        clients: that asked at once; of a model called in process, with whose turns it stood.
        round: in which it stood.
        seconds: in which answers were counted.
        rows: texts answered in that time.
        latencies: seconds of each call.
        cpu_seconds: processor time of the process with the model for each text, over all its threads.
    """

    contender: str
    clients: int
    round: int
    seconds: float
    rows: int
    latencies: list[float] = field(repr=False)
    cpu_seconds: float

    @property
    def per_second(self) -> float:
        return self.rows / self.seconds


@dataclass(frozen=True)
class Contender:
    """Somebody who answers texts.

    Attributes:
        name: in the tables.
        process: has the model; its processor time is counted.
        worker: asks it, or is it.
        clients: with how many it competes.
        answer: asks it some texts once, to see that all contenders answer the same.
        rows: texts in a call.
        in_process: whether the worker itself has the model.
    """

    name: str
    process: psutil.Process
    worker: Worker
    clients: tuple[int, ...]
    answer: Callable[[list[str]], Answers]
    rows: int = 1
    in_process: bool = False

    def take_turn(self, clients: int, number: int, seconds: float) -> Turn:
        """Measures once.

        Raises:
            SystemExit: a request failed.
        """
        how = {"rows": self.rows} if self.in_process else {"clients": clients}
        before = cpu_seconds(self.process)
        reply = self.worker.ask(**how, seconds=seconds, warm_up=WARM_UP)
        used = cpu_seconds(self.process) - before
        if reply["failures"]:
            raise SystemExit(f"{self.name} failed: {reply['failures']}")
        latencies = reply["latencies"]
        count = self.rows * len(latencies)
        return Turn(self.name, clients, number, reply["seconds"], count, latencies, used / reply["sent"])


@dataclass(frozen=True)
class Asked:
    """A contender with so many clients, in turns of so many seconds."""

    contender: Contender
    clients: int
    seconds: float

    @property
    def name(self) -> str:
        return self.contender.name

    @property
    def processes(self) -> list[int]:
        """The server's and its clients'."""
        return [self.contender.process.pid, self.contender.worker.pid]

    def take_turn(self, number: int) -> Turn:
        return self.contender.take_turn(self.clients, number, self.seconds)


@contextmanager
def all_contenders(
    version: Path, encoder: Path, peer_python: str, texts: list[str], clients: tuple[int, ...], work: Path
) -> Iterator[list[Contender]]:
    """Starts everybody.

    Args:
        version: a version folder of an export; its parent's name is the model's.
        encoder: Hugging Face folder of the pretrained encoder.
        peer_python: has what peers/fastapi_classifier.py imports.
        texts: to be asked.
        clients: how many ask at once.
        work: folder for logs and weights.
    """
    model = version.parent.name
    models = work / "models"  # the one version, so that none looks at another
    (models / model).mkdir(parents=True)
    (models / model / version.name).symlink_to(version.resolve())
    with ExitStack() as stack:
        enter = stack.enter_context
        server, grpc, rest = enter(sftkeras_server(models, work / "sftkeras.log"))
        peer, url = enter(fastapi_server(version, encoder, peer_python, work))
        by_grpc = enter(Client.grpc(grpc, model=model))
        by_rest = enter(Client.rest(rest, model=model))
        bodies = grpc_bodies(model, texts)
        ask_grpc = enter(load_generator(f"grpc://{grpc}/{PREDICT}", bodies, work, "grpc"))
        bodies = rest_bodies(texts)
        ask_rest = enter(load_generator(f"{rest}/v1/models/{model}:predict", bodies, work, "rest"))
        bodies = [json.dumps({"texts": [text]}).encode() for text in texts]
        ask_peer = enter(load_generator(f"{url}/predict", bodies, work, "fastapi"))
        questions = work / "texts.json"
        questions.write_text(json.dumps(texts), encoding="utf-8")
        here = enter(Worker("in_process.py", [str(version), str(questions)], work / "in_process.log"))
        it = psutil.Process(here.pid)

        def answer_here(some: list[str]) -> Answers:
            return here.ask(texts=some)

        yield [
            Contender(GRPC, server, ask_grpc, clients, by_grpc.answer),
            Contender(REST, server, ask_rest, clients, by_rest.answer),
            Contender(FASTAPI, peer, ask_peer, clients, lambda some: post(f"{url}/predict", {"texts": some})),
            # Latency is compared where one client asks, throughput where most do.
            Contender(SINGLE, it, here, (min(clients),), answer_here, in_process=True),
            Contender(BATCHES, it, here, (max(clients),), answer_here, rows=ROWS, in_process=True),
        ]


@contextmanager
def fastapi_server(version: Path, encoder: Path, python: str, work: Path) -> Iterator[tuple[psutil.Process, str]]:
    weights = work / "transformers"
    write_for_transformers(version, encoder, weights)
    words = [python, str(HERE / "peers" / "fastapi_classifier.py"), str(weights)]
    with listening(words, work / "fastapi.log", r"LISTENING (\d+)") as (process, (port,)):
        yield process, f"http://127.0.0.1:{port}"


def peer_versions(python: str) -> dict[str, str]:
    """The packages that decide the peer's speed."""
    names = ["torch", "transformers", "fastapi", "uvicorn"]
    program = f"from importlib.metadata import version; print(*map(version, {names}))"
    answer = subprocess.run([python, "-c", program], check=True, capture_output=True, text=True).stdout
    return dict(zip(names, answer.split(), strict=True))


def post(url: str, document: Any) -> Any:
    request = urllib.request.Request(url, json.dumps(document).encode(), {"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=60) as response:
        return json.load(response)
