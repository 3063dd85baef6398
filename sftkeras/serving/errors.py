"""A request that cannot be answered: its gRPC status and message. What the user of a command meets is in
`sftkeras.errors`."""

from __future__ import annotations

from grpc import StatusCode

# ToHTTPStatusCode in http_server.cc.
HTTP_STATUS = {
    StatusCode.OK: 200,
    StatusCode.CANCELLED: 499,
    StatusCode.UNKNOWN: 500,
    StatusCode.INVALID_ARGUMENT: 400,
    StatusCode.DEADLINE_EXCEEDED: 504,
    StatusCode.NOT_FOUND: 404,
    StatusCode.ALREADY_EXISTS: 409,
    StatusCode.PERMISSION_DENIED: 403,
    StatusCode.RESOURCE_EXHAUSTED: 429,
    StatusCode.FAILED_PRECONDITION: 400,
    StatusCode.ABORTED: 409,
    StatusCode.OUT_OF_RANGE: 400,
    StatusCode.UNIMPLEMENTED: 501,
    StatusCode.INTERNAL: 500,
    StatusCode.UNAVAILABLE: 503,
    StatusCode.DATA_LOSS: 500,
    StatusCode.UNAUTHENTICATED: 401,
}


class ServingError(Exception):
    """Why a request is refused or failed; gRPC sends both values as they are, REST maps the code by `HTTP_STATUS`.

    Args:
        code: the status, as TensorFlow Serving's C++ server gives it.
        message: one line for the caller.
    """

    def __init__(self, code: StatusCode, message: str) -> None:
        self.code = code
        self.message = message
        super().__init__(f"{code.name}: {message}")


def invalid(message: str) -> ServingError:
    """The caller's mistake, whatever the state of the server."""
    return ServingError(StatusCode.INVALID_ARGUMENT, message)


def not_found(message: str) -> ServingError:
    """No such model or version."""
    return ServingError(StatusCode.NOT_FOUND, message)


def failed_precondition(message: str) -> ServingError:
    """The request does not fit the state of the server or the model."""
    return ServingError(StatusCode.FAILED_PRECONDITION, message)


def overloaded(message: str) -> ServingError:
    """More work than the server takes on; 429 over REST."""
    return ServingError(StatusCode.RESOURCE_EXHAUSTED, message)


def too_late() -> ServingError:
    """The request's time is over."""
    return ServingError(StatusCode.DEADLINE_EXCEEDED, "Deadline Exceeded")
