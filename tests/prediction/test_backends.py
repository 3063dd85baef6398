"""One function opens a folder or a server's model, whatever names it."""

from __future__ import annotations

from typing import Any

import pytest

from sftkeras.errors import SFTError
from sftkeras.prediction import backends
from sftkeras.prediction.backends import open_model


@pytest.mark.parametrize(
    ("model", "name", "address", "found", "grpc"),
    [
        ("grpc://localhost:8500/tiny", None, "localhost:8500", "tiny", True),
        ("grpc://[::1]:8500", "tiny", "[::1]:8500", "tiny", True),
        ("http://localhost:8501/tiny", None, "http://localhost:8501", "tiny", False),
        ("https://host/v1/models/my%20model", None, "https://host", "my model", False),
        ("http://host/behind/a/proxy/tiny/", None, "http://host/behind/a/proxy", "tiny", False),
        ("http://host/behind/a/proxy", "tiny", "http://host/behind/a/proxy", "tiny", False),
    ],
)
def test_an_address_ends_with_the_name_of_a_model(
    monkeypatch: pytest.MonkeyPatch, model: str, name: str | None, address: str, found: str, grpc: bool
) -> None:
    opened: list[Any] = []
    monkeypatch.setattr(backends, "RemoteModel", lambda *words, **choices: opened.append((*words, choices["grpc"])))
    open_model(model, name=name)
    assert opened == [(address, found, grpc)]


@pytest.mark.parametrize(
    ("model", "choices", "code"),
    [
        ("saved_models/tiny", {"token": "x"}, "SFT102  --token: is for a server, not for a folder"),
        ("saved_models/tiny", {"version": 0}, "SFT102  --version: is for a server, not for a folder"),
        ("grpc://localhost:1", {}, "SFT104  --name"),
        ("http://localhost:1/", {}, "SFT104  --name"),
        ("grpc://l:1/tiny", {"version": 1, "version_label": "canary"}, "SFT102  --version_label"),
        ("nowhere", {}, "SFT501 .*nowhere"),
    ],
)
def test_what_does_not_go_together_is_refused(model: str, choices: dict[str, Any], code: str) -> None:
    with pytest.raises(SFTError, match=code):
        open_model(model, **choices)
