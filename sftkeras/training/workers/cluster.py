"""Identity of this process among the workers of one training, and how they agree. Imports TensorFlow only to agree.

The program that starts the workers configures each by environment variables; docs/scaling.md lists them. `enter`
reads them and leaves them in the one form TensorFlow reads, TF_CONFIG.
"""

from __future__ import annotations

import hashlib
import json
import os
import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sftkeras.errors import SFTError, WorkerLostError

if TYPE_CHECKING:
    import tensorflow as tf

TF_CONFIG = "TF_CONFIG"
ADDRESSES = "SFTKERAS_WORKERS"  # ours, for a Kubernetes Job: HOST:PORT of each worker, with commas between
KUBERNETES_INDEX = "JOB_COMPLETION_INDEX"  # Kubernetes sets it in the pods of an Indexed Job
_TRAINING_TASKS = ("chief", "master", "worker")  # of TF_CONFIG; the first two are the same, and come before workers

# What TensorFlow raises in a sum over workers of which one is gone; the first of them if the chief is.
_LOST = ("UnavailableError", "AbortedError", "CancelledError", "DeadlineExceededError", "FailedPreconditionError")
_LONGEST_PROBLEM = 200  # characters of its text that are shown

# SLURM gives no ports. Those of two jobs on one node should differ, and lie below what systems hand out by themselves.
_FIRST_PORT, _PORTS = 20000, 10000


@dataclass(frozen=True)
class Cluster:
    """The workers of one training.

    Attributes:
        addresses: HOST:PORT of each worker; the first is the chief's.
        index: which of them this process is.
    """

    addresses: tuple[str, ...]
    index: int

    def tf_config(self) -> str:
        """The cluster as the environment variable TF_CONFIG describes it."""
        return json.dumps({"cluster": {"worker": self.addresses}, "task": {"type": "worker", "index": self.index}})


_cluster = Cluster(("",), 0)  # a process that trains alone
_strategy: tf.distribute.Strategy | None = None  # by which the workers agree


def enter(strategy: str | None) -> Cluster:
    """Finds out which worker this process is; the first thing a training does.

    Args:
        strategy: `training.strategy` of the settings; None is mirrored.

    Raises:
        SFTError: SFT430 if nothing in the environment says who the workers are, or what says so is not whole; SFT434 if
            there are several but the strategy is for one process.
    """
    global _cluster
    if strategy == "multi_worker":
        _cluster = find_cluster(os.environ)
        os.environ[TF_CONFIG] = _cluster.tf_config()
    elif TF_CONFIG in os.environ and len(found := _from_tf_config(os.environ).addresses) > 1:
        raise SFTError("SFT434", workers=len(found), strategy=strategy or "mirrored")
    return _cluster


def current() -> Cluster:
    """The workers of this training; one without an address where a process trains alone."""
    return _cluster


def is_chief() -> bool:
    """Whether this process is the one that writes: the run folder, the cache and the terminal are the chief's."""
    return _cluster.index == 0


def connect(strategy: tf.distribute.Strategy) -> None:
    """Takes the strategy of the training, through which the workers agree."""
    global _strategy
    _strategy = strategy


def agree(*flags: bool) -> tuple[bool, ...]:
    """Whether any worker raised each flag; the answer is the same on all workers.

    All workers must call it at the same step, with as many flags. A process that trains alone gets its flags back.
    """
    if len(_cluster.addresses) == 1:
        return flags
    import tensorflow as tf

    assert _strategy, "connect() comes before agree()"
    votes = _strategy.reduce(tf.distribute.ReduceOp.SUM, tf.constant(flags, tf.int32), axis=None)
    return tuple(bool(count) for count in votes.numpy())


def all_have(number: int) -> bool:
    """Whether all workers have the same number, from 0 to 2**63 - 1; they must ask together."""
    bits = [bool(number >> place & 1) for place in range(63)]
    ones, zeros = agree(*bits), agree(*(not bit for bit in bits))
    return not any(one and zero for one, zero in zip(ones, zeros, strict=True))


def wait_for_release() -> None:
    """Waits for the chief to call `release`; what the other workers do last."""
    agree(False)


def release() -> None:
    """Lets the other workers end. The chief calls it when all is done, so that one that is gone does no harm."""
    with suppress(Exception):
        agree(False)


@contextmanager
def naming_lost_worker() -> Iterator[None]:
    """Turns what TensorFlow raises when another worker is gone into SFT433."""
    try:
        yield
    except Exception as error:
        if len(_cluster.addresses) == 1 or type(error).__name__ not in _LOST:
            raise
        raise WorkerLostError("SFT433", problem=" ".join(str(error).split())[:_LONGEST_PROBLEM]) from error


def find_cluster(environment: Mapping[str, str]) -> Cluster:
    """Reads who the workers are from the first of TF_CONFIG, SLURM's and Kubernetes' variables that is there.

    Raises:
        SFTError: SFT430.
    """
    if TF_CONFIG in environment:
        return _from_tf_config(environment)
    if "SLURM_STEP_NODELIST" in environment:  # set by srun for each process, and not in the batch script itself
        return _from_slurm(environment)
    if ADDRESSES in environment:
        return _from_kubernetes(environment)
    raise SFTError("SFT430", problem="no environment variable says who the workers are")


