"""Access to the server: certificates for TLS and mutual TLS, and tokens. Shared by gRPC and REST.

Secrets come from files, never from the command line, where every user of the machine can read them.
"""

from __future__ import annotations

import hmac
import ssl
from dataclasses import dataclass
from pathlib import Path

import grpc

from sftkeras.errors import SFTError

_SCHEME = "bearer"
_SHORTEST_TOKEN = 16  # characters: 96 bits as base64


@dataclass(frozen=True)
class Certificates:
    """The server's certificate, and the authorities it trusts.

    Attributes:
        certificate: file of the server's certificate chain, PEM.
        key: file of its private key, PEM.
        client_ca: file of the authorities whose clients may connect, PEM; None lets everybody.
    """

    certificate: Path
    key: Path
    client_ca: Path | None = None

    def http_context(self) -> ssl.SSLContext:
        """For HTTPS.

        Raises:
            SFTError: SFT703 if a file cannot be read or is not what it should be.
        """
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        try:
            context.load_cert_chain(self.certificate, self.key, password="")  # never ask the terminal for one
        except (OSError, ssl.SSLError) as error:
            raise SFTError("SFT703", file=f"{self.certificate} and {self.key}", problem=_reason(error)) from None
        if self.client_ca:
            try:
                context.load_verify_locations(self.client_ca)
            except (OSError, ssl.SSLError) as error:
                raise SFTError("SFT703", file=self.client_ca, problem=_reason(error)) from None
            context.verify_mode = ssl.CERT_REQUIRED
        return context

    def grpc_credentials(self) -> grpc.ServerCredentials:
        """For gRPC; raises as `http_context`, which reads the same files."""
        self.http_context()  # gRPC itself says nothing of what is wrong with a file
        return grpc.ssl_server_credentials(
            [(self.key.read_bytes(), self.certificate.read_bytes())],
            root_certificates=self.client_ca.read_bytes() if self.client_ca else None,
            require_client_auth=self.client_ca is not None,
        )


class Token:
    """The secrets that callers may show as `authorization: Bearer SECRET`.

    Args:
        file: one secret a line; more than one while an old one is being replaced.

    Raises:
        SFTError: SFT703 if the file cannot be read or a secret is missing or too short.
    """

    def __init__(self, file: Path) -> None:
        try:
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise SFTError("SFT703", file=file, problem=_reason(error)) from None
        self._secrets = [line.strip().encode() for line in lines if line.strip()]
        if not self._secrets or min(map(len, self._secrets)) < _SHORTEST_TOKEN:
            raise SFTError("SFT703", file=file, problem=f"a token has {_SHORTEST_TOKEN} characters or more, in a line")

    def shares(self, other: Token) -> bool:
        """Whether a secret of this one is one of the other, too."""
        return not set(self._secrets).isdisjoint(other._secrets)

    def allows(self, header: str | None) -> bool:
        """Whether the value of an `authorization` header shows one of the secrets.

        It takes the same time for any value of one length.
        """
        scheme, _, secret = (header or "").partition(" ")
        given = secret.strip().encode("utf-8", "surrogateescape")
        known = [hmac.compare_digest(given, secret) for secret in self._secrets]
        return any(known) and scheme.lower() == _SCHEME


def _reason(error: Exception) -> str:
    if isinstance(error, ssl.SSLError):
        return f"not a PEM file of this kind, or they do not match ({error.reason or error})"
    return error.strerror if isinstance(error, OSError) and error.strerror else str(error)
