from __future__ import annotations

import errno
import hashlib
import os
import re
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import pytest
from module_server import (
    MODULE,
    answers,
    archive_of,
    breaks_off,
    sends,
    sends_until_closed,
    tar_of,
)
from refusing import refused

from sftkeras.errors import SFTError
from sftkeras.handles import check_weights, kind_of, resolve
from sftkeras.handles.archives import Bounds
from sftkeras.handles.download import Patience
from sftkeras.handles.parsing import WebHandle
from sftkeras.handles.web import fetch_web_module

IN_A_HURRY = Patience(connect=2, read=0.3, attempts=3, pause=0.01)


def fetch(url: str, **options) -> Path:
    return fetch_web_module(WebHandle(url), flag="--backbone.handle", offline=False, patience=IN_A_HURRY, **options)


def refusal(code: str, url: str, **options) -> str:
    with pytest.raises(SFTError) as error:
        fetch(url, **options)
    assert error.value.code == code
    assert "\n" not in str(error.value)
    return str(error.value)


def files_in(folder: Path) -> dict[str, bytes]:
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def kept(cache: Path) -> list[str]:
    """What the cache holds but for empty lock files."""
    return sorted(path.name for path in cache.rglob("*") if path.is_file() and path.suffix != ".lock")


def test_a_module_is_fetched_and_reused_without_a_network(server, cache):
    url = server.serve("/google/bert/1")
    folder = resolve(url)
    assert files_in(folder) == MODULE
    assert folder == cache / "tfhub" / hashlib.sha1(url.encode()).hexdigest()
    assert kind_of(folder) == "tfhub"
    check_weights(folder)
    del server.replies["/google/bert/1"]
    assert resolve(url) == resolve(url, offline=True) == folder
    assert len(server.asked) == 1


def test_the_server_is_asked_for_the_archive_and_other_queries_stay(server):
    resolve(server.serve("/bert"))
    resolve(server.url + "/bert?lite=a%20b&x")
    resolve(server.serve("/bert.tar.gz") + "?key=1")
    assert server.asked == [
        "/bert?tf-hub-format=compressed",
        "/bert?lite=a%20b&x&tf-hub-format=compressed",
        "/bert.tar.gz?key=1",
    ]


def test_a_redirect_is_followed(server):
    url = server.serve("/bert/1", answers(302, Location=server.serve("/storage/bert")))
    assert files_in(resolve(url)) == MODULE
    assert server.asked == ["/bert/1?tf-hub-format=compressed", "/storage/bert"]


def test_redirects_in_a_circle_end(server):
    refusal("SFT341", server.serve("/bert", answers(302, Location="/bert")))


@pytest.mark.parametrize("top", ["", "./", "bert_model/", "./bert_model/"])
def test_a_module_stands_in_the_root_or_in_the_one_folder_of_its_archive(server, top):
    folder = resolve(server.serve("/bert", sends(archive_of(MODULE, top))))
    assert files_in(folder) == MODULE


def test_an_archive_need_not_be_packed_or_without_macos_litter(server):
    members = [("._bert", b"litter"), *((f"bert/{name}", content) for name, content in MODULE.items())]
    assert files_in(resolve(server.serve("/bert.tar", sends(tar_of(*members))))) == MODULE


def test_an_archive_without_a_module_says_what_it_holds(server, cache):
    message = refused("SFT340", server.serve("/bert", sends(archive_of({"a/x": b"", "b/saved_model.pb": b"g"}))))
    assert "found: a, b." in message
    assert "nothing" in refused("SFT340", server.serve("/empty", sends(archive_of({}))))
    assert not kept(cache)


@pytest.mark.parametrize(
    ("status", "code", "said"),
    [
        (401, "SFT344", "~/.netrc"),
        (403, "SFT344", "403 Forbidden"),
        (404, "SFT343", "spelling"),
        (410, "SFT343", "410 Gone"),
        (418, "SFT345", "418"),
        (204, "SFT345", "204"),
    ],
)
def test_a_status_that_will_not_change_is_named_at_once(server, status, code, said):
    url = server.serve("/bert", answers(status))
    message = refusal(code, url)
    assert said in message
    assert f"--backbone.handle {url}: {server.url.removeprefix('http://')} " in message
    assert len(server.asked) == 1


