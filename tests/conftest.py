"""What tests of every part share: a cache of the session's own, and a tiny model with rows to train it on."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from tiny_bert import reviews, write_csv, write_tiny_bert

CACHE = "SFTKERAS_CACHE"
_USERS_CACHE = os.environ.get(CACHE)


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
def tiny_bert_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Hugging Face folder with a random encoder. Copy it before changing it."""
    return write_tiny_bert(tmp_path_factory.mktemp("weights") / "tiny-bert")


@pytest.fixture(scope="session")
def reviews_csv(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Sixty reviews with the columns text and label ("negative" or "positive"). Copy it before changing it."""
    return write_csv(tmp_path_factory.mktemp("reviews") / "reviews.csv", reviews())
