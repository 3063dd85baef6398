"""A folder is made, held and removed by one process at a time, whatever happens between two of its steps."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sftkeras.disk.folder_lock import folder_locked, lock_of_abandoned
from sftkeras.errors import SFTError
from sftkeras.exporting.versions import draft
from sftkeras.runs import RunFolder

Before = Callable[[Path, Callable[[], object]], None]


@pytest.fixture
def before_opening(monkeypatch: pytest.MonkeyPatch) -> Before:
    """Does something once, just before this process opens a folder that it has made and not yet locked."""
    stock, actions = os.open, {}

    def opening(path: Any, *arguments: Any, **named: Any) -> int:
        for known in list(actions):
            if Path(path).match(str(known)):
                actions.pop(known)()
        return stock(path, *arguments, **named)

    monkeypatch.setattr(os, "open", opening)
    return actions.__setitem__  # type: ignore[return-value]


def test_only_one_holds_a_folder(tmp_path: Path) -> None:
    folder = tmp_path / "a" / "b"
    with folder_locked(folder, wait=False):
        with pytest.raises(BlockingIOError), folder_locked(folder, wait=False):
            pass
        with pytest.raises(BlockingIOError), lock_of_abandoned(folder):
            pass
    with lock_of_abandoned(folder):
        pass


def test_a_folder_that_is_removed_before_it_is_locked_is_made_again(tmp_path: Path, before_opening: Before) -> None:
    folder = tmp_path / "films"
    before_opening(folder, folder.rmdir)
    with folder_locked(folder, wait=False):
        assert folder.is_dir()


def test_a_lock_on_a_folder_that_is_gone_is_no_lock(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = tmp_path / "films"
    stock, removed = os.path.samestat, []

    def compared(one: os.stat_result, other: os.stat_result) -> bool:
        if not removed:  # another process has removed it, and a third one has made it again
            removed.append(folder.rename(tmp_path / "old"))
            folder.mkdir()
            other = folder.stat()
        return stock(one, other)

    monkeypatch.setattr(os.path, "samestat", compared)
    with folder_locked(folder, wait=False):
        assert removed
        with pytest.raises(BlockingIOError), lock_of_abandoned(folder):
            pass


def test_a_draft_is_not_swept_between_its_making_and_its_lock(tmp_path: Path, before_opening: Before) -> None:
    def another_export() -> None:
        with draft(tmp_path):
            pass

    other = threading.Thread(target=another_export)

    def meanwhile() -> None:
        other.start()
        other.join(0.5)  # it has to wait for this one, so it does not end here

    before_opening(tmp_path / ".export-*", meanwhile)
    with draft(tmp_path) as path:
        other.join()
        assert path.is_dir()
    assert list(tmp_path.iterdir()) == []


def test_a_claim_survives_the_end_of_another_one(tmp_path: Path, before_opening: Before) -> None:
    run = RunFolder(tmp_path / "films")
    before_opening(run.folder, run.folder.rmdir)
    with run.claimed(), pytest.raises(SFTError, match="SFT423"), run.claimed():
        pass
