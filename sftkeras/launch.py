"""`python -m sftkeras.launch`: the workers of one training on this machine, watched, and restarted together."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType

from sftkeras.command_line import commands
from sftkeras.config import LaunchConfig, TrainConfig
from sftkeras.console import say
from sftkeras.disk.files import write_errors
from sftkeras.errors import Preempted, SFTError
from sftkeras.runs import RunFolder

DONE, REFUSED, RESUMABLE, INTERRUPTED = 0, SFTError.exit_code, Preempted.exit_code, 130
_FINAL = (REFUSED, RESUMABLE, INTERRUPTED)  # endings that starting again would not change, or that were asked for

_LOOK_SECONDS = 0.1  # between two looks at the workers
_LAST_WORDS_SECONDS = 5  # the others get so long to end by themselves once a worker has failed
_SHOWN_LINES = 15  # of the log of a worker that failed
_PR_SET_PDEATHSIG = 1  # of Linux's prctl: the signal a process gets when its parent dies


def main(config: LaunchConfig) -> None:
    """Starts the workers, and starts all again when one dies; ends as they do."""
    training = commands.parse(TrainConfig, config.arguments)  # a mistake is reported once, and at once
    if training.training.strategy == "mirrored":
        problem = "mirrored is for one process, and launch starts several. Leave it out, or run sftkeras.train."
        raise SFTError("SFT102", flag="--training.strategy", problem=problem)
    words = asked = [*config.arguments, "--training.strategy", "multi_worker"]
    run = RunFolder(Path(training.runs).expanduser() / training.name)
    logs = run.folder.with_name(f"{training.name}.workers")
    began = time.time()
    with forwarded_signals(config.stop_seconds) as stop:
        for restart in range(config.max_restarts + 1):
            ending = Gang(worker_command(words), config.workers, logs, append=restart > 0).watch(stop)
            if ending.code in (DONE, *_FINAL) or stop.wanted:
                sys.exit(ending.code)
            if restart < config.max_restarts:
                say(f"{ending.words} All start again from the last state ({restart + 1} of {config.max_restarts}).")
            if began_since(run, began):
                words = [*asked, "--resume", "auto"]  # whatever was asked for at first
    raise SFTError("SFT435", words=ending.words, restarts=config.max_restarts)


def worker_command(words: Sequence[str]) -> list[str]:
    """Command line of a worker."""
    return [sys.executable, "-m", "sftkeras.train", *words]


def began_since(run: RunFolder, moment: float) -> bool:
    """Whether the run was begun, or gone on with, after this moment, and is not over."""
    return run.is_unfinished and run.identity_file.stat().st_mtime >= moment


@dataclass
class Stop:
    """The state of a stop by signals.

    Attributes:
        seconds: how long the workers may take to end.
        wanted: whether a stop was requested.
        deadline: when that time is over.
        gang: gets the signal too.
    """

    seconds: float
    wanted: bool = False
    deadline: float = float("inf")
    gang: Gang | None = None

    def receive(self, number: int, frame: FrameType | None) -> None:
        """Passes a signal on."""
        if not self.wanted:
            self.wanted, self.deadline = True, time.monotonic() + self.seconds
        if self.gang:
            self.gang.pass_on(number)


@contextmanager
def forwarded_signals(seconds: float) -> Iterator[Stop]:
    """Inside the block SIGTERM and SIGINT go to the workers, which are in sessions of their own."""
    stop = Stop(seconds)
    before = {number: signal.signal(number, stop.receive) for number in (signal.SIGTERM, signal.SIGINT)}
    try:
        yield stop
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


@dataclass(frozen=True)
class Ending:
    """Outcome of the workers together.

    Attributes:
        code: the exit code that stands for all.
        words: what happened, as a sentence.
    """

    code: int
    words: str = ""


class Gang:
    """The workers of one training.

    Args:
        command: what starts a worker.
        count: how many there are.
        logs: folder of what all but the first say.
        append: keep what the logs hold already.
    """

    def __init__(self, command: Sequence[str], count: int, logs: Path, *, append: bool = False) -> None:
        self._logs = logs
        self._workers: list[subprocess.Popen] = []
        environments = worker_environments(count)
        with write_errors(logs, "--runs"):
            logs.mkdir(parents=True, exist_ok=True)
        try:
            for index, environment in enumerate(environments):
                with self._log(index).open("ab" if append else "wb") as log:
                    self._workers.append(_start(command, environment, None if index == 0 else log.fileno()))
        except BaseException:
            self._kill()
            raise

    def watch(self, stop: Stop) -> Ending:
        """Waits until all have ended; kills those that do not, once one has failed or the time to stop is over."""
        stop.gang = self
        deadline = float("inf")
        try:
            if stop.wanted:  # since before there was a worker to stop
                self.pass_on(signal.SIGTERM)
            while any(code is None for code in self._codes()):
                failed = [code for code in self._codes() if code]
                if failed and deadline == float("inf"):
                    # A killed worker will never answer the others; one that ended by itself has reported why.
                    patience = 0 if min(failed) < 0 else _LAST_WORDS_SECONDS
                    deadline = time.monotonic() + (stop.seconds if RESUMABLE in failed else patience)
                if time.monotonic() > min(deadline, stop.deadline):
                    break
                time.sleep(_LOOK_SECONDS)
            return self._ending(self._codes(), stop)
        finally:
            stop.gang = None
            self._kill()

    def pass_on(self, number: int) -> None:
        """Sends a signal to those that still run."""
        for worker in self._workers:
            if worker.poll() is None:
                worker.send_signal(number)

    def _codes(self) -> list[int | None]:
        return [worker.poll() for worker in self._workers]

    def _ending(self, codes: list[int | None], stop: Stop) -> Ending:
        """Ending that the exit codes mean; None stands for a worker that has to be killed."""
        if not any(codes) and None not in codes:
            return Ending(DONE)
        if stop.wanted and codes[0] in (DONE, RESUMABLE, INTERRUPTED):
            return Ending(codes[0])
        culprit = self._culprit(codes)
        self._show_log(culprit)
        code = codes[culprit]
        if code is None:
            return Ending(1, f"Worker {culprit} did not end within {stop.seconds:g} seconds, and was killed.")
        how = f"was killed by {signal.Signals(-code).name}" if code < 0 else f"ended with exit code {code}"
        return Ending(code if code > 0 else 1, f"Worker {culprit} {how}.")

    def _culprit(self, codes: list[int | None]) -> int:
        """The worker whose end explains the others': one that says what is wrong, one that was killed, any other."""
        reasons: list[Callable[[int | None], bool]] = [
            lambda code: code in _FINAL,
            lambda code: code is not None and code < 0,
            lambda code: bool(code),
            lambda code: code is None,
        ]
        return next(index for reason in reasons for index, code in enumerate(codes) if reason(code))

    def _show_log(self, index: int) -> None:
        """Shows the last lines of a worker that is not seen on the terminal."""
        lines = self._log(index).read_text(encoding="utf-8", errors="replace").splitlines()[-_SHOWN_LINES:]
        if lines:  # the first worker's log stays empty
            say(f"The last lines of {self._log(index)}:", *(f"    {line}" for line in lines))

    def _log(self, index: int) -> Path:
        return self._logs / f"worker-{index}.log"

    def _kill(self) -> None:
        for worker in self._workers:
            worker.kill()
        for worker in self._workers:
            worker.wait()


