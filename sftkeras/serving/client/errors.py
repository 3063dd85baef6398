"""Errors of calls. Every failure has the name of a gRPC status and a message, over REST too."""

from __future__ import annotations


class ClientError(Exception):
    """A call that got no answer.

    Args:
        status: name of a gRPC status, such as NOT_FOUND.
        message: the server's words, or the client's where the server had none.
    """

    def __init__(self, status: str, message: str) -> None:
        super().__init__(f"{status}: {message}")
        self.status = status
        self.message = message


class InputError(ClientError):
    """The inputs do not fit the model's contract; nothing was sent."""

    def __init__(self, message: str) -> None:
        super().__init__("INVALID_ARGUMENT", message)


class UnavailableError(ClientError):
    """The server cannot be reached or does not take requests now, also after the retries."""


class DeadlineError(ClientError):
    """The time for the call was over before an answer came."""


_KINDS: dict[str, type[ClientError]] = {"UNAVAILABLE": UnavailableError, "DEADLINE_EXCEEDED": DeadlineError}


def error_for(status: str, message: str) -> ClientError:
    """Makes the error of the kind that belongs to the status."""
    return _KINDS.get(status, ClientError)(status, message)
