from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from sftkeras.disk.cache import building, cache_folder, locked, read_manifest, scratch, write_manifest
from sftkeras.errors import SFTError


@pytest.fixture
def entry(tmp_path: Path) -> Path:
    folder = tmp_path / "entry"
    (folder / "files").mkdir(parents=True)
    (folder / "files/a.txt").write_text("whole")
    write_manifest(folder, source="here")
    return folder


def test_the_cache_is_where_the_variable_says_or_in_the_home_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("SFTKERAS_CACHE", str(tmp_path / "mine"))
    assert cache_folder("tokens", "abc") == tmp_path / "mine/tokens/abc"
    assert (tmp_path / "mine/tokens/abc").is_dir()
    monkeypatch.delenv("SFTKERAS_CACHE")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert cache_folder() == tmp_path / ".cache/sftkeras"


def test_a_block_that_succeeds_lands_whole(tmp_path):
    with building(tmp_path / "entry") as folder:
        (folder / "a").write_text("1")
        assert not (tmp_path / "entry").exists()
    assert (tmp_path / "entry/a").read_text() == "1"
    assert list(tmp_path.iterdir()) == [tmp_path / "entry"]


def test_a_block_that_fails_leaves_nothing_and_keeps_what_was_there(tmp_path):
    (tmp_path / "entry").mkdir()
    (tmp_path / "entry/old").touch()

    def interrupted() -> None:
        with building(tmp_path / "entry") as folder:
            (folder / "new").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert [path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*")] == ["entry", "entry/old"]


def test_scratch_begins_empty_after_a_killed_process(tmp_path):
    (tmp_path / "work").mkdir()
    (tmp_path / "work/left").touch()
    with scratch(tmp_path / "work") as folder:
        assert not list(folder.iterdir())
    assert not list(tmp_path.iterdir())


def test_only_one_holds_a_lock(tmp_path):
    inside = 0
    most = 0

    def work() -> None:
        nonlocal inside, most
        for _ in range(5):
            with locked(tmp_path / "entry"):
                inside += 1
                most = max(most, inside)
                threading.Event().wait(0.002)
                inside -= 1

    workers = [threading.Thread(target=work) for _ in range(4)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    assert most == 1


@pytest.mark.processes
def test_a_lock_is_free_when_its_holder_was_killed(tmp_path):
    program = f"""
import os, signal
from pathlib import Path
from sftkeras.disk.cache import locked
with locked(Path({str(tmp_path / "entry")!r})):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == -9
    with locked(tmp_path / "entry"):
        pass


def test_a_whole_entry_tells_what_it_is(entry):
    manifest = read_manifest(entry)
    assert manifest is not None
    assert manifest["source"] == "here"


def test_a_new_time_alone_does_not_spoil_an_entry(entry):
    os.utime(entry / "files/a.txt", (1, 1))
    assert read_manifest(entry) is not None


@pytest.mark.parametrize("content", ["whol", "whose", None])
def test_an_entry_with_a_changed_or_missing_file_is_not_used(entry, content, caplog):
    path = entry / "files/a.txt"
    path.unlink()
    if content is not None:
        path.write_text(content)
    assert read_manifest(entry) is None
    assert "files/a.txt" in caplog.text


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"files": {"files/a.txt": [5]}}', '{"files": null}', "\0"])
def test_an_entry_with_a_damaged_manifest_is_not_used(entry, content):
    (entry / "manifest.json").write_text(content)
    assert read_manifest(entry) is None


def test_a_folder_without_a_manifest_is_no_entry(tmp_path, caplog):
    assert read_manifest(tmp_path) is None
    assert read_manifest(tmp_path / "absent") is None
    assert not caplog.text


def test_a_failure_to_write_names_the_variable(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("SFTKERAS_CACHE", str(tmp_path / "file"))
    with pytest.raises(SFTError, match=r"SFT106.*SFTKERAS_CACHE"):
        cache_folder("tokens")
