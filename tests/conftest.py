"""What tests of every part share: a cache of the session's own, a tiny model with rows to train it on, and their order.

With pytest-xdist, a session has several processes. What one of them made with `once`, the others take as it is.
"""

from __future__ import annotations

import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from filelock import FileLock
from tiny_bert import reviews, write_csv, write_tiny_bert

CACHE = "SFTKERAS_CACHE"
_USERS_CACHE = os.environ.get(CACHE)

# The folders with the files that take longest. They begin first: one that begins last would keep one process busy
# while the others are done. pytest-xdist must be told to keep this order (see the Makefile).
LONGEST = ("training", "commands")

Once = Callable[[str, Callable[[Path], object]], Path]


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests of `LONGEST` before all others."""
    items.sort(key=lambda item: item.path.parent.name not in LONGEST)


def pytest_collection_finish() -> None:
    """Leaves what all tests share, such as TensorFlow's modules, out of the search for garbage, which is then rarer."""
    gc.freeze()
    gc.set_threshold(20_000)


@pytest.fixture(scope="session")
def once(tmp_path_factory: pytest.TempPathFactory) -> Once:
    """Makes a folder by its name, once for all processes of the session. Copy what is in it before changing it."""
    base = tmp_path_factory.getbasetemp()
    shared = base.parent if "PYTEST_XDIST_WORKER" in os.environ else base

    def make_once(name: str, make: Callable[[Path], object]) -> Path:
        folder, made = shared / name, shared / f"{name}.made"
        with FileLock(shared / f"{name}.lock"):
            if not made.exists():
                shutil.rmtree(folder, ignore_errors=True)  # half made by another process, whose test has failed
                folder.mkdir()
                make(folder)
                made.touch()
        return folder

    return make_once


@pytest.fixture(scope="session", autouse=True)
def session_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Nothing of the user's cache is read or written, also by the processes that tests start."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(CACHE, str(folder))
        yield folder


@pytest.fixture
def users_cache(monkeypatch: pytest.MonkeyPatch) -> None:
    """The user's own cache after all, for real weights and data that are fetched once."""
    if _USERS_CACHE is None:
        monkeypatch.delenv(CACHE)
    else:
        monkeypatch.setenv(CACHE, _USERS_CACHE)


@pytest.fixture(scope="session")
def tiny_bert_folder(once: Once) -> Path:
    """A Hugging Face folder with a random encoder. Copy it before changing it."""
    return once("weights", lambda folder: write_tiny_bert(folder / "tiny-bert")) / "tiny-bert"


@pytest.fixture(scope="session")
def reviews_csv(once: Once) -> Path:
    """Sixty reviews with the columns text and label ("negative" or "positive"). Copy it before changing it."""
    return once("reviews", lambda folder: write_csv(folder / "reviews.csv", reviews())) / "reviews.csv"
