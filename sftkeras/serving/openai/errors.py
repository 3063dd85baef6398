"""Errors in the form of OpenAI's API, which its clients raise as exceptions of their own."""

from __future__ import annotations

import json
from typing import Any

from aiohttp import web
from grpc import StatusCode

from sftkeras.serving.errors import ServingError

_JSON = "application/json"

# By HTTP status: the error's type, and its code where the error has none of its own.
_KINDS = {
    401: ("invalid_request_error", "invalid_api_key"),
    404: ("invalid_request_error", None),
    429: ("requests", "rate_limit_exceeded"),
}


class RequestError(ServingError):
    """A request that is wrong, and where.

    Args:
        message: one line for the caller.
        param: the argument that is wrong.
        reason: OpenAI's word for the mistake, such as "invalid_type".
        code: the status.
    """

    def __init__(
        self,
        message: str,
        *,
        param: str | None = None,
        reason: str | None = None,
        code: StatusCode = StatusCode.INVALID_ARGUMENT,
    ) -> None:
        super().__init__(code, message)
        self.param, self.reason = param, reason


def unknown_model(model: str) -> RequestError:
    """There is no such model, or it is not loaded."""
    message = f"The model `{model}` does not exist. GET /v1/models lists those that there are."
    return RequestError(message, param="model", reason="model_not_found", code=StatusCode.NOT_FOUND)


def error_object(status: int, message: str, error: Exception | None) -> dict[str, Any]:
    """Return what stands under "error" in a response or a stream.

    Args:
        status: HTTP's.
        message: one line for the caller.
        error: what was raised; a `RequestError` says where the mistake is.
    """
    kind, reason = _KINDS.get(status, ("server_error" if status >= 500 else "invalid_request_error", None))
    param = None
    if isinstance(error, RequestError):
        param, reason = error.param, error.reason or reason
    return {"message": message, "type": kind, "param": param, "code": reason}


def failure(status: int, message: str, error: Exception | None) -> web.Response:
    """Return the response for a request that fails; the arguments are those of `error_object`."""
    body = json.dumps({"error": error_object(status, message, error)})
    headers = {"Content-Type": _JSON} | ({"Retry-After": "1"} if status == 429 else {})
    return web.Response(status=status, body=body.encode(), headers=headers)
