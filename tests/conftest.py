"""What tests of every part share: a cache of the session's own, a tiny model with rows to train it on, and their order.

With pytest-xdist, a session has several processes. What one of them made with `once`, the others take as it is.
"""

from __future__ import annotations

import atexit
import gc
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from unittest import mock

import forked
import hypothesis
import pytest
import xdist
from filelock import FileLock
from tiny_bert import reviews, write_csv, write_tiny_bert

from sftkeras import runtime

CACHE = "SFTKERAS_CACHE"
_USERS_CACHE = os.environ.get(CACHE)

# The folders with files that take longest, the longest first. They begin first: one that begins last would keep one
# process busy while the others are done. pytest-xdist must be told to keep this order (see the Makefile).
LONGEST = ("contract", "api", "examples", "commands", "training", "backbones", "text", "exporting", "benchmarks")

# The folders whose tests start processes or servers, or train: `make check` leaves them out, and single tests elsewhere
# that are marked `processes`.
PROCESSES = {"api", "backbones", "benchmarks", "commands", "contract", "examples", "exporting", "serving", "training"}

# No example of a test fails by the time it takes, nor a test by the time that drawing its examples takes.
hypothesis.settings.register_profile(
    "any machine", deadline=None, suppress_health_check=[hypothesis.HealthCheck.too_slow]
)
hypothesis.settings.load_profile("any machine")

Once = Callable[[str, Callable[[Path], object]], Path]


def pytest_configure(config: pytest.Config) -> None:
    """Has all workers of pytest-xdist share one process that others are forked from."""
    if config.getoption("numprocesses", None) and config.option.markexpr != "not processes":
        os.environ[forked.SOCKET] = forked.forked_from()


def pytest_sessionstart(session: pytest.Session) -> None:
    """Has a worker of pytest-xdist end without freeing graphs and models, which takes Python many seconds."""
    if xdist.is_xdist_worker(session):
        atexit.register(os._exit, 0)  # after all that is registered later


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """Leaves out the folders of `PROCESSES` unread where their tests would be left out."""
    folder = collection_path.relative_to(Path(__file__).parent).parts[:1]
    return True if config.option.markexpr == "not processes" and PROCESSES.intersection(folder) else None


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests of `LONGEST` before all others, and marks those of `PROCESSES`."""
    places = {item.path: item.path.relative_to(Path(__file__).parent).parts[0] for item in items}
    order = {folder: number for number, folder in enumerate(LONGEST)}
    items.sort(key=lambda item: order.get(places[item.path], len(LONGEST)))
    for item in items:
        if places[item.path] in PROCESSES or item.get_closest_marker("real_weights"):  # which pip fetches
            item.add_marker("processes")


@pytest.hookimpl(wrapper=True)
def pytest_runtest_protocol(item: pytest.Item) -> Iterator[None]:
    """Fails a test that starts Python, itself or in a fixture, and is not marked so."""
    if item.get_closest_marker("processes"):
        return (yield)
    start = subprocess.Popen.__init__

    def refused(self: subprocess.Popen, command: object, *args: object, **kwargs: object) -> None:
        if isinstance(command, list) and command[0] == sys.executable:
            pytest.fail("a test that starts a process is marked with @pytest.mark.processes")
        start(self, command, *args, **kwargs)

    with mock.patch.object(subprocess.Popen, "__init__", refused):
        return (yield)


@pytest.hookimpl(wrapper=True)
def pytest_collection() -> Iterator[None]:
    """Leaves what all tests share, such as TensorFlow's modules, out of the search for garbage, which is then rarer."""
    gc.disable()
    result = yield
    gc.enable()
    runtime.collect_garbage_rarely()
    return result


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
def tiny_decoder_folder(once: Once) -> Path:
    """A Hugging Face folder with a random decoder and a chat template. Copy it before changing it."""
    from tiny_chat import write_tiny_decoder  # which trains a tokenizer

    return once("decoder", lambda folder: write_tiny_decoder(folder / "tiny-decoder")) / "tiny-decoder"


@pytest.fixture(scope="session")
def reviews_csv(once: Once) -> Path:
    """Sixty reviews with the columns text and label ("negative" or "positive"). Copy it before changing it."""
    return once("reviews", lambda folder: write_csv(folder / "reviews.csv", reviews())) / "reviews.csv"


@pytest.fixture(scope="session")
def preprocessor_folder(once: Once) -> Path:
    """A TF-Hub module that makes tokens of texts, by word pieces. Copy it before changing it."""
    from backbones.hub_modules import write_preprocessor  # which imports TensorFlow

    return once("preprocessor", lambda folder: write_preprocessor(folder / "module")) / "module"


@pytest.fixture(scope="session")
def sentence_piece_preprocessor_folder(once: Once) -> Path:
    """A TF-Hub module that makes tokens of texts, by SentencePiece. Copy it before changing it."""
    from backbones.hub_modules import write_sentence_piece_preprocessor

    return once("sentence-pieces", lambda folder: write_sentence_piece_preprocessor(folder / "module")) / "module"


@pytest.fixture(scope="session")
def tiny_generating_version(once: Once, tiny_decoder_folder: Path) -> Path:
    """A version folder of a random chat model that generates, without a contract. Copy it before changing it."""
    from tiny_generating import write_tiny_export  # which imports TensorFlow

    return (
        once("generating", lambda folder: write_tiny_export(tiny_decoder_folder, folder / "tiny" / "1")) / "tiny" / "1"
    )
