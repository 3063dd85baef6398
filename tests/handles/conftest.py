"""What stands in for the network, and a cache of each test's own.

Wheels are made on the spot and served to pip from a folder, TF-Hub modules by a server on the loopback device.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import pytest
from module_server import ModuleServer, module_server

MakeWheel = Callable[..., Path]

MODEL = {
    "tiny_model/model/config.json": b'{"model_type": "bert"}',
    "tiny_model/model/1_Pooling/config.json": b"{}",
    "tiny_model/data/reviews.csv": b"text,label\ngood,1\n",
    # Importing the package would leave a trace that a test looks for.
    "tiny_model/__init__.py": b"import pathlib; pathlib.Path('IMPORTED').touch()",
}


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    folder = tmp_path / "cache"
    monkeypatch.setenv("SFTKERAS_CACHE", str(folder))
    monkeypatch.delenv("TFHUB_CACHE_DIR", raising=False)
    return folder


@pytest.fixture
def server() -> Iterator[ModuleServer]:
    with module_server() as server:
        yield server


@pytest.fixture
def index(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder that pip takes for the whole package index."""
    folder = tmp_path / "index"
    folder.mkdir()
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(folder))
    return folder


@pytest.fixture
def make_wheel(index: Path) -> MakeWheel:
    """Writes tiny_model-VERSION-py3-none-any.whl with these members into the index."""

    def make(members: Mapping[str, bytes] = MODEL, version: str = "1.0") -> Path:
        about = f"tiny_model-{version}.dist-info"
        path = index / f"tiny_model-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
            for name, content in members.items():
                wheel.writestr(name, content)
            wheel.writestr(f"{about}/METADATA", f"Metadata-Version: 2.1\nName: tiny-model\nVersion: {version}\n")
            wheel.writestr(f"{about}/WHEEL", "Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n")
            wheel.writestr(f"{about}/RECORD", "")
        return path

    return make
