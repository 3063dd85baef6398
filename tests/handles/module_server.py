"""A web server on the loopback device that serves TF-Hub modules, well and badly; and the archives it serves."""

from __future__ import annotations

import gzip
import io
import tarfile
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import PurePosixPath

Reply = Callable[[BaseHTTPRequestHandler], None]

MODULE = {
    "saved_model.pb": b"a graph with VarHandleOp",
    "variables/variables.index": b"index",
    "variables/variables.data-00000-of-00001": b"weights",
    "assets/vocab.txt": b"[PAD]\n",
}


def tar_of(*members: tuple[str | tarfile.TarInfo, bytes]) -> bytes:
    """An archive that is not packed."""
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w") as archive:
        for name, data in members:
            entry = tarfile.TarInfo(name) if isinstance(name, str) else name
            entry.size = len(data)
            archive.addfile(entry, io.BytesIO(data))
    return content.getvalue()


def archive_of(files: Mapping[str, bytes] = MODULE, top: str = "", *more: tuple[str | tarfile.TarInfo, bytes]) -> bytes:
    """A .tar.gz with these files below the folder `top`, and an entry for each of their folders, as `tar` writes it."""
    paths = {top + name: data for name, data in files.items()}
    folders = {str(folder) for path in paths for folder in PurePosixPath(path).parents} - {"."}
    return gzip.compress(tar_of(*map(folder_entry, sorted(folders)), *paths.items(), *more), mtime=0)


def folder_entry(name: str) -> tuple[tarfile.TarInfo, bytes]:
    entry = tarfile.TarInfo(name)
    entry.type, entry.mode = tarfile.DIRTYPE, 0o755
    return entry, b""


def sends(content: bytes, kind: str = "application/gzip", status: int = 200, **headers: str) -> Reply:
    def reply(request: BaseHTTPRequestHandler) -> None:
        request.send_response(status)
        every = {"Content-Type": kind, "Content-Length": str(len(content))} | headers
        for name, value in every.items():
            request.send_header(name.replace("_", "-"), value)
        request.end_headers()
        request.wfile.write(content)

    return reply


def answers(status: int, **headers: str) -> Reply:
    return sends(b"", "text/plain", status, **headers)


def breaks_off(content: bytes, after: int, then: threading.Event | None = None) -> Reply:
    """Promises all of the content and sends its beginning; then waits for the event, if there is one."""

    def reply(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.send_header("Content-Length", str(len(content)))
        request.end_headers()
        request.wfile.write(content[:after])
        request.wfile.flush()
        if then:
            then.wait(600)

    return reply


def sends_until_closed(content: bytes) -> Reply:
    """Does not say how much is to come."""

    def reply(request: BaseHTTPRequestHandler) -> None:
        request.send_response(200)
        request.end_headers()
        request.wfile.write(content)

    return reply


class ModuleServer:
    """What the server answers, by path without the query, and what it was asked.

    Attributes:
        replies: the replies of a path in turn, of which the last one is repeated.
        asked: all requests' paths with their queries.
        over: is set when the test ends, for replies that wait.
    """

    def __init__(self) -> None:
        self.replies: dict[str, list[Reply]] = {}
        self.asked: list[str] = []
        self.over = threading.Event()
        self.url = ""

    def serve(self, path: str, *replies: Reply) -> str:
        """Sets the replies of a path, by default a whole module; returns its address."""
        self.replies[path] = list(replies or [sends(archive_of())])
        return self.url + path

    def answer(self, request: BaseHTTPRequestHandler) -> None:
        self.asked.append(request.path)
        replies = self.replies.get(request.path.partition("?")[0], [answers(404)])
        reply = replies.pop(0) if len(replies) > 1 else replies[0]
        reply(request)


@contextmanager
def module_server() -> Iterator[ModuleServer]:
    server = ModuleServer()

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            server.answer(self)

        def log_message(self, *_) -> None:
            pass

    web = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.url = f"http://127.0.0.1:{web.server_port}"
    threading.Thread(target=web.serve_forever, args=(0.02,), daemon=True).start()
    try:
        yield server
    finally:
        server.over.set()
        web.shutdown()
        web.server_close()
