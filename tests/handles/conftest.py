"""What stands in for the network, and a cache of each test's own.

Wheels are made on the spot and served to pip from a folder, TF-Hub modules by a server on the loopback device.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import zipfile
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from module_server import ModuleServer, module_server

from sftkeras.handles import packages

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
    monkeypatch.setattr(packages, "subprocess", SimpleNamespace(run=_asked_once(folder)))
    return folder


_DOWNLOADED: dict[tuple[str, ...], tuple[str, subprocess.CompletedProcess[str]]] = {}


def _asked_once(index: Path) -> Callable[..., subprocess.CompletedProcess[str]]:
    """`subprocess.run` for pip, which takes most of a test's time: what it downloaded from an equal index, asked with
    the same words in the same folder, is copied from there."""

    def run(command: list[str], **options: Any) -> subprocess.CompletedProcess[str]:
        folder = Path(command[command.index("--dest") + 1])
        words = [word for word in command if word != str(folder)]
        files = (f"{path.name} {hashlib.sha256(path.read_bytes()).hexdigest()}" for path in sorted(index.iterdir()))
        key = (os.getcwd(), *words, "from", *files)
        if key in _DOWNLOADED:
            name, answer = _DOWNLOADED[key]
            shutil.copyfile(index / name, folder / name)
            return answer
        answer = subprocess.run(command, **options)
        if answer.returncode == 0:
            (downloaded,) = folder.iterdir()
            _DOWNLOADED[key] = downloaded.name, answer
        return answer

    return run


@pytest.fixture
def make_wheel(index: Path) -> MakeWheel:
    """Writes tiny_model-VERSION-py3-none-any.whl with these members into the index."""

    def make(members: Mapping[str, bytes] = MODEL, version: str = "1.0") -> Path:
        about = f"tiny_model-{version}.dist-info"
        path = index / f"tiny_model-{version}-py3-none-any.whl"
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
            described = {
                "METADATA": f"Metadata-Version: 2.1\nName: tiny-model\nVersion: {version}\n".encode(),
                "WHEEL": b"Wheel-Version: 1.0\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
                "RECORD": b"",
            }
            for name, content in [*members.items(), *((f"{about}/{name}", it) for name, it in described.items())]:
                info = zipfile.ZipInfo(name)  # of one time, so that equal wheels are equal files
                info.external_attr = 0o600 << 16
                wheel.writestr(info, content, zipfile.ZIP_DEFLATED)
        return path

    return make
