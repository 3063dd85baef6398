"""Small files to read, and a cache of the test's own."""

from __future__ import annotations

import csv
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

# How long an example takes says something of the machine, and of what else runs on it.
settings.register_profile("any speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any speed")


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("SFTKERAS_CACHE", str(folder))
    return folder


@pytest.fixture
def put(tmp_path: Path) -> Callable[[str, str | bytes], str]:
    """Writes a file as it is given and returns its path."""

    def write(name: str, content: str | bytes) -> str:
        path = tmp_path / name
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        return str(path)

    return write


@pytest.fixture
def put_rows(tmp_path: Path) -> Callable[..., str]:
    """Writes rows as a CSV file with the columns text and label, and returns its path."""

    def write(
        rows: Sequence[tuple[object, ...]], name: str = "rows.csv", header: Sequence[str] = ("text", "label")
    ) -> str:
        path = tmp_path / name
        with path.open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([header, *rows])
        return str(path)

    return write
