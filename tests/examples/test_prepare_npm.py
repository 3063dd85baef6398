from __future__ import annotations

import base64
import gzip
import hashlib
import io
import sys
import tarfile
from pathlib import Path

import pytest

from examples.prepare.npm import fetch_npm
from sftkeras.errors import SFTError

FILES = {"package/package.json": b"{}", "package/data/a/1.txt": b"one", "package/data/a/1.json": b"1"}


def packed(files: dict[str, bytes]) -> bytes:
    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w") as archive:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return gzip.compress(target.getvalue(), mtime=0)  # the same bytes, and so the same hash, whenever it is packed


def integrity(archive: bytes) -> str:
    return "sha512-" + base64.b64encode(hashlib.sha512(archive).digest()).decode()


@pytest.fixture
def npm(tmp_path, monkeypatch):
    """A program named npm that hands out a package and notes that it was asked; gives the folder it stands in."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "package.tgz").write_bytes(packed(FILES))
    program = folder / "npm"
    program.write_text(
        f"#!{sys.executable}\n"
        "import pathlib, shutil, sys\n"
        "here = pathlib.Path(__file__).parent\n"
        "open(here / 'asked', 'a').write(' '.join(sys.argv[1:3]) + '\\n')\n"
        "if not (here / 'package.tgz').exists(): sys.exit('npm error 404 Not Found')\n"
        "shutil.copy(here / 'package.tgz', pathlib.Path(sys.argv[sys.argv.index('--pack-destination') + 1]))\n"
    )
    program.chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.setenv("SFTKERAS_CACHE", str(tmp_path / "cache"))
    return folder


def fetch(archive_hash: str | None = None) -> Path:
    wanted = archive_hash or integrity(packed(FILES))
    return fetch_npm("@scope/mails", "1.2.3", wanted, lambda path: path.endswith(".txt"))


def test_wanted_files_are_kept_and_fetched_once(npm):
    folder = fetch()
    assert [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()] == ["data/a/1.txt"]
    assert (folder / "data/a/1.txt").read_bytes() == b"one"
    assert fetch() == folder
    assert (npm / "asked").read_text() == "pack @scope/mails@1.2.3\n"


def test_package_with_another_hash_is_refused_and_nothing_kept(npm, tmp_path):
    with pytest.raises(SFTError, match="SFT277") as error:
        fetch(integrity(b"another"))
    assert error.value.details["got"] == integrity(packed(FILES))
    assert not list((tmp_path / "cache").rglob("*.txt"))


def test_failure_of_npm_is_told_in_its_words(npm):
    (npm / "package.tgz").unlink()
    with pytest.raises(SFTError, match=r"SFT276.*404 Not Found"):
        fetch()


def test_machine_without_npm_is_told_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setenv("SFTKERAS_CACHE", str(tmp_path / "cache"))
    with pytest.raises(SFTError, match=r"SFT275.*Node\.js"):
        fetch()


def test_archive_that_leads_out_of_its_folder_is_refused(npm):
    archive = packed({"package/../../out.txt": b"x"})
    (npm / "package.tgz").write_bytes(archive)
    with pytest.raises(SFTError, match="SFT316"):
        fetch(integrity(archive))
