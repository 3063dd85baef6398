"""Processes of Python that need not import TensorFlow: they are forked from one that has imported it and done no more.

The import takes a process seconds, and tests start many. All else is as in a process of its own: arguments,
environment, folder, files, signals and exit code; but their prediction processes are forked too, and the pictures of
their reports drawn once (see drawn_once.py). What must be a whole start (which modules a command imports, options of
the interpreter) is tested with `subprocess`.

`python tests/forked.py NUMBER` is the process they are forked from, NUMBER that of the socket it listens at; it ends
with the process that started it. Each connection asks for one process: a line of JSON with its files gives the
process's number and, once it has ended, its exit code.
"""

from __future__ import annotations

import atexit
import contextlib
import fcntl
import gc
import importlib
import json
import os
import pkgutil
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace
from typing import IO, Any
from unittest import mock

ROOT = Path(__file__).parents[1]
SOCKET = "SFTKERAS_TESTS_FORKED_FROM"  # processes that are forked may have others forked

OF_A_RUN = ("pipeline", "training", "exporting", "evaluation", "tasks", "prediction")  # packages that a run imports


class Process:
    """A process that is forked, for whoever would use `subprocess.Popen`.

    Args:
        arguments: of the interpreter, its path included: `-m` and a module, or a file, and the words for it.
        cwd: the folder it runs in.
        env: its environment; None is that of this process.
        stdin: what it reads: a file, PIPE, or None for nothing.
        stdout: where its output goes; None is where that of this process goes.
        stderr: where its complaints go; STDOUT is with its output.
        pass_fds: further open files it has, under the same numbers.
        start_new_session: be the first of a process group.
    """

    def __init__(
        self,
        arguments: Sequence[str],
        *,
        cwd: str | Path | None = None,
        env: Mapping[str, str] | None = None,
        stdin: IO[Any] | int | None = None,
        stdout: IO[Any] | int | None = None,
        stderr: IO[Any] | int | None = None,
        pass_fds: Sequence[int] = (),
        start_new_session: bool = False,
    ) -> None:
        self.args = list(arguments)
        self.returncode: int | None = None
        self.stdin: IO[bytes] | None = None
        self.stdout = self.stderr = None  # no pipes: files are given for these
        environment = {**(os.environ if env is None else env), SOCKET: forked_from()}
        request = {"arguments": self.args[1:], "cwd": str(cwd or os.getcwd()), "env": environment}
        request |= {"fds": list(pass_fds), "session": start_new_session}
        output = 1 if stdout is None else _number(stdout)
        complaints = 2 if stderr is None else output if stderr == subprocess.STDOUT else _number(stderr)
        reading, writing = os.pipe() if stdin == subprocess.PIPE else (os.open(os.devnull, os.O_RDONLY), None)
        self._connection = socket.socket(socket.AF_UNIX)
        self._connection.connect(forked_from())
        files = [_number(stdin) if hasattr(stdin, "fileno") else reading, output, complaints, *pass_fds]
        content = json.dumps(request).encode()
        socket.send_fds(self._connection, [len(content).to_bytes(4, "big")], files)
        self._connection.sendall(content)
        os.close(reading)
        if writing is not None:
            self.stdin = os.fdopen(writing, "wb", buffering=0)
        self._answers = self._connection.makefile("r")
        self.pid = int(self._answers.readline())
        self._waiting = threading.Lock()

    def poll(self) -> int | None:
        """The exit code, or None while it runs; that of a process that a signal ended is the signal's, negative."""
        with self._waiting:
            if self.returncode is None and select.select([self._connection], [], [], 0)[0]:
                self._read()
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """Waits for the end and returns the exit code."""
        with self._waiting:
            if self.returncode is None:
                if not select.select([self._connection], [], [], timeout)[0]:
                    raise subprocess.TimeoutExpired(self.args, timeout or 0)
                self._read()
        assert self.returncode is not None
        return self.returncode

    def _read(self) -> None:
        self.returncode = int(self._answers.readline())
        self._answers.close()
        self._connection.close()

    def send_signal(self, number: int) -> None:
        if self.poll() is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def __enter__(self) -> Process:
        return self

    def __exit__(self, *_: object) -> None:
        if self.stdin:
            self.stdin.close()
        self.wait()


def run(
    arguments: Sequence[str],
    *,
    cwd: str | Path | None = None,
    env: Mapping[str, str] | None = None,
    input: str = "",
    timeout: float | None = None,
) -> subprocess.CompletedProcess[str]:
    """Runs a process to its end and gives what it wrote, as `subprocess.run` does with `capture_output` and `text`."""
    with tempfile.TemporaryFile() as given, tempfile.TemporaryFile() as out, tempfile.TemporaryFile() as err:
        given.write(input.encode())
        given.seek(0)
        process = Process(arguments, cwd=cwd, env=env, stdin=given, stdout=out, stderr=err)
        try:
            process.wait(timeout)
        finally:
            process.kill()
        said = []
        for file in (out, err):
            file.seek(0)
            said.append(file.read().decode("utf-8").replace("\r\n", "\n"))
    return subprocess.CompletedProcess(process.args, process.returncode or 0, *said)


@contextmanager
def forked_predictions() -> Iterator[None]:
    """Within it, prediction processes are forked too."""
    from sftkeras.exporting import prediction_process

    forking = SimpleNamespace(Popen=Process, PIPE=subprocess.PIPE)
    with mock.patch.object(prediction_process, "subprocess", forking):
        yield