def worker_environments(count: int) -> list[dict[str, str]]:
    """The environment of each worker: where the others are, and its share of the cores or the GPUs.

    What the user has set stays.
    """
    from sftkeras.training.workers.cluster import TF_CONFIG, Cluster

    addresses = free_addresses(count)
    cores, gpus = len(os.sched_getaffinity(0)), _gpus()
    environments = []
    for index in range(count):
        share = str(max(1, cores * (index + 1) // count - cores * index // count))
        environment = {"TF_NUM_INTRAOP_THREADS": share, "OMP_NUM_THREADS": share, **os.environ}
        if gpus:
            environment["CUDA_VISIBLE_DEVICES"] = ",".join(
                gpus[len(gpus) * index // count : len(gpus) * (index + 1) // count]
            )
        environments.append(environment | {TF_CONFIG: Cluster(addresses, index).tf_config()})
    return environments


def free_addresses(count: int) -> tuple[str, ...]:
    """Free addresses on this machine."""
    with ExitStack() as opened:
        sockets = [opened.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return tuple(f"127.0.0.1:{taken.getsockname()[1]}" for taken in sockets)


def _gpus() -> list[str]:
    """The numbers of the GPUs that this process may use."""
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return [gpu.strip() for gpu in visible.split(",") if gpu.strip() not in ("", "-1")]
    return [str(number) for number in range(len(list(Path("/dev").glob("nvidia[0-9]*"))))]


def _start(command: Sequence[str], environment: dict[str, str], output: int | None) -> subprocess.Popen:
    """Starts a worker; it writes to the file descriptor `output`, or where launch does."""
    return subprocess.Popen(
        command,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=output,
        stderr=output,
        start_new_session=True,  # ctrl-C comes by way of launch, once
        preexec_fn=_dying_with(os.getpid()),
    )


def _dying_with(parent: int) -> Callable[[], None] | None:
    """First act of a worker: ask the system to kill it when launch dies, however that happens."""
    set_option = getattr(ctypes.CDLL(None), "prctl", None)
    if set_option is None:  # not Linux
        return None

    def before_start() -> None:
        set_option(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != parent:  # launch died before the line above
            os._exit(1)

    return before_start


if __name__ == "__main__":
    commands.run(main, LaunchConfig)
