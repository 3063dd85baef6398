"""The calls over gRPC, with and without asyncio."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import grpc
import grpc.aio

from sftkeras.serving.client import messages
from sftkeras.serving.client.contract import Arrays, Contract, Signature, contract_from_proto
from sftkeras.serving.client.errors import ClientError, error_for
from sftkeras.serving.client.settings import TLS, Settings
from sftkeras.serving.client.tensors import from_proto, to_proto

_SERVICE = "/tensorflow.serving.PredictionService/"
_OPTIONS = [
    ("grpc.max_send_message_length", -1),
    ("grpc.max_receive_message_length", -1),
    # Only our own retries, and each of them a new attempt to connect.
    ("grpc.enable_retries", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.min_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 2000),
    ("grpc.use_local_subchannel_pool", 1),
]


class GrpcCalls:
    """Calls that wait.

    Args:
        address: HOST:PORT.
        settings: the model and how to call it.
    """

    def __init__(self, address: str, settings: Settings) -> None:
        self._settings = settings
        if settings.tls:
            self._channel = grpc.secure_channel(address, _credentials(settings.tls), _OPTIONS)
        else:
            self._channel = grpc.insecure_channel(address, _OPTIONS)
        self._predict = self._channel.unary_unary(*_PREDICT)
        self._metadata = self._channel.unary_unary(*_METADATA)

    def predict(self, inputs: Arrays, name: str, signature: Signature, timeout: float) -> Arrays:
        """Calls a signature once."""
        request = _predict_request(inputs, name, self._settings)
        return _outputs(self._call(self._predict, request, timeout))

    def contract(self, timeout: float) -> Contract:
        """Reads the model's metadata."""
        return contract_from_proto(self._call(self._metadata, _metadata_request(self._settings), timeout))

    def close(self) -> None:
        """Closes the connection."""
        self._channel.close()

    def _call(self, method: Any, request: Any, timeout: float) -> Any:
        try:
            return method(request, timeout=timeout, metadata=self._settings.headers)
        except grpc.RpcError as error:
            raise _error(error) from error


class AsyncGrpcCalls:
    """Does what `GrpcCalls` does, in asyncio."""

    def __init__(self, address: str, settings: Settings) -> None:
        self._settings = settings
        if settings.tls:
            self._channel = grpc.aio.secure_channel(address, _credentials(settings.tls), _OPTIONS)
        else:
            self._channel = grpc.aio.insecure_channel(address, _OPTIONS)
        self._predict = self._channel.unary_unary(*_PREDICT)
        self._metadata = self._channel.unary_unary(*_METADATA)

    async def predict(self, inputs: Arrays, name: str, signature: Signature, timeout: float) -> Arrays:
        """Calls a signature once."""
        request = _predict_request(inputs, name, self._settings)
        return _outputs(await self._call(self._predict, request, timeout))

    async def contract(self, timeout: float) -> Contract:
        """Reads the model's metadata."""
        return contract_from_proto(await self._call(self._metadata, _metadata_request(self._settings), timeout))

    async def close(self) -> None:
        """Closes the connection."""
        await self._channel.close()

    async def _call(self, method: Any, request: Any, timeout: float) -> Any:
        try:
            return await method(request, timeout=timeout, metadata=self._settings.headers)
        except grpc.RpcError as error:
            raise _error(error) from error


def _method(name: str, request: Any, response: Any) -> tuple[Any, ...]:
    return (_SERVICE + name, request.SerializeToString, response.FromString)


_PREDICT = _method("Predict", messages.PredictRequest, messages.PredictResponse)
_METADATA = _method("GetModelMetadata", messages.GetModelMetadataRequest, messages.GetModelMetadataResponse)


def _credentials(tls: TLS) -> grpc.ChannelCredentials:
    def read(path: str | Path | None) -> bytes | None:
        return Path(path).read_bytes() if path else None

    return grpc.ssl_channel_credentials(read(tls.ca), read(tls.key), read(tls.certificate))


def _model_spec(settings: Settings) -> Any:
    spec = messages.ModelSpec(name=settings.model)
    if settings.version is not None:
        spec.version.value = settings.version
    if settings.label is not None:
        spec.version_label = settings.label
    return spec


def _predict_request(inputs: Arrays, signature: str, settings: Settings) -> Any:
    request = messages.PredictRequest(model_spec=_model_spec(settings))
    request.model_spec.signature_name = signature
    for name, array in inputs.items():
        request.inputs[name].CopyFrom(to_proto(array))
    return request


def _metadata_request(settings: Settings) -> Any:
    return messages.GetModelMetadataRequest(model_spec=_model_spec(settings), metadata_field=["signature_def"])


def _outputs(response: Any) -> Arrays:
    return {name: from_proto(response.outputs[name]) for name in sorted(response.outputs)}


def _error(error: Any) -> ClientError:
    status, message = error.code().name, error.details() or "the server gives no reason"
    if status == "RESOURCE_EXHAUSTED" and "larger than max" in message:  # gRPC's own words, which name no setting
        message += "; send fewer texts at once, or start the server with a larger --max_request_bytes"
    return error_for(status, message)
