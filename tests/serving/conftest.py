"""Tiny versions on disk, and one running server for the tests that change nothing about it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest
from tiny_served import MODEL, RunningServer, publish, write_version

from sftkeras.serving import version_folders

if TYPE_CHECKING:
    import openai
    from chromium import Browser, Page
    from rest_client import Running


@pytest.fixture(scope="session", autouse=True)
def quickly_settled() -> Iterator[None]:
    """A folder is taken as complete sooner than a person could copy one."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(version_folders, "_SETTLED_SECONDS", 0.05)
        yield


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> Callable[[float], Path]:
    """A version that adds this number to each length, written once. Do not change it, `publish` it."""

    @cache
    def write(offset: float) -> Path:
        return write_version(tmp_path_factory.mktemp("written") / "version", offset)

    return write


@pytest.fixture
def models(tmp_path: Path, written: Callable[[float], Path]) -> Path:
    """A folder of models with version 1 of the tiny one, whose offset is 1."""
    publish(written(1.0), tmp_path / "models" / MODEL, 1)
    return tmp_path / "models"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, written: Callable[[float], Path]) -> Iterator[RunningServer]:
    """Serves version 1, whose offset is 0."""
    folder = tmp_path_factory.mktemp("models")
    publish(written(0.0), folder / MODEL, 1)
    with RunningServer(folder) as server:
        yield server


@pytest.fixture(scope="module")
def client(rest: Running) -> Iterator[openai.OpenAI]:
    """The official client of the module's server."""
    from openai_calls import client_of

    with client_of(rest) as it:
        yield it


@pytest.fixture(scope="module")
def guarded(rest: Running, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The module's server, which asks for `chromium.SECRET`."""
    from chromium import SECRET
    from rest_client import running

    from sftkeras.serving.security import Token

    file = tmp_path_factory.mktemp("token") / "token"
    file.write_text(SECRET)
    with running(rest.server._answering, token=Token(file)) as it:
        yield it


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    from chromium import launched  # which not every machine has

    with launched() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    """A page on which nothing may go wrong silently."""
    from chromium import watched

    with watched(browser) as page:
        yield page