def test_a_login_comes_from_the_users_netrc(server, tmp_path, monkeypatch):
    def guarded(request) -> None:
        known = request.headers["Authorization"] == "Basic bWU6c2VjcmV0"  # me:secret
        (sends(archive_of()) if known else answers(401))(request)

    url = server.serve("/bert", guarded)
    refusal("SFT344", url)
    (tmp_path / "netrc").write_text("machine 127.0.0.1 login me password secret\n")
    monkeypatch.setenv("NETRC", str(tmp_path / "netrc"))
    assert files_in(fetch(url)) == MODULE


def test_what_may_pass_is_tried_again(server, caplog):
    whole = archive_of()
    failures = [answers(503), answers(429, Retry_After="0"), breaks_off(whole, 100), sends(whole)]
    patience = Patience(connect=2, read=2, attempts=4, pause=0.01)
    folder = fetch_web_module(
        WebHandle(server.serve("/bert", *failures)), flag="--flag", offline=False, patience=patience
    )
    assert files_in(folder) == MODULE
    assert [record.args[1] for record in caplog.records if "Trying again" in record.msg] == [
        "503 Service Unavailable",
        "429 Too Many Requests",
        f"after 100 of {len(whole):,} bytes",
    ]


def test_a_server_that_asks_for_a_pause_gets_it_within_reason(server, monkeypatch):
    waits: list[float] = []
    monkeypatch.setattr("sftkeras.handles.download.time.sleep", waits.append)
    replies = [answers(503, Retry_After=seconds) for seconds in ("7", "100000", "soon", "-5")]
    fetch_web_module(
        WebHandle(server.serve("/bert", *replies, sends(archive_of()))),
        flag="--flag",
        offline=False,
        patience=Patience(attempts=5, pause=0.5, longest_pause=20),
    )
    assert waits == [7, 20, 2, 4]


def test_attempts_end(server, cache):
    assert "503 Service Unavailable" in refusal("SFT345", server.serve("/bert", answers(503)))
    assert len(server.asked) == IN_A_HURRY.attempts
    assert not kept(cache)


def test_a_server_that_is_not_there_is_named():
    message = refusal("SFT341", "http://127.0.0.1:9/bert")
    assert "127.0.0.1:9 cannot be reached" in message
    assert "Connection refused" in message


def test_a_server_that_falls_silent_is_not_waited_for_for_ever(server, cache):
    message = refusal("SFT342", server.serve("/bert", breaks_off(archive_of(), 100, server.over)))
    assert "not a byte for 0.3 s" in message
    silent = refusal("SFT342", server.serve("/mute", lambda _: server.over.wait(600)))
    assert "no answer within 0.3 s" in silent
    assert not kept(cache)


def test_a_body_that_ends_early_is_no_module(server, cache):
    whole = archive_of()
    assert f"after 50 of {len(whole):,} bytes" in refusal("SFT347", server.serve("/bert", breaks_off(whole, 50)))
    # Without a length only the archive itself tells.
    refusal("SFT314", server.serve("/bert", sends_until_closed(whole[:-20])))
    assert not kept(cache)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (b"<!doctype html><title>Sign in</title>", "text/html; charset=utf-8"),
        (b"\n <HTML><title>Sign in</title>", "application/octet-stream"),
        (b'{"error": "no such model"}', "application/json"),
    ],
)
def test_a_page_instead_of_an_archive_is_named(server, cache, content, kind):
    assert "page" in refusal("SFT346", server.serve("/bert", sends(content, kind)))
    assert not kept(cache)


def test_something_else_than_an_archive_is_named(server, cache):
    refusal("SFT314", server.serve("/bert", sends(b"not an archive " * 100)))
    refusal("SFT314", server.serve("/bert", sends(b"")))
    assert not kept(cache)


