"""`python -m sftkeras.serve` as its user meets it."""

from __future__ import annotations

import os
import re
import signal
import socket
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import forked
import grpc
import psutil
import pytest
from tensorflow_serving.apis.get_model_status_pb2 import GetModelStatusRequest
from tensorflow_serving.apis.model_pb2 import ModelSpec
from tensorflow_serving.apis.model_service_pb2_grpc import ModelServiceStub
from tensorflow_serving.apis.prediction_service_pb2_grpc import PredictionServiceStub
from tiny_served import MODEL, predict_request, tf, wait_until

from sftkeras import serve
from sftkeras.command_line import commands
from sftkeras.config import ServeConfig
from sftkeras.errors import SFTError


class Served:
    """The command in a process of its own."""

    def __init__(self, folder: Path, *words: str) -> None:
        self._said = folder / "said"
        with self._said.open("w") as said:
            words = ("-m", "sftkeras.serve", *words)
            self.process = forked.Process([sys.executable, *words], cwd=folder, stdout=said, stderr=said)

    @property
    def said(self) -> str:
        return self._said.read_text()

    @property
    def processor_seconds(self) -> float:
        return psutil.Process(self.process.pid).cpu_times().user

    def port(self, protocol: str, seconds: float = 300) -> int:
        limit = time.monotonic() + seconds
        while not (found := re.search(rf"{protocol} .*:(\d+)", self.said)):
            assert self.process.poll() is None, self.said
            assert time.monotonic() < limit, self.said
            time.sleep(0.05)
        return int(found[1])


@contextmanager
def served(folder: Path, *words: str) -> Iterator[Served]:
    running = Served(folder, "--port=0", "--rest_api_port=0", *words)
    try:
        yield running
    finally:
        running.process.kill()
        running.process.wait()


def wait_for_arrival(channel: grpc.Channel) -> None:
    """Waits until the server has what was sent before: a connection keeps the order of its calls."""
    status = GetModelStatusRequest(model_spec=ModelSpec(name=MODEL))
    ModelServiceStub(channel).GetModelStatus(status, timeout=300)


def refused(*words: str) -> SFTError:
    with pytest.raises(SFTError) as refused:
        serve.main(commands.parse(ServeConfig, words))
    return refused.value


def test_the_admin_token_is_another_one_than_the_callers(models: Path, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("one-secret-for-all-of-them\n")
    words = [f"--models={models}", f"--token_file={tmp_path / 'token'}", f"--admin_token_file={tmp_path / 'token'}"]
    assert str(refused(*words)).startswith(f"SFT706  --admin_token_file {tmp_path / 'token'}: ")


def test_a_stopped_server_answers_what_it_has_begun_and_ends(models: Path, tmp_path: Path) -> None:
    with served(tmp_path, f"--models={models}", "--drain_seconds=300") as it:
        with grpc.insecure_channel(f"localhost:{it.port('gRPC')}") as channel:
            stub = PredictionServiceStub(channel)
            assert stub.Predict(predict_request({"text": ["abc"]}), timeout=300).outputs["length"].float_val[0] == 4
            slow = predict_request({"steps": [1500]}, dtype=tf.int32, signature="slow")
            answer = stub.Predict.future(slow, timeout=300)
            wait_for_arrival(channel)
            it.process.send_signal(signal.SIGTERM)
            assert answer.result().outputs
        assert it.process.wait(300) == 0
    assert f"Serving {MODEL} 1" in it.said
    assert it.port("REST")
    assert "Stopping" in it.said
    assert "Traceback" not in it.said
    assert "deprecated" not in it.said


def test_a_request_that_takes_too_long_does_not_keep_a_stopped_server(models: Path, tmp_path: Path) -> None:
    with (
        served(tmp_path, f"--models={models}", "--drain_seconds=0.5") as it,
        grpc.insecure_channel(f"localhost:{it.port('gRPC')}") as channel,
    ):
        endless = predict_request({"steps": [2**31 - 1]}, dtype=tf.int32, signature="slow")
        call = PredictionServiceStub(channel).Predict.future(endless, timeout=600)  # which ends with its name
        wait_for_arrival(channel)
        used = it.processor_seconds
        wait_until(lambda: it.processor_seconds > used + 0.5)  # it computes
        it.process.send_signal(signal.SIGTERM)
        assert it.process.wait(300) == 0, it.said
        assert call.code() != grpc.StatusCode.OK


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "SFT104  --models is missing"),
        (["--models=a", "--model_config_file=b"], "SFT102  --model_config_file: --models names"),
        (["--models=none"], "SFT701  --models none: no such folder"),
        (["--models=."], "SFT701  --models .: it holds no model"),
        (["--model_config_file=none"], "SFT702  none: No such file"),
        (["--model_config_file=/dev/null"], "SFT702  /dev/null: it lists no model"),
        (["--models={models}", "--tls_key=key.pem"], "SFT104  --tls_certificate is missing"),
        (["--models={models}", "--tls_certificate=a.pem", "--tls_key=b.pem"], "SFT703  a.pem and b.pem"),
        (["--models={models}", "--token_file=none"], "SFT703  none"),
        (["--models={models}", "--batching_parameters_file=none"], "SFT702  none"),
        (["--models={models}", "--port=null", "--rest_api_port=null"], "SFT104  --port is missing"),
        (["--models={models}", "--port=70000"], "SFT102  --port"),
    ],
)
def test_mistakes_are_told_at_once(
    models: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, words: list[str], message: str
) -> None:
    (tmp_path / "empty").mkdir()
    monkeypatch.chdir(tmp_path / "empty")
    assert str(refused(*(word.format(models=models) for word in words))).startswith(message)


@pytest.mark.parametrize("flag", ["port", "rest_api_port"])
def test_a_port_in_use_is_told_at_once(models: Path, flag: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = {"port": "0", "rest_api_port": "0", flag: str(port)}
        message = str(refused(f"--models={models}", *(f"--{name}={value}" for name, value in words.items())))
    assert message.startswith(f"SFT704  --{flag} {port}: cannot listen on 127.0.0.1 (Address already in use)")


def test_models_that_cannot_be_served_end_the_command(models: Path) -> None:
    os.truncate(models / MODEL / "1" / "variables" / "variables.data-00000-of-00001", 1)
    message = str(refused(f"--models={models}", "--port=0", "--rest_api_port=0"))
    assert message.startswith(f"SFT705  no model can be served: {MODEL}: ")


def test_an_open_server_is_warned_of(capsys: pytest.CaptureFixture[str]) -> None:
    for host, warned in (("127.0.0.1", False), ("::1", False), ("localhost", False), ("0.0.0.0", True)):
        serve._warn_if_open(ServeConfig(host=host), None, None)
        assert ("can be reached from other machines" in capsys.readouterr().out) == warned
