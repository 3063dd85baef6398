"""The client that waits for its responses; the one for asyncio is in `async_client`."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import Any, Protocol, Unpack

from sftkeras.serving.client.answers import SIGNATURE, decoded, text_inputs
from sftkeras.serving.client.batches import split
from sftkeras.serving.client.contract import Arrays, Contract, Signature
from sftkeras.serving.client.retries import call
from sftkeras.serving.client.settings import Choices, Settings
from sftkeras.tasks.predictions import records


class Calls(Protocol):
    """One connection to a server, by whatever protocol."""

    def predict(self, inputs: Arrays, name: str, signature: Signature, timeout: float) -> Arrays:
        """Calls a signature once."""

    def contract(self, timeout: float) -> Contract:
        """Reads the model's metadata."""

    def close(self) -> None:
        """Closes the connection."""


class Client:
    """Calls one served model. Make it with `Client.grpc` or `Client.rest`, and use it in a `with` statement.

    The connection is opened by the first call and used for all. Threads may share a client.

    Every call raises:
        InputError: the inputs do not fit the model; nothing was sent.
        UnavailableError: the server cannot be reached, also after the retries.
        DeadlineError: no answer in time.
        ClientError: what else the server answers, by its status: NOT_FOUND for an unknown model or version,
            UNAUTHENTICATED, RESOURCE_EXHAUSTED from a busy server, and so on.
    """

    def __init__(self, calls: Calls, settings: Settings) -> None:
        self._calls = calls
        self._settings = settings
        self._contract: Contract | None = None

    @classmethod
    def grpc(cls, address: str, *, model: str, **choices: Unpack[Choices]) -> Client:
        """Speaks gRPC with the server at `address`, HOST:PORT. The choices are those of `Settings`."""
        from sftkeras.serving.client.grpc_calls import GrpcCalls

        settings = Settings(model, **choices)
        return cls(GrpcCalls(address, settings), settings)

    @classmethod
    def rest(cls, url: str, *, model: str, **choices: Unpack[Choices]) -> Client:
        """Speaks HTTP with the server at `url`, such as http://localhost:8501. The choices are those of `Settings`."""
        from sftkeras.serving.client.rest_calls import RestCalls

        settings = Settings(model, **choices)
        return cls(RestCalls(url, settings), settings)

    def __enter__(self) -> Client:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Closes the connection."""
        self._calls.close()

    def contract(self) -> Contract:
        """Returns what the model takes and gives; the server is called once."""
        if self._contract is None:
            self._contract = call(self._calls.contract, self._settings.retries, self._settings.timeout)
        return self._contract

    def predict(
        self,
        inputs: Mapping[str, Any],
        signature: str = SIGNATURE,
        *,
        progress: Callable[[int], object] | None = None,
    ) -> Arrays:
        """Calls a signature with tensors.

        Args:
            inputs: an array or nested list for each input of the signature.
            signature: one of those in the contract.
            progress: called after each call with its number of rows.

        Returns:
            An array for each output; strings are object arrays of bytes.
        """
        contract = self.contract()
        function = contract.signature(signature)
        batches = split(contract.checked(inputs, signature), function, self._settings.batch_size)
        answers = []
        for part, rows in zip(batches.parts, batches.rows, strict=True):
            answers.append(self._predict(part, signature, function))
            if progress:
                progress(rows)
        return batches.join(answers)

    def answer(self, texts: Sequence[str], pairs: Sequence[str] | None = None) -> list[dict[str, Any]]:
        """Predicts with a text model of this toolkit.

        Args:
            texts: the texts.
            pairs: their second texts, for a model of pairs.

        Returns:
            One record a text: `label`, `probability` and `probabilities` by class; `labels` where several may hold;
            `value` for a regression; `entities` for tagging, each with `label`, `score`, `start`, `end` and `text`;
            `vector` for similarity, a list of numbers; `masks` for masked LM, each a list of `token` and `probability`,
            and for a text without masks `hidden` and `perplexity`.
        """
        return list(records(self.answer_arrays(texts, pairs))) if len(texts) else []

    def answer_arrays(
        self,
        texts: Sequence[str],
        pairs: Sequence[str] | None = None,
        *,
        progress: Callable[[int], object] | None = None,
    ) -> Arrays:
        """Returns the named outputs as arrays, one row a text, with strings as str; otherwise as `answer`."""
        return decoded(self.predict(text_inputs(texts, pairs), progress=progress))

    def _predict(self, inputs: Arrays, name: str, signature: Signature) -> Arrays:
        def once(timeout: float) -> Arrays:
            return self._calls.predict(inputs, name, signature, timeout)

        return call(once, self._settings.retries, self._settings.timeout)