@pytest.mark.parametrize("name", ["../evil", "variables/../../../evil", "/evil"])
def test_a_member_that_leaves_the_folder_refuses_the_archive(server, cache, tmp_path, name):
    assert repr(name) in refusal("SFT316", server.serve("/bert", sends(archive_of(MODULE, "", (name, b"evil")))))
    assert not kept(cache)
    assert not list(tmp_path.rglob("evil"))


def test_a_link_refuses_the_archive(server, cache):
    link = tarfile.TarInfo("assets/link")
    link.type, link.linkname = tarfile.SYMTYPE, "/etc/passwd"
    assert "is a link" in refusal("SFT316", server.serve("/bert", sends(archive_of(MODULE, "", (link, b"")))))
    assert not kept(cache)


def test_an_oversized_archive_is_refused_as_soon_as_it_shows(server, cache):
    bounds = Bounds(size=1000)
    large = archive_of(MODULE | {"assets/noise": os.urandom(2000)})
    # Promised; sent without a promise; and small, but large when unpacked.
    promised = server.serve("/promised", breaks_off(large, 10, server.over))
    assert "more than 1,000 bytes" in refusal("SFT316", promised, bounds=bounds)
    sent = server.serve("/sent", sends_until_closed(large))
    assert "more than 1,000 bytes" in refusal("SFT316", sent, bounds=bounds)
    packed = server.serve("/packed", sends(archive_of(MODULE | {"assets/zeros": bytes(2000)})))
    assert "bytes unpacked, more than 1,000" in refusal("SFT316", packed, bounds=bounds)
    assert not kept(cache)


def test_a_bomb_is_refused(server, cache):
    bomb = archive_of(MODULE | {"assets/zeros": bytes(20 * 2**20)})
    assert "would unpack to 20,97" in refused("SFT316", server.serve("/bert", sends(bomb)))
    assert not kept(cache)


@pytest.mark.processes
def test_two_processes_that_want_one_module_download_it_once(server, tmp_path):
    whole = sends(archive_of())

    def slowly(request) -> None:
        time.sleep(0.5)
        whole(request)

    url = server.serve("/bert", slowly)
    program = f"from sftkeras.handles import resolve; print(resolve({url!r}))"
    workers = [subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True) for _ in range(3)]
    answers = {worker.communicate(timeout=600)[0].strip() for worker in workers}
    assert answers == {str(resolve(url, offline=True))}
    assert len(server.asked) == 1


def test_offline_and_not_cached_asks_nobody(server):
    refused("SFT317", server.serve("/bert"), offline=True)
    assert not server.asked


def test_tensorflow_hub_and_we_find_what_the_other_fetched(server, tmp_path, monkeypatch):
    import tensorflow_hub

    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "shared"))
    ours = resolve(server.serve("/ours"))
    assert ours.parent == tmp_path / "shared"
    assert tensorflow_hub.resolve(server.url + "/ours") == str(ours)

    # What it unpacks keeps the archive's own folder.
    url = server.serve("/theirs", sends(archive_of(MODULE, "bert/")))
    theirs = tensorflow_hub.resolve(url)
    assert resolve(url, offline=True) == Path(theirs) / "bert"
    assert len(server.asked) == 2


def test_a_pin_is_checked_and_the_log_says_how_to_write_one(server, cache, caplog):
    whole = archive_of()
    url = server.serve("/bert", sends(whole))
    sha256 = hashlib.sha256(whole).hexdigest()
    message = refused("SFT313", f"{url}#sha256={'0' * 64}")
    assert f"got sha256={sha256}" in message
    assert not kept(cache)
    folder = resolve(url)
    assert f"Pin it: {url}#sha256={sha256}" in caplog.text
    assert resolve(f"{url}#sha256={sha256}", offline=True) == folder
    refused("SFT317", f"{url}#sha256={'0' * 64}", offline=True)


