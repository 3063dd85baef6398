"""Who a process is among the workers, as Kubeflow, SLURM and Kubernetes tell it, and what is not believed."""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sftkeras.errors import SFTError, WorkerLostError
from sftkeras.training.workers import cluster as workers
from sftkeras.training.workers.cluster import Cluster, expand_counts, expand_nodes, find_cluster


@pytest.fixture(autouse=True)
def alone_afterwards(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv("TF_CONFIG", raising=False)
    yield
    workers._cluster = Cluster(("",), 0)


def tf_config(cluster: dict[str, list[str]], kind: str, index: int | str) -> dict[str, str]:
    return {"TF_CONFIG": json.dumps({"cluster": cluster, "task": {"type": kind, "index": index}})}


def test_the_chief_of_tf_config_comes_first() -> None:
    # As Kubeflow's training operator writes it, but for the environment that TensorFlow does not look at.
    tasks = {"worker": ["job-worker-0.ns.svc:2222", "job-worker-1.ns.svc:2222"], "chief": ["job-chief-0.ns.svc:2222"]}
    addresses = ("job-chief-0.ns.svc:2222", "job-worker-0.ns.svc:2222", "job-worker-1.ns.svc:2222")
    assert find_cluster(tf_config(tasks, "chief", 0)) == Cluster(addresses, 0)
    assert find_cluster(tf_config(tasks, "worker", "1")) == Cluster(addresses, 2)


def test_without_a_chief_the_first_worker_is() -> None:
    tasks = {"worker": ["a:1", "b:1"]}
    assert [find_cluster(tf_config(tasks, "worker", index)).index for index in (0, 1)] == [0, 1]


def test_what_is_found_is_left_where_tensorflow_reads_it() -> None:
    cluster = Cluster(("a:1", "b:2"), 1)
    assert find_cluster({"TF_CONFIG": cluster.tf_config()}) == cluster


SLURM = {
    "SLURM_STEP_NODELIST": "gpu[09-10],login",
    "SLURM_STEP_TASKS_PER_NODE": "2(x2),1",
    "SLURM_PROCID": "3",
    "SLURM_NODEID": "1",
    "SLURM_JOB_ID": "7",
}


def test_slurm_tasks_have_a_node_and_a_port_each() -> None:
    cluster = find_cluster(SLURM)
    assert cluster.addresses == ("gpu09:20112", "gpu09:20113", "gpu10:20112", "gpu10:20113", "login:20112")
    assert cluster.index == 3


def test_jobs_that_share_a_node_have_ports_of_their_own() -> None:
    ports = [find_cluster(SLURM | {"SLURM_JOB_ID": job}).addresses[0] for job in ("7", "8")]
    assert len(set(ports)) == 2


def test_kubernetes_gives_the_index_and_the_manifest_the_addresses() -> None:
    environment = {"SFTKERAS_WORKERS": "train-0.train:2222, train-1.train:2222", "JOB_COMPLETION_INDEX": "1"}
    assert find_cluster(environment) == Cluster(("train-0.train:2222", "train-1.train:2222"), 1)


@pytest.mark.parametrize(
    ("environment", "problem"),
    [
        ({}, "no environment variable"),
        ({"SLURM_PROCID": "0", "SLURM_NTASKS": "4"}, "no environment variable"),  # the batch script, not a task
        ({"TF_CONFIG": "{"}, "not whole"),
        ({"TF_CONFIG": "[]"}, "not whole"),
        (tf_config({"worker": ["a:1"]}, "worker", 1), "not whole"),
        (tf_config({"worker": ["a:1"], "ps": ["b:1"]}, "worker", 0), "the task ps"),
        (tf_config({"worker": ["a:1", "a:1"]}, "worker", 0), "twice"),
        (tf_config({"worker": ["a"]}, "worker", 0), "not HOST:PORT"),
        (SLURM | {"SLURM_PROCID": "9"}, "not whole"),
        (SLURM | {"SLURM_NODEID": "0"}, "--distribution=block"),
        (SLURM | {"SLURM_STEP_NODELIST": "gpu[1-"}, "not whole"),
        ({"SFTKERAS_WORKERS": "a:1,b:1"}, "not set"),
        ({"SFTKERAS_WORKERS": "a:1,b:1", "JOB_COMPLETION_INDEX": "2"}, "is 2"),
        ({"SFTKERAS_WORKERS": ",", "JOB_COMPLETION_INDEX": "0"}, "not HOST:PORT"),
    ],
)
def test_what_is_not_whole_is_refused(environment: dict[str, str], problem: str) -> None:
    with pytest.raises(SFTError, match=f"SFT430.*{re.escape(problem)}"):
        find_cluster(environment)


names = st.from_regex(r"[a-z]{1,6}", fullmatch=True)


@given(names, st.integers(0, 90), st.integers(0, 12), st.integers(1, 4))
def test_ranges_of_nodes_are_counted_out(name: str, first: int, more: int, width: int) -> None:
    last = first + more
    listed = f"{name}[{first:0{width}}-{last:0{width}}],{name}x"
    assert expand_nodes(listed) == [*(f"{name}{number:0{width}}" for number in range(first, last + 1)), f"{name}x"]


@given(st.lists(st.tuples(st.integers(1, 9), st.integers(1, 5)), min_size=1, max_size=5))
def test_counts_of_tasks_are_counted_out(counts: list[tuple[int, int]]) -> None:
    listed = ",".join(f"{tasks}(x{nodes})" if nodes > 1 else str(tasks) for tasks, nodes in counts)
    assert expand_counts(listed) == [tasks for tasks, nodes in counts for _ in range(nodes)]


@given(st.text(alphabet="ab0-9,[]()x ", max_size=20))
def test_any_other_list_is_refused_and_not_guessed(listed: str) -> None:
    for expand in (expand_nodes, expand_counts):
        with contextlib.suppress(ValueError):
            assert expand(listed)


def test_a_process_alone_is_chief_and_agrees_with_itself() -> None:
    workers.enter("mirrored")
    assert workers.is_chief()
    assert workers.agree(True, False) == (True, False)


def test_one_worker_of_several_is_chief(monkeypatch: pytest.MonkeyPatch) -> None:
    for index in (0, 1):
        monkeypatch.setenv("TF_CONFIG", Cluster(("a:1", "b:1"), index).tf_config())
        assert workers.enter("multi_worker").index == index
        assert workers.is_chief() == (index == 0)


def test_workers_that_would_each_train_for_themselves_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TF_CONFIG", Cluster(("a:1", "b:1"), 1).tf_config())
    for strategy in ("mirrored", None):
        with pytest.raises(SFTError, match=r"SFT434.*2 workers.*--training.strategy mirrored"):
            workers.enter(strategy)
    monkeypatch.setenv("TF_CONFIG", Cluster(("a:1",), 0).tf_config())
    workers.enter("mirrored")


def test_a_lost_worker_is_named_and_other_failures_stay(monkeypatch: pytest.MonkeyPatch) -> None:
    class UnavailableError(Exception):
        """By its name, as TensorFlow's."""

    with pytest.raises(UnavailableError), workers.naming_lost_worker():
        raise UnavailableError
    monkeypatch.setenv("TF_CONFIG", Cluster(("a:1", "b:1"), 0).tf_config())
    workers.enter("multi_worker")
    with pytest.raises(ZeroDivisionError), workers.naming_lost_worker():
        raise ZeroDivisionError
    with pytest.raises(WorkerLostError, match=r"SFT433.*reset by peer") as raised, workers.naming_lost_worker():
        raise UnavailableError("Connection\nreset by peer")
    assert raised.value.exit_code == 1  # starting again helps, as it does not after exit code 2
