from __future__ import annotations

import contextlib
import stat
import struct
import tempfile
import zipfile
from pathlib import Path

import pytest
from archive_names import PARTS
from hypothesis import example, given, settings
from hypothesis import strategies as st

from sftkeras.errors import SFTError
from sftkeras.handles.archives import Bounds
from sftkeras.handles.wheels import unpack_wheel


@pytest.fixture
def target(tmp_path: Path) -> Path:
    folder = tmp_path / "target"
    folder.mkdir()
    return folder


def archive(path: Path, *members: tuple[str | zipfile.ZipInfo, bytes]) -> Path:
    with zipfile.ZipFile(path / "some.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        for name, content in members:
            wheel.writestr(name, content)
    return path / "some.whl"


def refusal(code: str, *arguments, **options) -> str:
    with pytest.raises(SFTError) as error:
        unpack_wheel(*arguments, **options)
    assert error.value.code == code
    return str(error.value)


@settings(deadline=None)
@given(st.lists(PARTS, min_size=1, max_size=4).map("/".join))
@example("../../evil")
@example("../evil/../../../evil")
def test_unpacking_writes_nothing_outside_the_folder(name):
    with tempfile.TemporaryDirectory() as folder:
        outer = Path(folder)
        target = outer / "inner" / "target"
        target.mkdir(parents=True)
        with contextlib.suppress(SFTError, UnicodeEncodeError):  # the latter: the name cannot be put into an archive
            unpack_wheel(archive(outer, ("model/first", b""), (f"model/{name}", b"evil")), "model", target)
        written = {path for path in outer.rglob("*") if path.is_file()} - {outer / "some.whl"}
        assert all(path.is_relative_to(target) for path in written)


def test_a_folder_lands_under_its_own_name_and_nothing_else_does(tmp_path, target):
    wheel = archive(tmp_path, ("pkg/model/a.txt", b"a"), ("pkg/model/sub/b.txt", b"b"), ("pkg/models/c.txt", b"c"))
    assert unpack_wheel(wheel, "pkg/model", target) == target / "model"
    files = {path.relative_to(target).as_posix(): path.read_bytes() for path in target.rglob("*") if path.is_file()}
    assert files == {"model/a.txt": b"a", "model/sub/b.txt": b"b"}


def test_a_single_file_lands_under_its_own_name(tmp_path, target):
    wheel = archive(tmp_path, ("pkg/data.csv", b"text\n"), ("pkg/data.csv.bak", b""))
    assert unpack_wheel(wheel, "pkg/data.csv", target).read_bytes() == b"text\n"
    assert len(list(target.iterdir())) == 1


@pytest.mark.parametrize(
    "name", ["../evil", "/evil", "pkg/../../evil", "pkg/./x", "C:/evil", "pkg\\evil", "pkg/\x1b[2J"]
)
def test_one_path_that_escapes_condemns_the_whole_wheel(tmp_path, target, name):
    refusal("SFT316", archive(tmp_path, ("pkg/good.txt", b"good"), (name, b"evil")), "pkg/good.txt", target)
    assert not list(target.iterdir())


def test_a_symbolic_link_is_refused(tmp_path, target):
    link = zipfile.ZipInfo("pkg/link")
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    assert "link" in refusal("SFT316", archive(tmp_path, (link, b"/etc/passwd")), "pkg", target)


def test_an_encrypted_member_is_refused(tmp_path, target):
    wheel = archive(tmp_path, ("pkg/a", b"secret"))
    content = bytearray(wheel.read_bytes())
    content[content.index(b"PK\x01\x02") + 8] |= 1
    wheel.write_bytes(content)
    assert "encrypted" in refusal("SFT316", wheel, "pkg", target)


@pytest.mark.filterwarnings("ignore:Duplicate name")
def test_a_member_that_is_there_twice_is_refused(tmp_path, target):
    assert "twice" in refusal("SFT316", archive(tmp_path, ("pkg/a", b"1"), ("pkg/a", b"2")), "pkg", target)


def test_a_member_that_is_a_file_and_a_folder_is_refused(tmp_path, target):
    assert "one file" in refusal("SFT316", archive(tmp_path, ("pkg/a", b"1"), ("pkg/a/b", b"2")), "pkg", target)


def test_a_bomb_is_refused_before_it_is_written(tmp_path, target):
    bomb = archive(tmp_path, ("pkg/zeros", bytes(20 * 2**20)))
    assert "would unpack to 20,971,520" in refusal("SFT316", bomb, "pkg", target)
    assert not list(target.iterdir())


def test_too_many_files_or_bytes_are_refused(tmp_path, target):
    wheel = archive(tmp_path, ("pkg/a", b"12345"), ("pkg/b", b"67890"))
    assert "2 files, more than 1" in refusal("SFT316", wheel, "pkg", target, Bounds(files=1))
    assert "10 bytes unpacked, more than 9" in refusal("SFT316", wheel, "pkg", target, Bounds(size=9))


def test_a_size_that_the_archive_understates_is_never_exceeded(tmp_path, target):
    wheel = archive(tmp_path, ("pkg/a", b"x" * 5000))
    content = bytearray(wheel.read_bytes())
    struct.pack_into("<I", content, content.index(b"PK\x01\x02") + 24, 10)  # the directory now says 10 bytes
    wheel.write_bytes(content)
    refusal("SFT314", wheel, "pkg", target)
    assert sum(path.stat().st_size for path in target.rglob("*") if path.is_file()) <= 10


@settings(deadline=None)
@given(st.data())
def test_a_damaged_archive_gives_the_true_content_or_a_coded_error(data):
    with tempfile.TemporaryDirectory() as folder:
        target = Path(folder) / "target"
        target.mkdir()
        wheel = archive(Path(folder), ("pkg/a", b"some text " * 20))
        content = bytearray(wheel.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= data.draw(st.integers(1, 255))
        wheel.write_bytes(content[: data.draw(st.integers(0, len(content)))])
        with contextlib.suppress(SFTError):  # any other error fails the test
            assert unpack_wheel(wheel, "pkg/a", target).read_bytes() == b"some text " * 20


def test_a_missing_member_names_what_is_near_or_what_is_there(tmp_path, target):
    wheel = archive(tmp_path, ("pkg/model/a.txt", b""), ("other/b.txt", b""), ("pkg-1.dist-info/RECORD", b""))
    assert 'Did you mean "pkg/model"?' in refusal("SFT315", wheel, "pkg/modle", target)
    assert "It holds: other, pkg." in refusal("SFT315", wheel, "zzzzzz", target)
