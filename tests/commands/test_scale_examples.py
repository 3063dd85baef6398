"""The examples for Kubernetes, Kubeflow and SLURM fit the code: their commands parse, the workers find each other."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest
import yaml

from sftkeras.command_line import commands
from sftkeras.config import TrainConfig
from sftkeras.training.workers.cluster import Cluster, find_cluster

SCALE = Path(__file__).parents[2] / "examples" / "scale"


def documents(name: str) -> dict[str, dict[str, Any]]:
    """By kind."""
    return {it["kind"]: it for it in yaml.safe_load_all((SCALE / name).read_text(encoding="utf-8"))}


def settings(container: dict[str, Any]) -> TrainConfig:
    """What the container's command says, without its file of settings, which is the user's."""
    assert container["command"] == ["python", "-m", "sftkeras.train"]
    file, *words = container["args"]
    assert file.startswith("--config=/settings/")
    return commands.parse(TrainConfig, words)


def mounted(container: dict[str, Any], path: str) -> bool:
    return any(path.startswith(volume["mountPath"]) for volume in container["volumeMounts"])


def test_the_pods_of_the_job_find_each_other() -> None:
    found = documents("kubernetes.yaml")
    service, job = found["Service"], found["Job"]
    name, spec = job["metadata"]["name"], job["spec"]
    pod = spec["template"]["spec"]
    (container,) = pod["containers"]
    assert service["spec"]["selector"] == {"job-name": name}
    assert pod["subdomain"] == service["metadata"]["name"]
    # Kubernetes calls the pods of an Indexed Job JOB-INDEX, in the subdomain.
    pods = tuple(f"{name}-{index}.{pod['subdomain']}:2222" for index in range(spec["completions"]))
    environment = {variable["name"]: variable["value"] for variable in container["env"]}
    for index in range(spec["completions"]):
        assert find_cluster(environment | {"JOB_COMPLETION_INDEX": str(index)}) == Cluster(pods, index)
    assert spec["parallelism"] == spec["completions"]
    assert container["ports"] == [{"containerPort": 2222}]
    config = settings(container)
    assert config.training.strategy == "multi_worker"
    assert mounted(container, config.runs)
    assert mounted(container, environment["SFTKERAS_CACHE"])


def test_kubernetes_restarts_all_but_refused_settings() -> None:
    job = documents("kubernetes.yaml")["Job"]["spec"]
    refused, disrupted = job["podFailurePolicy"]["rules"]
    assert refused["action"] == "FailJob"
    assert refused["onExitCodes"]["values"] == [2]
    assert refused["onExitCodes"]["containerName"] == job["template"]["spec"]["containers"][0]["name"]
    assert disrupted["action"] == "Ignore"
    assert job["successPolicy"]["rules"] == [{"succeededIndexes": "0"}]
    assert job["template"]["spec"]["restartPolicy"] == "Never"  # or the rules above are not allowed


def test_the_operator_knows_the_container_and_its_port() -> None:
    job = documents("kubeflow.yaml")["TFJob"]
    worker = job["spec"]["tfReplicaSpecs"]["Worker"]
    (container,) = worker["template"]["spec"]["containers"]
    assert container["name"] == "tensorflow"
    assert container["ports"] == [{"name": "tfjob-port", "containerPort": 2222}]
    assert "successPolicy" not in job["spec"]  # then the end of worker 0, the chief, is the job's
    config = settings(container)
    assert config.training.strategy == "multi_worker"
    assert mounted(container, config.runs)


class Slurm:
    """Stand-ins of srun, which ends with the codes it is given, one after the other, and of scontrol."""

    def __init__(self, folder: Path, codes: list[str]) -> None:
        self.calls = folder / "calls"
        self.calls.touch()
        (folder / "codes").write_text("\n".join(codes) + "\n")
        self._program(
            folder / "srun",
            f"""trap 'echo told >> {self.calls}; exit 75' TERM
            echo srun "$@" >> {self.calls}
            code=$(sed -n "$(grep -c ^srun {self.calls})p" {folder / "codes"})
            if [ "$code" = wait ]; then sleep 60 & wait; fi
            exit "$code"
            """,
        )
        self._program(folder / "scontrol", f'echo scontrol "$@" >> {self.calls}\n')
        environment = os.environ | {"PATH": f"{folder}:{os.environ['PATH']}"}
        environment |= {"SLURM_CPUS_PER_TASK": "8", "SLURM_JOB_ID": "41"}
        self.process = subprocess.Popen(
            ["bash", str(SCALE / "slurm.sh"), "--config", "a b.yaml"],
            env=environment,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )

    def _program(self, path: Path, lines: str) -> None:
        path.write_text("#!/bin/bash\n" + lines)
        path.chmod(0o755)

    def said(self) -> list[str]:
        return self.calls.read_text().splitlines()

    def catches(self, number: int) -> bool:
        """Whether the script has set its trap for a signal."""
        (caught,) = re.findall(r"SigCgt:\s*(\w+)", Path(f"/proc/{self.process.pid}/status").read_text())
        return bool(int(caught, 16) >> number - 1 & 1)


pytestmark = pytest.mark.skipif(shutil.which("bash") is None, reason="needs bash")


def test_slurm_starts_the_training_that_is_asked_for(tmp_path: Path) -> None:
    slurm = Slurm(tmp_path, ["0"])
    assert slurm.process.wait(300) == 0
    (call,) = slurm.said()
    assert "--distribution=block --kill-on-bad-exit=1 python -m sftkeras.train" in call
    words = call.partition("sftkeras.train ")[2].replace("a b.yaml", "FILE").split()
    assert words == ["--training.strategy", "multi_worker", "--config", "FILE"]
    assert commands.parse(TrainConfig, words[:2]).training.strategy == "multi_worker"


@pytest.mark.parametrize(
    ("codes", "starts", "code"), [(["137", "1", "0"], 3, 0), (["1"] * 9, 4, 1), (["2"], 1, 2), (["130"], 1, 130)]
)
def test_slurm_starts_again_what_died(tmp_path: Path, codes: list[str], starts: int, code: int) -> None:
    slurm = Slurm(tmp_path, codes)
    assert slurm.process.wait(300) == code
    assert len(slurm.said()) == starts


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="Linux says which signals a process catches")
def test_a_preempted_slurm_job_is_queued_again(tmp_path: Path) -> None:
    slurm = Slurm(tmp_path, ["wait"])
    while not slurm.said() or not slurm.catches(signal.SIGTERM):
        assert slurm.process.poll() is None
        time.sleep(0.05)
    slurm.process.send_signal(signal.SIGTERM)
    slurm.process.wait(300)
    assert slurm.said()[1:] == ["told", "scontrol requeue 41"]
