"""The calls over REST, with and without asyncio. Each of connecting, sending and receiving may take the whole time."""

from __future__ import annotations

import base64
import json
from typing import Any
from urllib.parse import quote

import httpx2
import numpy as np

from sftkeras.serving.client.contract import Arrays, Contract, Signature, TensorSpec, contract_from_json
from sftkeras.serving.client.errors import ClientError, error_for
from sftkeras.serving.client.settings import Settings
from sftkeras.serving.client.tensors import STRING, object_array

_STATUSES = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    408: "DEADLINE_EXCEEDED",
    412: "FAILED_PRECONDITION",
    413: "RESOURCE_EXHAUSTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    502: "UNAVAILABLE",
    503: "UNAVAILABLE",
    504: "DEADLINE_EXCEEDED",
}


class RestCalls:
    """Calls that wait.

    Args:
        url: such as http://localhost:8501.
        settings: the model and how to call it.

    Raises:
        ValueError: `url` is of another kind.
    """

    def __init__(self, url: str, settings: Settings) -> None:
        self._path = _path(url, settings)
        self._http = httpx2.Client(headers=settings.headers, verify=_verify(settings))

    def predict(self, inputs: Arrays, name: str, signature: Signature, timeout: float) -> Arrays:
        """Calls a signature once."""
        answer = self._call("POST", ":predict", _body(inputs, name), timeout)
        return _outputs(answer, signature)

    def contract(self, timeout: float) -> Contract:
        """Reads the model's metadata."""
        return contract_from_json(self._call("GET", "/metadata", None, timeout))

    def close(self) -> None:
        """Closes the connections."""
        self._http.close()

    def _call(self, method: str, path: str, body: bytes | None, timeout: float) -> Any:
        try:
            return _answer(self._http.request(method, self._path + path, content=body, timeout=timeout))
        except httpx2.TransportError as error:
            raise _error(error) from error


class AsyncRestCalls:
    """Does what `RestCalls` does, in asyncio."""

    def __init__(self, url: str, settings: Settings) -> None:
        self._path = _path(url, settings)
        self._http = httpx2.AsyncClient(headers=settings.headers, verify=_verify(settings))

    async def predict(self, inputs: Arrays, name: str, signature: Signature, timeout: float) -> Arrays:
        """Calls a signature once."""
        answer = await self._call("POST", ":predict", _body(inputs, name), timeout)
        return _outputs(answer, signature)

    async def contract(self, timeout: float) -> Contract:
        """Reads the model's metadata."""
        return contract_from_json(await self._call("GET", "/metadata", None, timeout))

    async def close(self) -> None:
        """Closes the connections."""
        await self._http.aclose()

    async def _call(self, method: str, path: str, body: bytes | None, timeout: float) -> Any:
        try:
            return _answer(await self._http.request(method, self._path + path, content=body, timeout=timeout))
        except httpx2.TransportError as error:
            raise _error(error) from error


def _path(url: str, settings: Settings) -> str:
    try:
        known = httpx2.URL(url).scheme in ("http", "https") and bool(httpx2.URL(url).host)
    except httpx2.InvalidURL:
        known = False
    if not known:
        raise ValueError(f"{url} is no address such as http://HOST:PORT")
    path = f"{url.rstrip('/')}/v1/models/{quote(settings.model, safe='')}"
    if settings.version is not None:
        return f"{path}/versions/{settings.version}"
    return path if settings.label is None else f"{path}/labels/{quote(settings.label, safe='')}"


def _verify(settings: Settings) -> Any:
    return settings.tls.context() if settings.tls else True


def _body(inputs: Arrays, signature: str) -> bytes:
    plain = {name: _plain(array) for name, array in inputs.items()}
    return json.dumps({"signature_name": signature, "inputs": plain}, ensure_ascii=False).encode()


def _plain(array: np.ndarray) -> Any:
    if array.dtype != object:
        return array.tolist()
    values = object_array([_plain_string(value) for value in array.ravel()])
    return values.reshape(array.shape).tolist()


def _plain_string(value: bytes) -> Any:
    try:
        return value.decode()
    except UnicodeDecodeError:
        return {"b64": base64.b64encode(value).decode()}


def _answer(response: httpx2.Response) -> Any:
    """The JSON of a response, unless it is an error."""
    try:
        answer = response.json()
    except ValueError:
        answer = None
    if response.status_code == 200:
        if not isinstance(answer, dict):
            raise ClientError("INTERNAL", "the answer is no JSON object")
        return answer
    words = answer.get("error") if isinstance(answer, dict) else None  # a proxy's own page says nothing more
    status = _STATUSES.get(response.status_code, "UNKNOWN")
    raise error_for(status, str(words or f"HTTP status {response.status_code}"))


def _error(error: httpx2.TransportError) -> ClientError:
    if isinstance(error, httpx2.TimeoutException):
        return error_for("DEADLINE_EXCEEDED", "no answer in time")
    return error_for("UNAVAILABLE", str(error) or type(error).__name__)


def _outputs(answer: Any, signature: Signature) -> Arrays:
    outputs = answer.get("outputs")
    if len(signature.outputs) == 1 and not (isinstance(outputs, dict) and set(outputs) == set(signature.outputs)):
        outputs = {next(iter(signature.outputs)): outputs}  # a single output comes without its name
    try:
        return {name: _array(outputs[name], signature.outputs[name]) for name in sorted(signature.outputs)}
    except (AttributeError, KeyError, OverflowError, TypeError, ValueError) as error:
        raise ClientError("INTERNAL", f"the server's answer is not understood ({error!r})") from error


def _array(value: Any, spec: TensorSpec) -> np.ndarray:
    if spec.dtype != STRING:
        return _of_rank(np.array(value, spec.dtype), spec)
    array = _of_rank(np.array(value, object), spec)
    found = object_array([_bytes(value) for value in array.ravel()])
    return found.reshape(array.shape)


def _of_rank(array: np.ndarray, spec: TensorSpec) -> np.ndarray:
    """Gives an empty array the dimensions that JSON cannot show behind an empty list."""
    missing = (spec.shape or ())[array.ndim :]
    return array if array.size else array.reshape(*array.shape, *(size or 0 for size in missing))


def _bytes(value: Any) -> bytes:
    return base64.b64decode(value["b64"]) if isinstance(value, dict) else value.encode()
