"""Says once why training is slower than it could be: the likely cause, what it costs, and what to do. Measures nothing
itself; see timing.py and machine_load.py."""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable
from statistics import median

import keras

from sftkeras.console import say
from sftkeras.errors import SFTError
from sftkeras.training.callbacks import KeepBest, StepRecord
from sftkeras.training.position import Position
from sftkeras.training.watching.machine_load import Load, Usage
from sftkeras.training.watching.timing import STEP_PARTS, StepTimer
from sftkeras.training.workers.cluster import Cluster, agree, current

WINDOW = 50  # steps that a verdict is made from; the workers agree on one this often
FIRST_STEPS = 5  # of a process: memory is claimed, caches are cold
LOOK_SECONDS = 10.0  # between two looks at the machine

# Shares of the time from which a cause is worth a word, and what it must take of a step at least.
MUCH_WAITING = 0.15
MUCH_SAVING = 0.10
MUCH_REDUCING = 0.25
WORTH_SECONDS = 0.005
LITTLE_REDUCING = 0.10  # a worker that waits less than this, while others wait long, is the one they wait for
SLOW_TIMES, SLOW_SECONDS = 5.0, 1.0  # a step is slow that takes so many times, and so much more, than one of its size
WRITING_SECONDS = 5.0  # from which the writing of best weights is worth a word, if it also takes as much as MUCH_SAVING
BUSY_CORES, IDLE_CORES = 0.25, 0.1  # shares of the cores: others use so many, while next to none is idle
SWAP_BYTES = 5e6  # a second


