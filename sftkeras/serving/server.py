"""Puts the parts of the server together, starts them in order and stops them in order."""

from __future__ import annotations

import asyncio
import time
from dataclasses import dataclass

from sftkeras.errors import SFTError
from sftkeras.serving.answering import Answering
from sftkeras.serving.batching import Batcher
from sftkeras.serving.batching_parameters import BatchingParameters
from sftkeras.serving.grpc_server import GrpcOptions, GrpcServer
from sftkeras.serving.metrics import Metrics
from sftkeras.serving.model_store import ModelStore
from sftkeras.serving.rest_server import RestOptions, RestServer


@dataclass(frozen=True)
class Ports:
    """Ports at which a server listens; None where it does not."""

    grpc: int | None
    rest: int | None


class Server:
    """A model server in the running asyncio loop.

    Args:
        store: of the models; the server starts and closes it.
        batching: how large batches are and how many may wait.
        grpc: where and how gRPC is spoken; None does without.
        rest: likewise for REST.
        request_seconds: longest time for one request.
    """

    def __init__(
        self,
        store: ModelStore,
        batching: BatchingParameters,
        *,
        grpc: GrpcOptions | None,
        rest: RestOptions | None,
        request_seconds: float,
    ) -> None:
        metrics = Metrics()
        self._store = store
        store.observe(metrics.generation)
        self._batcher = Batcher(batching, metrics)
        answering = Answering(store, self._batcher, metrics, request_seconds=request_seconds)
        self._grpc = _Side("port", grpc, GrpcServer(answering, grpc, metrics)) if grpc else None
        self._rest = _Side("rest_api_port", rest, RestServer(answering, rest, metrics)) if rest else None

    async def start(self) -> Ports:
        """Loads the models, then begins to answer.

        Raises:
            SFTError: SFT704 if a port is taken; and see `ModelStore.start`.
            ServingError: see there.
        """
        self._store.start()
        return Ports(await self._grpc.start() if self._grpc else None, await self._rest.start() if self._rest else None)

    async def stop(self, seconds: float) -> bool:
        """Takes no new requests, and gives those that are open `seconds` to end.

        Returns:
            Whether all of them did. A run that did not cannot be interrupted; its thread continues with its model.
        """
        limit = time.monotonic() + seconds
        await asyncio.gather(*(side.server.stop(seconds) for side in (self._grpc, self._rest) if side))
        await asyncio.to_thread(self._batcher.close, max(0.0, limit - time.monotonic()))
        if self._batcher.is_running:
            return False
        await asyncio.to_thread(self._store.close)
        return True


@dataclass(frozen=True)
class _Side:
    """One of the protocols, and the flag that names its port."""

    flag: str
    options: GrpcOptions | RestOptions
    server: GrpcServer | RestServer

    async def start(self) -> int:
        try:
            return await self.server.start()
        except OSError as error:
            port, host, problem = self.options.port, self.options.host, error.strerror or error
            raise SFTError("SFT704", flag=self.flag, port=port, host=host, problem=problem) from None
