"""Settings of a client: the server, the model, and how to call them."""

from __future__ import annotations

import re
import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import TypedDict

from sftkeras.serving.client.retries import Retries


@dataclass(frozen=True)
class TLS:
    """Certificates by which the server proves who it is, and the client to it. Files are PEM.

    Attributes:
        ca: certificates to trust; None takes the system's.
        certificate: the client's own, for mutual TLS.
        key: belongs to `certificate`.
    """

    ca: str | Path | None = None
    certificate: str | Path | None = None
    key: str | Path | None = None

    def context(self) -> ssl.SSLContext:
        """Gives it as Python's ssl module has it.

        Raises:
            OSError: a file cannot be read, or is no PEM.
        """
        context = ssl.create_default_context(cafile=self.ca)
        if self.certificate:
            context.load_cert_chain(self.certificate, self.key)
        return context


class Choices(TypedDict, total=False):
    """The settings that have a default, see `Settings`."""

    version: int | None
    label: str | None
    token: str | None
    tls: TLS | None
    timeout: float
    retries: Retries
    batch_size: int
    concurrency: int


@dataclass(frozen=True)
class Settings:
    """The model a client calls, and how.

    Attributes:
        model: the served model's name.
        version: the version to call; None takes the newest that is served.
        label: the version's label, such as canary, in place of its number.
        token: sent as `Authorization: Bearer TOKEN`. Anybody on the way can read it unless TLS is on.
        tls: for gRPC, None speaks without; over REST, TLS is used for https:// addresses and None trusts the system's
            certificates.
        timeout: seconds for one call, its retries included.
        retries: when the server is unavailable.
        batch_size: rows in one call, at most; longer inputs are split.
        concurrency: calls that an asyncio client has under way, at most.

    Raises:
        ValueError: both a version and a label are given, a number is not positive, or no header can carry the token.
    """

    model: str
    version: int | None = None
    label: str | None = None
    token: str | None = field(default=None, repr=False)
    tls: TLS | None = None
    timeout: float = 30.0
    retries: Retries = field(default_factory=Retries)
    batch_size: int = 32
    concurrency: int = 4

    def __post_init__(self) -> None:
        if self.version is not None and self.label is not None:
            raise ValueError("give a version or a label, not both")
        if self.token is not None and not re.fullmatch("[!-~]+", self.token):
            raise ValueError("the token must be of printable ASCII characters, without spaces")
        if min(self.timeout, self.batch_size, self.concurrency, self.retries.attempts) <= 0:
            raise ValueError("timeout, batch_size, concurrency and retries.attempts must be positive")

    @property
    def headers(self) -> list[tuple[str, str]]:
        """The headers of every call, HTTP's and gRPC's alike."""
        return [("authorization", f"Bearer {self.token}")] if self.token else []