# --- TF_CONFIG, as Kubeflow's TFJob sets it ---


def _from_tf_config(environment: Mapping[str, str]) -> Cluster:
    try:
        config = json.loads(environment[TF_CONFIG])
        tasks, kind, index = config["cluster"], config["task"]["type"], int(config["task"]["index"])
        if others := set(tasks) - set(_TRAINING_TASKS):
            raise SFTError("SFT430", problem=f"{TF_CONFIG} has the task {min(others)}, which no worker trains with")
        places = [(task, number) for task in _TRAINING_TASKS for number in range(len(tasks.get(task, ())))]
        addresses = [str(tasks[task][number]) for task, number in places]
        place = places.index((kind, index))
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise SFTError("SFT430", problem=f"{TF_CONFIG} is not whole ({type(error).__name__}: {error})") from error
    return Cluster(_checked(addresses, TF_CONFIG), place)


# --- SLURM ---


def _from_slurm(environment: Mapping[str, str]) -> Cluster:
    try:
        nodes = expand_nodes(environment["SLURM_STEP_NODELIST"])
        tasks = expand_counts(environment["SLURM_STEP_TASKS_PER_NODE"])
        index, node = int(environment["SLURM_PROCID"]), int(environment["SLURM_NODEID"])
        first_port = _FIRST_PORT + int(environment["SLURM_JOB_ID"]) * 16 % _PORTS
        places = [(number, local) for number, count in enumerate(tasks) for local in range(count)]
        if len(nodes) != len(tasks) or not 0 <= index < len(places):
            raise ValueError(f"{len(nodes)} nodes, {len(places)} tasks, and this is task {index}")
    except (ValueError, KeyError) as error:
        raise SFTError("SFT430", problem=f"SLURM's variables are not whole ({error})") from error
    if places[index][0] != node:
        problem = "SLURM spread the tasks over the nodes in an order of its own; give srun --distribution=block"
        raise SFTError("SFT430", problem=problem)
    return Cluster(tuple(f"{nodes[number]}:{first_port + local}" for number, local in places), index)


def expand_nodes(listed: str) -> list[str]:
    """The nodes of a SLURM list: `gpu[01-02,07],login` is gpu01, gpu02, gpu07 and login.

    Raises:
        ValueError: it is no such list.
    """
    nodes = []
    for item in re.findall(r"(?:[^,\[\]]|\[[^\[\]]*\])+", listed):
        nodes += _expand_item(item)
    if not nodes or not all(re.fullmatch(r"[\w.-]+", node) for node in nodes):
        raise ValueError(f"not a list of nodes: {listed}")
    return nodes


def _expand_item(item: str) -> list[str]:
    found = re.match(r"([^\[]*)\[([^\]]*)\](.*)", item)
    if not found:
        return [item]
    before, inside, after = found.groups()
    numbers = []
    for span in inside.split(","):
        first, _, last = span.partition("-")
        numbers += [str(number).zfill(len(first)) for number in range(int(first), int(last or first) + 1)]
    return [f"{before}{number}{rest}" for number in numbers for rest in _expand_item(after)]


def expand_counts(listed: str) -> list[int]:
    """The tasks of each node in SLURM's short form: `2(x3),1` is 2, 2, 2 and 1.

    Raises:
        ValueError: it is no such list.
    """
    counts = []
    for item in listed.split(","):
        if not (found := re.fullmatch(r"(\d+)(?:\(x(\d+)\))?", item)):
            raise ValueError(f"not a list of task counts: {listed}")
        counts += [int(found[1])] * int(found[2] or 1)
    return counts


# --- Kubernetes ---


def _from_kubernetes(environment: Mapping[str, str]) -> Cluster:
    addresses = _checked(environment[ADDRESSES].split(","), ADDRESSES)
    index = environment.get(KUBERNETES_INDEX, "")
    if not index.isdecimal() or int(index) >= len(addresses):
        problem = f"{ADDRESSES} names {len(addresses)} workers, but {KUBERNETES_INDEX} is {index or 'not set'}"
        raise SFTError("SFT430", problem=problem)
    return Cluster(addresses, int(index))


def _checked(addresses: list[str], source: str) -> tuple[str, ...]:
    """The addresses, if each is HOST:PORT and none comes twice."""
    stripped = tuple(address.strip() for address in addresses)
    for address in stripped:
        host, _, port = address.rpartition(":")
        if not host or not port.isdecimal():
            raise SFTError("SFT430", problem=f"{source} has the address {address or 'of nothing'}, not HOST:PORT")
    if not stripped or len(set(stripped)) < len(stripped):
        raise SFTError("SFT430", problem=f"{source} names no worker, or one of them twice")
    return stripped


def address_parts(address: str) -> tuple[str, int]:
    """Host and port of `HOST:PORT`; a host that is an IPv6 address stands in square brackets."""
    host, _, port = address.rpartition(":")
    return host.strip("[]"), int(port)


def digest(settings: Any) -> str:
    """A short hash that is the same on workers with the same settings."""
    return hashlib.sha256(json.dumps(settings, sort_keys=True).encode()).hexdigest()[:16]
