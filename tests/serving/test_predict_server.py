from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import canned_server
import numpy as np
import pytest
from canned_server import Canned
from grpc import StatusCode

from sftkeras import predict
from sftkeras.command_line import commands
from sftkeras.config import PredictConfig
from sftkeras.errors import SFTError
from sftkeras.prediction import backends
from sftkeras.prediction.predictor import load

TEXTS = ["good film", "bad, bad film"]


def run(*words: str) -> None:
    predict.main(commands.parse(PredictConfig, words))


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


@pytest.fixture
def canned() -> Canned:
    return Canned()


@pytest.fixture(params=["--grpc", "--rest"])
def server(request: pytest.FixtureRequest, canned: Canned) -> Iterator[tuple[str, ...]]:
    """The words that name a running server and its model."""
    serve = canned_server.grpc_server if request.param == "--grpc" else canned_server.rest_server
    with serve(canned) as address:
        yield (request.param, address, "--name", "tiny")


def test_texts_are_answered_by_a_server(server: tuple[str, ...], capsys: pytest.CaptureFixture) -> None:
    run(*server, *TEXTS)
    answers = lines(capsys.readouterr().out)
    assert [(answer["text"], answer["label"]) for answer in answers] == [(TEXTS[0], "good"), (TEXTS[1], "bad")]
    assert list(answers[0]["probabilities"]) == ["bad", "good"]


def test_a_program_loads_a_model_by_its_address(server: tuple[str, ...], capsys: pytest.CaptureFixture) -> None:
    flag, address, _, name = server
    run(*server, *TEXTS)
    printed = lines(capsys.readouterr().out)
    with load(f"grpc://{address}/{name}" if flag == "--grpc" else f"{address}/{name}", token="secret") as model:
        assert model(TEXTS) == printed


def test_a_server_is_opened_by_one_address(server: tuple[str, ...], canned: Canned) -> None:
    flag, address, _, name = server
    with backends.open_model(f"grpc://{address}/{name}" if flag == "--grpc" else f"{address}/{name}") as model:
        assert not model.pairs
        assert model.predict(TEXTS)["label"].tolist() == ["good", "bad"]
        canned.fail = lambda call: (StatusCode.RESOURCE_EXHAUSTED, "because")
        with pytest.raises(SFTError, match=r"SFT664  --model .*because"):
            model.predict(TEXTS)


def test_files_are_answered_in_batches(
    server: tuple[str, ...], canned: Canned, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "in.csv").write_text("review\n" + "".join(f"{'good' * (row % 2)} {row}\n" for row in range(50)))
    run(*server, "--file", str(tmp_path / "in.csv"), "--text", "review", "--batch_size", "20")
    answers = lines(capsys.readouterr().out)
    assert [answer["label"] for answer in answers] == ["bad", "good"] * 25
    assert sorted(map(len, canned.batches)) == [10, 20, 20]


def test_pairs_are_taken_from_two_columns(tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "in.csv").write_text("text,reply\ngood,film\nbad,one\n")
    with canned_server.grpc_server(Canned(takes=("text", "pair"))) as address:
        run("--grpc", address, "--name", "tiny", "--file", str(tmp_path / "in.csv"), "--pair", "reply")
        assert [answer["pair"] for answer in lines(capsys.readouterr().out)] == ["film", "one"]
        with pytest.raises(SFTError, match=r"SFT651  --grpc .*: this model takes pairs of texts"):
            run("--grpc", address, "--name", "tiny", "text")


def test_pipe_is_answered_while_it_is_open_and_without_tensorflow(server: tuple[str, ...]) -> None:
    code = (
        "import sys; from sftkeras import predict; from sftkeras.command_line import commands;"
        "from sftkeras.config import PredictConfig;"
        "predict.main(commands.parse(PredictConfig));"
        "print([name for name in ('tensorflow', 'keras') if name in sys.modules])"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, *server, "--file", "-"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin
        assert process.stdout
        for text in ("good one", "bad one"):
            process.stdin.write(f"{text}\n")
            process.stdin.flush()
            assert json.loads(process.stdout.readline())["text"] == text
        process.stdin.write("no line break at the end")
        process.stdin.close()
        *rest, modules = process.stdout.read().splitlines()
    assert [json.loads(line)["text"] for line in rest] == ["no line break at the end"]
    assert modules == "[]"
    assert process.returncode == 0


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (StatusCode.UNAVAILABLE, "SFT660 .*because"),
        (StatusCode.NOT_FOUND, "SFT662 .*because.*--name"),
        (StatusCode.UNAUTHENTICATED, "SFT663 .*because.*--token_file"),
        (StatusCode.RESOURCE_EXHAUSTED, "SFT664 .*RESOURCE_EXHAUSTED: because"),
    ],
)
def test_failures_have_a_code_and_a_remedy(
    server: tuple[str, ...], canned: Canned, status: StatusCode, code: str
) -> None:
    canned.fail = lambda call: (status, "because")
    with pytest.raises(SFTError, match=code):
        run(*server, "text")


