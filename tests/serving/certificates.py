"""Certificates for one test session, made by the openssl command."""

from __future__ import annotations

import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest


@dataclass(frozen=True)
class Authority:
    """A certificate authority in a folder of its own."""

    folder: Path

    @classmethod
    def make(cls, folder: Path) -> Authority:
        if not shutil.which("openssl"):
            pytest.skip("needs the openssl command")
        folder.mkdir(parents=True)
        _openssl(folder, "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=test authority",
                 "-keyout", "ca.key", "-out", "ca.pem")  # fmt: skip
        return cls(folder)

    @property
    def certificate(self) -> Path:
        return self.folder / "ca.pem"

    def issue(self, name: str) -> tuple[Path, Path]:
        """A certificate for this machine, and its key."""
        certificate, key = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        extension = self.folder / f"{name}.ext"
        extension.write_text("subjectAltName = DNS:localhost, IP:127.0.0.1\n")
        _openssl(self.folder, "req", "-newkey", "rsa:2048", "-nodes", "-subj", f"/CN={name}",
                 "-keyout", key.name, "-out", f"{name}.csr")  # fmt: skip
        _openssl(self.folder, "x509", "-req", "-in", f"{name}.csr", "-CA", "ca.pem", "-CAkey", "ca.key",
                 "-CAcreateserial", "-extfile", extension.name, "-out", certificate.name)  # fmt: skip
        return certificate, key


def _openssl(folder: Path, *words: str) -> None:
    subprocess.run(["openssl", *words], cwd=folder, check=True, capture_output=True)
