"""The client for asyncio. It is `client.Client` with `await`, and has several calls under way for a long input."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Unpack

from sftkeras.serving.client.answers import SIGNATURE, decoded, text_inputs
from sftkeras.serving.client.batches import split
from sftkeras.serving.client.contract import Arrays, Contract, Signature
from sftkeras.serving.client.retries import call_async
from sftkeras.serving.client.settings import Choices, Settings
from sftkeras.tasks.predictions import records


class AsyncCalls(Protocol):
    """One connection to a server, by whatever protocol."""

    async def predict(self, inputs: Arrays, name: str, signature: Signature, timeout: float) -> Arrays:
        """Calls a signature once."""

    async def contract(self, timeout: float) -> Contract:
        """Reads the model's metadata."""

    async def close(self) -> None:
        """Closes the connection."""


class AsyncClient:
    """Calls one served model from asyncio. Make it with `AsyncClient.grpc` or `.rest`, and use it in an `async with`.

    Its calls take, give and raise what those of `Client` do.
    """

    def __init__(self, calls: AsyncCalls, settings: Settings) -> None:
        self._calls = calls
        self._settings = settings
        self._contract: Contract | None = None
        self._places = asyncio.Semaphore(settings.concurrency)

    @classmethod
    def grpc(cls, address: str, *, model: str, **choices: Unpack[Choices]) -> AsyncClient:
        """Speaks gRPC with the server at `address`, HOST:PORT. The choices are those of `Settings`."""
        from sftkeras.serving.client.grpc_calls import AsyncGrpcCalls

        settings = Settings(model, **choices)
        return cls(AsyncGrpcCalls(address, settings), settings)

    @classmethod
    def rest(cls, url: str, *, model: str, **choices: Unpack[Choices]) -> AsyncClient:
        """Speaks HTTP with the server at `url`, such as http://localhost:8501. The choices are those of `Settings`."""
        from sftkeras.serving.client.rest_calls import AsyncRestCalls

        settings = Settings(model, **choices)
        return cls(AsyncRestCalls(url, settings), settings)

    async def __aenter__(self) -> AsyncClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Closes the connection."""
        await self._calls.close()

    async def contract(self) -> Contract:
        """Returns what the model takes and gives; the server is called once."""
        if self._contract is None:
            self._contract = await call_async(self._calls.contract, self._settings.retries, self._settings.timeout)
        return self._contract

    async def predict(self, inputs: Mapping[str, Any], signature: str = SIGNATURE) -> Arrays:
        """Calls a signature with tensors, as `Client.predict`. If one part of a long input fails, the others stop."""
        contract = await self.contract()
        function = contract.signature(signature)
        batches = split(contract.checked(inputs, signature), function, self._settings.batch_size)
        try:
            async with asyncio.TaskGroup() as group:
                tasks = [group.create_task(self._predict(part, signature, function)) for part in batches.parts]
        except BaseExceptionGroup as failures:
            raise failures.exceptions[0] from None
        return batches.join([task.result() for task in tasks])

    async def answer(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Predicts with a text model of this toolkit, as `Client.answer`."""
        return list(records(decoded(await self.predict(text_inputs(texts, pairs))))) if len(texts) else []

    async def _predict(self, inputs: Arrays, name: str, signature: Signature) -> Arrays:
        async def once(timeout: float) -> Arrays:
            return await self._calls.predict(inputs, name, signature, timeout)

        async with self._places:
            return await call_async(once, self._settings.retries, self._settings.timeout)
