from __future__ import annotations

import contextlib
import gzip
import io
import random
import tarfile
import tempfile
from pathlib import Path

import pytest
from archive_names import PARTS
from hypothesis import example, given, settings
from hypothesis import strategies as st
from module_server import archive_of, folder_entry, tar_of

from sftkeras.errors import SFTError
from sftkeras.handles.archives import Bounds
from sftkeras.handles.tar_archives import unpack_tar

FILES = {"model/a.txt": b"a" * 700, "model/sub/b.txt": b"b"}


def unpacked(content: bytes, folder: Path, **options) -> dict[str, bytes]:
    """The files that an archive of this content becomes, by their paths."""
    archive, target = folder / "archive", folder / "target"
    archive.write_bytes(content)
    target.mkdir()
    unpack_tar(archive, target, name="the archive", **options)
    return {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}


def refusal(code: str, content: bytes, folder: Path, **options) -> str:
    with pytest.raises(SFTError) as error:
        unpacked(content, folder, **options)
    assert error.value.code == code
    assert "the archive" in str(error.value)
    return str(error.value)


def entry(name: str, kind: bytes = tarfile.REGTYPE, **fields) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for field, value in fields.items():
        setattr(info, field, value)
    return info


@pytest.mark.parametrize("pack", [bytes, gzip.compress])
def test_an_archive_becomes_its_files(tmp_path, pack):
    folders = map(folder_entry, ("./", "./model/"))
    content = tar_of(*folders, *((f"./{name}", data) for name, data in FILES.items()))
    assert unpacked(pack(content), tmp_path) == FILES


@pytest.mark.parametrize("form", [tarfile.PAX_FORMAT, tarfile.GNU_FORMAT])
def test_long_and_foreign_names_are_kept(tmp_path, form):
    content = io.BytesIO()
    names = ["é" * 40 + "/" + "x" * 120, "模型/词表.txt"]
    with tarfile.open(fileobj=content, mode="w:gz", format=form) as archive:
        for name in names:
            archive.addfile(entry(name, size=1), io.BytesIO(b"."))
    assert set(unpacked(content.getvalue(), tmp_path)) == set(names)


def test_what_has_no_landing_is_left_out(tmp_path):
    landing = {"model/sub/b.txt": "here/b.txt"}.get
    assert unpacked(archive_of(FILES), tmp_path, landing=landing) == {"here/b.txt": b"b"}


@settings(deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=4).map("/".join))
@example("../../evil")
@example("/tmp/evil")
def test_unpacking_writes_nothing_outside_the_folder(name):
    with tempfile.TemporaryDirectory() as folder:
        with contextlib.suppress(SFTError):
            unpacked(archive_of({"first": b""}, "", (name, b"evil")), Path(folder))
        written = {path.relative_to(folder) for path in Path(folder).rglob("*") if path.is_file()}
        assert all(path.parts[0] == "target" for path in written - {Path("archive")})


@pytest.mark.parametrize("name", ["../evil", "/evil", "model/../../evil", "model/./x", "C:/evil", "model\\evil"])
def test_a_path_that_may_escape_is_refused(tmp_path, name):
    refusal("SFT316", archive_of(FILES, "", (name, b"evil")), tmp_path)


@pytest.mark.parametrize(
    "kind", [tarfile.SYMTYPE, tarfile.LNKTYPE, tarfile.FIFOTYPE, tarfile.CHRTYPE, tarfile.BLKTYPE, b"Z"]
)
def test_links_devices_and_the_unknown_are_refused(tmp_path, kind):
    link = entry("model/link", kind, linkname="model/a.txt")
    assert "link or a device" in refusal("SFT316", archive_of(FILES, "", (link, b"")), tmp_path)


def test_a_member_that_is_there_twice_is_refused(tmp_path):
    assert "twice" in refusal("SFT316", archive_of(FILES, "", ("./model/a.txt", b"other")), tmp_path)


def test_a_member_that_is_a_file_and_a_folder_is_refused(tmp_path):
    assert "one file" in refusal("SFT316", archive_of(FILES, "", ("model/a.txt/x", b"other")), tmp_path)


def test_too_many_members_or_bytes_are_refused(tmp_path):
    assert "2 files, more than 1" in refusal("SFT316", archive_of(FILES), tmp_path, bounds=Bounds(files=1))


def test_the_bounds_hold_before_a_member_is_written(tmp_path):
    refusal("SFT316", archive_of({"zeros": bytes(20 * 2**20)}), tmp_path)
    assert not list((tmp_path / "target").iterdir())


def test_a_bomb_behind_the_last_member_is_refused(tmp_path):
    content = gzip.compress(tar_of(("a", b"1")) + bytes(20 * 2**20))
    assert "would unpack to" in refusal("SFT316", content, tmp_path)


def test_a_header_that_would_fill_the_memory_is_refused(tmp_path):
    long_name = entry("././@LongLink", tarfile.GNUTYPE_LONGNAME, size=2**33)
    content = long_name.tobuf(tarfile.GNU_FORMAT) + b"x" * 2048
    assert "8,589,934,592 bytes" in refusal("SFT314", content, tmp_path)


@settings(deadline=None)
@given(st.data())
def test_an_archive_that_is_cut_anywhere_is_refused(data):
    content = data.draw(st.sampled_from([archive_of(FILES), tar_of(*FILES.items()).rstrip(b"\0")]))
    with tempfile.TemporaryDirectory() as folder:
        refusal("SFT314", content[: data.draw(st.integers(0, len(content) - 1))], Path(folder))


@settings(deadline=None)
@given(st.data())
def test_a_damaged_archive_gives_the_true_content_or_a_coded_error(data):
    # Random bytes, as weights are: they are stored as they stand, and only the sum at the end protects them.
    files = {"model/a": random.Random(0).randbytes(300), "model/b": b"text " * 40}
    content = bytearray(archive_of(files))
    content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
    with tempfile.TemporaryDirectory() as folder, contextlib.suppress(SFTError):  # any other error fails the test
        assert unpacked(bytes(content), Path(folder)) == files