def test_an_entry_whose_hash_nobody_recorded_does_not_satisfy_a_pin(server, cache):
    whole = archive_of()
    url = server.serve("/bert", sends(whole))
    folder = resolve(url)
    folder.with_name(f"{folder.name}.descriptor.txt").unlink()  # as if tensorflow_hub had made it
    (folder / "assets/vocab.txt").write_bytes(b"altered")
    pinned = f"{url}#sha256={hashlib.sha256(whole).hexdigest()}"
    refused("SFT317", pinned, offline=True)
    assert files_in(resolve(pinned)) == MODULE


def test_an_entry_says_what_it_is(server):
    url = server.serve("/bert")
    folder = resolve(url)
    descriptor = folder.with_name(f"{folder.name}.descriptor.txt").read_text()
    assert re.match(
        rf"Module: {re.escape(url)}\nDownload Time: \d{{4}}-.*\nDownloader Hostname: .*\nSHA-256: ", descriptor
    )


@pytest.mark.parametrize(
    "lost", ["saved_model.pb", "variables/variables.index", "variables/variables.data-00000-of-00001"]
)
def test_a_damaged_entry_is_fetched_again(server, lost):
    url = server.serve("/bert")
    (resolve(url) / lost).unlink()
    refused("SFT317", url, offline=True)
    assert files_in(resolve(url)) == MODULE


def test_a_tf1_module_is_refused_and_not_kept(server, cache):
    url = server.serve("/bert", sends(archive_of(MODULE | {"tfhub_module.pb": b"\x08\x03"})))
    assert f"{url}: a module in the format of TF1" in refused("SFT363", url)
    assert not kept(cache)


def test_a_module_that_misses_its_weights_is_refused_by_its_handle(server, cache):
    url = server.serve("/bert", sends(archive_of({"saved_model.pb": b"VarHandleOp"})))
    assert f"{url}: variables/variables.index is missing" in refused("SFT306", url)
    assert not kept(cache)


def test_what_a_killed_download_left_is_swept_away(server, cache):
    url = server.serve("/bert")
    entry = resolve(url)
    left = entry.with_name(f".{entry.name}.download") / "unpacked"
    left.mkdir(parents=True)
    entry.rename(left / "half")
    assert files_in(resolve(url)) == MODULE
    assert not list(cache.rglob("half"))


def test_a_full_disk_is_coded_and_nothing_stays(server, cache, monkeypatch):
    def full(*_):
        raise OSError(errno.ENOSPC, "No space left on device")

    url = server.serve("/bert")
    monkeypatch.setattr("sftkeras.handles.tar_archives.shutil.copyfileobj", full)
    assert "SFTKERAS_CACHE" in refused("SFT108", url)
    assert not kept(cache)


def test_an_unwritable_cache_names_the_variable_that_chose_it(server, tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "file"))
    assert "another folder with TFHUB_CACHE_DIR" in refused("SFT106", server.serve("/bert"))
    monkeypatch.setenv("TFHUB_CACHE_DIR", "gs://bucket/cache")
    assert "not on this machine" in refused("SFT102", server.serve("/bert"))
    assert not server.asked


def test_a_cache_that_cannot_be_locked_still_serves_what_it_has(server, tmp_path, monkeypatch):
    monkeypatch.setenv("TFHUB_CACHE_DIR", str(tmp_path / "shared"))
    folder = resolve(server.serve("/bert"))
    lock = folder.with_name(f".{folder.name}.lock")
    lock.unlink()
    lock.mkdir()  # as in a folder that may only be read, which root would not notice
    assert resolve(server.url + "/bert") == folder
    (folder / "saved_model.pb").unlink()
    assert "another folder with TFHUB_CACHE_DIR" in refused("SFT106", server.url + "/bert")


def test_a_terminal_shows_how_far_a_download_is(server, monkeypatch, capsys):
    resolve(server.serve("/quiet"))
    assert capsys.readouterr().err == ""
    monkeypatch.setenv("FORCE_COLOR", "1")  # makes rich take it for a terminal
    monkeypatch.setenv("COLUMNS", "200")
    resolve(server.serve("/shown"))
    assert f"{server.url}/shown" in capsys.readouterr().err