class StallWatch(keras.callbacks.Callback):
    """Watches each step, and reports each cause once.

    Args:
        timer: divides the steps; it stands before this in the list of callbacks.
        record: filled by a `Recorder` that stands before this too.
        position: of the run.
        best: saves the best weights, before this gets an epoch's end.
        cluster: the workers, and which of them this process is; those of this training by default.
        devices: how many add up their gradients.
        report: prints a line.
        look: reads the machine's counters.
    """

    def __init__(
        self,
        timer: StepTimer,
        record: StepRecord,
        position: Position,
        best: KeepBest,
        *,
        cluster: Cluster | None = None,
        devices: int = 1,
        report: Callable[[str], None] = say,
        look: Callable[[], Load] | None = None,
    ) -> None:
        super().__init__()
        self._timer = timer
        self._record = record
        self._position = position
        self._best = best
        self._cluster = cluster or current()
        self._workers = len(self._cluster.addresses)
        self._devices = devices
        self._report = report
        self._look = look or (lambda: Load.now(gang=self._workers > 1))
        self._seen = 0
        self._steps: deque[dict[str, float]] = deque(maxlen=WINDOW)
        self._seconds_a_token: deque[float] = deque(maxlen=WINDOW)
        self._load = self._look()
        self._told: set[str] = set()
        self._epoch_began = time.monotonic()

    def on_train_batch_end(self, batch: int, logs: dict[str, float] | None = None) -> None:
        """Checks the step, and now and then the last ones together."""
        self._seen += 1
        if self._seen > FIRST_STEPS and not self._timer.traced:
            self._check_step()
            self._steps.append(dict(self._timer.step) | {"whole": self._timer.whole})
            if len(self._steps) == WINDOW:
                self._check_window()
        # By the run's own step, which is the same on all workers, and not by what this process has seen.
        if (self._position.global_step + 1) % WINDOW == 0:
            self._check_reducing()

    def on_epoch_begin(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Starts the epoch's clock."""
        self._epoch_began = time.monotonic()

    def on_epoch_end(self, epoch: int, logs: dict[str, float] | None = None) -> None:
        """Reports best weights that took long to write."""
        took, share = self._best.seconds, self._best.seconds / max(time.monotonic() - self._epoch_began, 1e-3)
        if took > WRITING_SECONDS and share > MUCH_SAVING:
            self._warn(SFTError("SFT459", epoch=epoch + 1, seconds=f"{took:.1f} s", share=f"{share:.0%}"))

    def _check_step(self) -> None:
        """Reports a step that is far slower than others of its size, with the machine's load meanwhile."""
        whole, tokens = self._timer.whole, max(self._record.tokens[-1], 1)
        known = len(self._seconds_a_token) >= WINDOW // 2
        usual = median(self._seconds_a_token) * tokens if known else whole
        slow = whole > SLOW_TIMES * usual and whole > usual + SLOW_SECONDS
        self._seconds_a_token.append(whole / tokens)
        explained = self._check_machine(at_once=slow) or self._timer.step["input"] > whole / 2
        if slow and not explained:
            times = f"{whole / usual:.0f}"
            self._warn(SFTError("SFT452", step=self._step, seconds=f"{whole:.1f} s", times=times))

    def _check_machine(self, *, at_once: bool) -> bool:
        """Looks at the machine, now and then or at once; whether it does what slows training down."""
        if not at_once and time.monotonic() - self._load.at < LOOK_SECONDS:
            return False
        load = self._look()
        usage, self._load = load.since(self._load), load
        return self._check_usage(usage)

    def _check_usage(self, usage: Usage) -> bool:
        warnings = []
        if usage.swapping > SWAP_BYTES:
            warnings.append(SFTError("SFT454", step=self._step, rate=f"{usage.swapping / 1e6:.0f}"))
        if usage.throttled > BUSY_CORES:
            warnings.append(SFTError("SFT458", step=self._step, threads=f"{usage.throttled:.1f}"))
        if usage.others > BUSY_CORES * usage.cores and usage.idle < IDLE_CORES * usage.cores:
            warnings.append(SFTError("SFT453", step=self._step, others=f"{usage.others:.1f}", cores=usage.cores))
        for warning in warnings:
            self._warn(warning)
        return bool(warnings)

    def _check_window(self) -> None:
        """Reports what takes too large a share of the last steps."""
        share = self._shares()
        if share["input"] > MUCH_WAITING:
            self._warn(SFTError("SFT451", step=self._step, share=f"{share['input']:.0%}"))
        states = [step["checkpoint"] for step in self._steps if step["checkpoint"]]
        if len(states) > 1 and share["checkpoint"] > MUCH_SAVING:
            seconds = f"{sum(states) / len(states):.2g} s"
            self._warn(SFTError("SFT455", step=self._step, share=f"{share['checkpoint']:.0%}", seconds=seconds))

    def _check_reducing(self) -> None:
        """Reports the worker the others wait for, or a slow link. All workers come here at the same step."""
        share = self._shares()["all_reduce"] if len(self._steps) >= WINDOW // 2 else LITTLE_REDUCING
        waits_little = [number == self._cluster.index and share < LITTLE_REDUCING for number in range(self._workers)]
        long, *little = agree(share > MUCH_REDUCING, *waits_little)
        if not long:
            return
        if slow := [str(number) for number, waits in enumerate(little) if waits and self._workers > 1]:
            self._warn(SFTError("SFT456", step=self._step, workers=", ".join(slow), share=f"{MUCH_REDUCING:.0%}"))
        else:
            self._warn(SFTError("SFT457", step=self._step, share=f"{share:.0%}", devices=self._devices))

    def _shares(self) -> dict[str, float]:
        """Share of the last steps that each part took; 0 where that is too little to matter."""
        total = sum(step["whole"] + step["checkpoint"] for step in self._steps)
        sums = {part: sum(step[part] for step in self._steps) for part in STEP_PARTS}
        return {part: took / total if took > WORTH_SECONDS * len(self._steps) else 0.0 for part, took in sums.items()}

    @property
    def _step(self) -> str:
        return f"{self._position.global_step + 1:,}"

    def _warn(self, warning: SFTError) -> None:
        if warning.code not in self._told:
            self._told.add(warning.code)
            self._report(str(warning))
