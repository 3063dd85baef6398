from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from module_server import MODULE, archive_of
from refusing import refused

from sftkeras.handles import check_weights, kind_of, modules, resolve


@pytest.fixture
def archive(tmp_path: Path) -> Path:
    path = tmp_path / "bert.tar.gz"
    path.write_bytes(archive_of(MODULE, "bert/"))
    return path


def test_an_archive_on_this_machine_is_unpacked(archive):
    folder = resolve(str(archive))
    assert (folder / "assets/vocab.txt").read_bytes() == b"[PAD]\n"
    assert kind_of(folder) == "tfhub"
    check_weights(folder)


def test_an_archive_is_unpacked_once_for_each_content(archive, tmp_path, monkeypatch):
    first = resolve(str(archive))
    copy = shutil.copy(archive, tmp_path / "copy.tgz")
    with monkeypatch.context() as patch:
        patch.setattr(modules, "unpack_tar", lambda *_, **__: pytest.fail("it was unpacked already"))
        assert resolve(str(copy)) == resolve(str(archive)) == first
    archive.write_bytes(archive_of(MODULE | {"assets/vocab.txt": b"other"}))
    assert (resolve(str(archive)) / "assets/vocab.txt").read_bytes() == b"other"
    assert (first / "assets/vocab.txt").read_bytes() == b"[PAD]\n"


def test_an_archive_needs_no_network(archive):
    assert resolve(str(archive), offline=True).is_dir()


@pytest.mark.parametrize(
    ("content", "code"),
    [
        (archive_of()[:-9], "SFT314"),
        (b"<html>", "SFT314"),
        (archive_of(MODULE, "", ("../evil", b"")), "SFT316"),
        (archive_of({"readme.md": b""}), "SFT340"),
        (archive_of({"saved_model.pb": b"VarHandleOp"}), "SFT306"),
        (archive_of(MODULE | {"tfhub_module.pb": b""}), "SFT363"),
    ],
)
def test_a_bad_archive_is_named_and_nothing_of_it_stays(archive, cache, content, code):
    archive.write_bytes(content)
    assert str(archive) in refused(code, archive)
    assert not [path for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock"]


def test_an_archive_that_is_not_there_suggests_what_is(archive):
    assert f'Did you mean "{archive}"?' in refused("SFT303", archive.with_name("brt.tar.gz"))


def test_a_folder_named_like_an_archive_is_a_folder(tmp_path):
    (tmp_path / "model.tar").mkdir()
    assert resolve(str(tmp_path / "model.tar")) == tmp_path / "model.tar"