def _number(file: IO[Any] | int) -> int:
    if file == subprocess.DEVNULL:
        return _nothing()
    return file if isinstance(file, int) else file.fileno()


@cache
def _nothing() -> int:
    return os.open(os.devnull, os.O_RDWR)


@cache
def forked_from() -> str:
    """The address of the process that others are forked from, which is started at the first call.

    Who connects before it has imported what it needs waits for that.
    """
    if SOCKET in os.environ:
        return os.environ[SOCKET]
    folder = tempfile.TemporaryDirectory(prefix="forked-")  # the path of a socket must be short
    address = str(Path(folder.name, "socket"))
    with socket.socket(socket.AF_UNIX) as server:
        server.bind(address)
        server.listen(100)
        started = subprocess.Popen(
            [sys.executable, __file__, str(server.fileno())],
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            pass_fds=[server.fileno()],
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])},
            start_new_session=True,  # ctrl-C is for the tests, with which it ends
        )
    assert started.stdin

    def end() -> None:
        assert started.stdin
        started.stdin.close()
        started.wait()  # and not for the processes forked from it, which may end with this one
        folder.cleanup()

    atexit.register(end)
    return address


# --- the process that others are forked from ---


def import_what_takes_seconds() -> dict[str, str]:
    """Imports TensorFlow and its like, and what a run does; returns what these have set in the environment.

    Nothing is computed: that would start threads, which are not forked.
    """
    from sftkeras import runtime

    before = dict(os.environ)
    gc.disable()
    runtime.start_tensorflow()
    import drawn_once  # noqa: F401
    import h5py  # noqa: F401
    import keras_hub  # noqa: F401
    import sklearn.metrics  # noqa: F401
    import tensorflow_text  # noqa: F401
    from tensorflow.python.eager import context

    for package in OF_A_RUN:
        for module in pkgutil.walk_packages([str(ROOT / "sftkeras" / package)], f"sftkeras.{package}."):
            if not module.name.endswith("_worker"):  # a program
                importlib.import_module(module.name)

    assert not context.context()._initialized
    gc.enable()
    runtime.collect_garbage_rarely()
    return {name: value for name, value in os.environ.items() if before.get(name) != value}


def reap(*_: object) -> None:
    """Takes note of processes that ended, so that their time counts as this one's."""
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass


def serve(server: socket.socket) -> tuple[dict[str, Any], socket.socket]:
    """Forks a process for each connection, and returns in it. Ends when standard input does."""
    signal.signal(signal.SIGCHLD, reap)
    while True:
        if sys.stdin in select.select([server, sys.stdin], [], [])[0]:
            raise SystemExit
        connection, _ = server.accept()
        size, files, *_ = socket.recv_fds(connection, 4, 20)
        content = connection.makefile("rb").read(int.from_bytes(size, "big"))
        if os.fork() == 0:
            server.close()
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            return json.loads(content) | {"files": files}, connection
        connection.close()
        for file in files:
            os.close(file)


def fork_once_more(request: dict[str, Any], connection: socket.socket) -> None:
    """Returns in a new process; this one waits for its end and reports it."""
    child = os.fork()
    if child:
        for file in request["files"]:
            os.close(file)
        _, status = os.waitpid(child, 0)
        with contextlib.suppress(OSError):  # nobody waits any more
            connection.sendall(f"{os.waitstatus_to_exitcode(status)}\n".encode())
        os._exit(0)
    if request["session"]:
        os.setsid()
    connection.sendall(f"{os.getpid()}\n".encode())  # once it may be sent signals, alone or with its group
    connection.close()


def take_over(request: dict[str, Any], settings: dict[str, str]) -> None:
    """Gives this process its files, folder, environment with further settings, and signals."""
    files = [fcntl.fcntl(file, fcntl.F_DUPFD, 200) for file in request["files"]]
    for file in request["files"]:
        os.close(file)
    for file, number in zip(files, [0, 1, 2, *request["fds"]], strict=True):
        os.dup2(file, number)
        os.close(file)
    os.environ.clear()
    os.environ.update(settings | request["env"])
    os.chdir(request["cwd"])
    signal.signal(signal.SIGINT, signal.default_int_handler)


def execute(words: list[str]) -> None:
    """Does what `python WORDS` does."""
    safe_path = words[0] == "-P"
    words = words[1:] if safe_path else words
    paths = [path for path in os.environ.get("PYTHONPATH", "").split(os.pathsep) if path and path not in sys.path[1:]]
    sys.path[:1] = paths
    if words[0] == "-m":
        sys.argv = words[1:]
        sys.path.insert(0, os.getcwd())
        runpy.run_module(words[1], run_name="__main__", alter_sys=True)
    else:
        sys.argv = words
        if not safe_path:
            sys.path.insert(0, str(Path(words[0]).absolute().parent))
        runpy.run_path(words[0], run_name="__main__")


def main(number: str) -> None:
    settings = import_what_takes_seconds()
    request, connection = serve(socket.socket(fileno=int(number)))
    fork_once_more(request, connection)
    take_over(request, settings)
    from drawn_once import drawn_once

    from sftkeras.command_line.ending import leave

    if Path("/dev/nvidiactl").exists():  # what is known of a GPU cannot be forked
        os.execv(sys.executable, [sys.executable, *request["arguments"]])
    with forked_predictions(), drawn_once():
        execute(request["arguments"])
    leave(0)  # as a command does: Python would free graphs and models first, which takes seconds


if __name__ == "__main__":
    main(sys.argv[1])
