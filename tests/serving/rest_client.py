"""A REST server in a thread of the test, and a client that sends what it is told."""

from __future__ import annotations

import asyncio
import http.client
import json
import threading
from collections.abc import Coroutine, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tensorflow_serving.config.model_server_config_pb2 import ModelServerConfig

from sftkeras.serving.answering import Answering
from sftkeras.serving.batching import Batcher
from sftkeras.serving.batching_parameters import BatchingParameters
from sftkeras.serving.metrics import Metrics
from sftkeras.serving.model_config import find_models
from sftkeras.serving.model_store import ModelStore
from sftkeras.serving.rest_server import RestOptions, RestServer


@dataclass(frozen=True)
class Reply:
    status: int
    headers: http.client.HTTPMessage
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)


@dataclass(frozen=True)
class Running:
    """A server that answers, and the loop it lives in."""

    server: RestServer
    metrics: Metrics
    port: int
    loop: asyncio.AbstractEventLoop

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def ask(self, method: str, path: str, body: Any = None, headers: Mapping[str, str] | None = None) -> Reply:
        """Sends a body of bytes as it is, anything else as JSON."""
        sent = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=300)
        try:
            connection.request(method, path, sent, dict(headers or {}))
            response = connection.getresponse()
            return Reply(response.status, response.headers, response.read())
        finally:
            connection.close()

    def do(self, work: Coroutine[Any, Any, Any]) -> Any:
        """Runs a coroutine in the server's loop."""
        return asyncio.run_coroutine_threadsafe(work, self.loop).result(30)


@contextmanager
def running(answering: Any, metrics: Metrics | None = None, **options: Any) -> Iterator[Running]:
    """Serves `answering`, which may be a stand-in."""
    metrics = metrics or Metrics()
    loop = asyncio.new_event_loop()
    thread = threading.Thread(target=loop.run_forever, daemon=True)
    thread.start()

    async def start() -> tuple[RestServer, int]:
        server = RestServer(answering, RestOptions(port=0, **options), metrics)
        return server, await server.start()

    try:
        server, port = asyncio.run_coroutine_threadsafe(start(), loop).result(30)
        it = Running(server, metrics, port, loop)
        yield it
        it.do(server.stop(grace=5))
    finally:
        loop.call_soon_threadsafe(loop.stop)
        thread.join(300)
        loop.close()


@contextmanager
def serving(models: Path, *, poll_seconds: float = 0.1, **options: Any) -> Iterator[Running]:
    """Serves all versions of the models in a folder, which is looked at again after so many seconds; 0 looks once."""

    def config() -> ModelServerConfig:
        found = find_models(models)
        for model in found.model_config_list.config:
            model.model_version_policy.all.SetInParent()
        return found

    metrics = Metrics()
    store = ModelStore(config, poll_seconds=poll_seconds)
    store.start()
    batcher = Batcher(BatchingParameters(), metrics)
    try:
        with running(Answering(store, batcher, metrics, request_seconds=30), metrics, **options) as it:
            yield it
    finally:
        batcher.close(5)
        store.close()
