from __future__ import annotations

import hashlib
import subprocess
import sys
from pathlib import Path

import pytest
from module_server import MODULE, archive_of

from sftkeras.errors import SFTError
from sftkeras.handles import check_weights
from sftkeras.handles.archives import Bounds
from sftkeras.handles.cloud import fetch_bucket_module
from sftkeras.handles.parsing import BucketHandle

BUCKET = "ram://bucket"  # a file system that TensorFlow keeps in memory, reached as gs:// is


def put(files: dict[str, bytes]) -> None:
    import tensorflow as tf

    for name, content in files.items():
        tf.io.gfile.makedirs(f"{BUCKET}/{name}".rpartition("/")[0])
        with tf.io.gfile.GFile(f"{BUCKET}/{name}", "wb") as file:
            file.write(content)


def fetch(name: str, sha256: str | None = None, **options) -> Path:
    options = {"offline": False} | options
    return fetch_bucket_module(BucketHandle(f"{BUCKET}/{name}", sha256), flag="--backbone.handle", **options)


def refusal(code: str, *arguments, **options) -> str:
    with pytest.raises(SFTError) as error:
        fetch(*arguments, **options)
    assert error.value.code == code
    assert "\n" not in str(error.value)
    return str(error.value)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def test_a_folder_of_a_bucket_is_copied_and_reused(cache):
    put({f"folder/{name}": content for name, content in MODULE.items()})
    folder = fetch("folder")
    assert files_in(folder) == MODULE
    check_weights(folder)
    put({"folder/saved_model.pb": b"changed"})
    assert fetch("folder", offline=True) == folder
    assert files_in(folder) == MODULE


def test_an_archive_of_a_bucket_is_copied_checked_and_unpacked(caplog):
    whole = archive_of()
    sha256 = hashlib.sha256(whole).hexdigest()
    put({"bert.tar.gz": whole})
    refusal("SFT313", "bert.tar.gz", "0" * 64)
    assert files_in(fetch("bert.tar.gz")) == MODULE
    assert f"Pin it: {BUCKET}/bert.tar.gz#sha256={sha256}" in caplog.text
    assert fetch("bert.tar.gz", sha256, offline=True)


def test_what_is_not_there_is_named(cache):
    message = refusal("SFT348", "absent")
    assert f"--backbone.handle {BUCKET}/absent" in message
    assert "GOOGLE_APPLICATION_CREDENTIALS" in message
    refusal("SFT348", "absent.tar.gz")
    refusal("SFT317", "absent", offline=True)


def test_a_folder_that_is_no_module_or_too_large_is_refused_and_not_kept(cache):
    put({"other/readme.md": b"hello"})
    assert "NotFound" in refusal("SFT348", "other")
    put({f"large/{name}": content for name, content in MODULE.items()})
    assert "more than 40" in refusal("SFT316", "large", bounds=Bounds(size=40))
    assert not [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]


@pytest.mark.processes
def test_tensorflow_is_prepared_before_it_is_imported():
    # Else the training that follows in this process would run without the settings that make it fast.
    program = """
import sys
from sftkeras import runtime
from sftkeras.handles import resolve

def start():
    sys.exit("imported too early" if "tensorflow" in sys.modules else 7)

runtime.start_tensorflow = start
resolve("gs://bucket/folder")
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert answer.returncode == 7, answer.stderr