def test_model_of_other_inputs_is_not_asked(server: tuple[str, ...], canned: Canned) -> None:
    canned.takes = ("image",)
    with pytest.raises(SFTError, match=r"SFT665 .*model tiny takes image, not texts"):
        run(*server, "text")


def test_slow_server_is_given_up(server: tuple[str, ...], canned: Canned) -> None:
    ended = threading.Event()
    canned.before = lambda call: ended.wait(300)
    try:
        with pytest.raises(SFTError, match=r"SFT661 .*within 0.2 seconds"):
            run(*server, "--timeout", "0.2", "text")
    finally:
        ended.set()


def test_token_comes_from_a_file(server: tuple[str, ...], canned: Canned, tmp_path: Path) -> None:
    (tmp_path / "token").write_text("secret\n")
    run(*server, "--token_file", str(tmp_path / "token"), "good")
    assert canned.headers[0]["authorization"] == "Bearer secret"
    with pytest.raises(SFTError, match=r"SFT667 .*nowhere: No such file"):
        run(*server, "--token_file", str(tmp_path / "nowhere"), "good")
    for text in ("\n", "schlüssel"):
        (tmp_path / "token").write_text(text)
        with pytest.raises(SFTError, match=r"SFT667 .*token holds no token"):
            run(*server, "--token_file", str(tmp_path / "token"), "good")


@pytest.mark.parametrize(
    ("words", "code"),
    [
        (["text"], "SFT104  --model"),
        (["--grpc", "localhost:1", "text"], "SFT104  --name"),
        (["--grpc", "localhost:1", "--rest", "http://localhost:1", "text"], "SFT102  --rest: --grpc names"),
        (["--model", "m", "--grpc", "localhost:1", "text"], "SFT102  --grpc: --model names"),
        (["--model", "m", "--name", "n", "text"], "SFT102  --name: is for a server"),
        (["--model", "m", "--version", "0", "text"], "SFT102  --version: is for a server"),
        (["--model", "m", "--parity", "p", "text"], "SFT102  --parity: is for a server"),
        (["--rest", "localhost:1", "--name", "n", "text"], "SFT102  --rest: localhost:1 is no address"),
        (["--rest", "http://l:http", "--name", "n", "text"], "SFT102  --rest: http://l:http is no address"),
        (["--grpc", "l:1", "--name", "n", "--version", "1", "--version_label", "a", "x"], "SFT102  --version_label"),
        (["--grpc", "l:1", "--name", "n", "--tls_ca", "/nowhere", "text"], "SFT667 .*/nowhere"),
    ],
)
def test_settings_that_do_not_go_together_are_refused(words: Sequence[str], code: str) -> None:
    with pytest.raises(SFTError, match=code):
        run(*words)


@pytest.fixture
def local(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A version that answers as the canned server does."""

    class Local:
        def load(self, version: Path) -> None:
            pass

        def predict(self, texts: Sequence[str], pairs: Sequence[str] | None, batch_size: int) -> dict[str, np.ndarray]:
            found = Canned().answer("serving_default", {"text": np.array([text.encode() for text in texts], object)})
            return {
                name: array.astype("S").astype("U") if array.dtype == object else array for name, array in found.items()
            }

        def close(self) -> None:
            pass

    monkeypatch.setattr(backends, "PredictionProcess", lambda gpu: Local())
    version = tmp_path / "tiny" / "1"
    (version / "variables").mkdir(parents=True)
    (version / "saved_model.pb").touch()
    (version / "variables" / "variables.data-00000-of-00001").touch()
    contract = {"schema": 1, "name": "tiny", "task": {}, "max_length": 8, "pairs": False, "signatures": {}}
    contract |= {"origin": {"data": {"text": "review"}}, "weights_sha256": sha256(b"").hexdigest()}
    (version / "contract.json").write_text(json.dumps(contract))
    return str(version.parent)


def test_parity_ends_with_the_largest_difference(
    server: tuple[str, ...], canned: Canned, local: str, capsys: pytest.CaptureFixture
) -> None:
    canned.off_by = 1e-6
    run(*server, "--parity", local, *TEXTS)
    said = capsys.readouterr()
    assert len(lines(said.out)) == 2
    assert "2 texts answered as" in said.err
    assert 0.5e-6 < float(said.err.split()[-1]) < 2e-6


@pytest.mark.parametrize(
    ("off_by", "difference"),
    [(0.05, r"probabilit\w+ of 'bad, bad film' is 0\.75"), (-0.6, "label of 'good film' is bad, not good")],
)
def test_server_that_answers_otherwise_is_an_error(
    server: tuple[str, ...], canned: Canned, local: str, off_by: float, difference: str
) -> None:
    canned.off_by = off_by
    with pytest.raises(SFTError, match=f"SFT666 .*{difference}"):
        run(*server, "--parity", local, *TEXTS)


def test_parity_reads_the_columns_of_the_training_data(server: tuple[str, ...], local: str, tmp_path: Path) -> None:
    (tmp_path / "in.csv").write_text("review\ngood\n")
    run(*server, "--parity", local, "--file", str(tmp_path / "in.csv"))
