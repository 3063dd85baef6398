"""What every task keeps to, on its way from rows to a client's answers; see every_task.py for the tasks."""

from __future__ import annotations

import asyncio
import json
import os
import re
import shlex
import sys
import time
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import forked
import h5py
import numpy as np
import pytest
from alike import assert_alike
from every_task import ENTRIES, MANY, OF_THE_GUIDE, TUNED, written
from following_the_guide import write_extended
from tiny_bert import write_tiny_bert
from tiny_chat import write_tiny_decoder

from sftkeras.command_line.commands import parse
from sftkeras.config import EvaluateConfig, PredictConfig, TrainConfig
from sftkeras.serving.client import AsyncClient, Client
from sftkeras.tasks import TASKS

HERE = Path(__file__).parent
ALL = ENTRIES | OF_THE_GUIDE
Answers = dict[str, Any]


def write_weights(folder: Path, model_type: str) -> None:
    """An encoder of this type."""
    write_tiny_bert(folder / model_type)
    path = folder / model_type / "config.json"
    config = json.loads(path.read_text()) | {"model_type": model_type}
    path.write_text(json.dumps(config))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Data and weights of all entries, and the package they are trained with."""
    folder = tmp_path_factory.mktemp("contract")
    write_extended(folder / "package")
    for model_type in ("bert", "ernie"):
        write_weights(folder / "weights", model_type)
    write_tiny_decoder(folder / "weights" / "decoder")
    write_tiny_decoder(folder / "weights" / "untied", tied=False)
    for name, entry in (ALL | TUNED).items():
        (folder / f"{name}.jsonl").write_bytes(written(entry.rows))
    return folder


def run_chain(folder: Path, way: str) -> str:
    """Runs chain.py and returns what it said."""
    environment = os.environ | {"PYTHONPATH": os.pathsep.join([str(folder / "package"), str(HERE.parent)])}
    command = [sys.executable, str(HERE / "chain.py"), str(folder), way]
    done = forked.run(command, cwd=folder, env=environment)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-3000:]
    return done.stdout


@pytest.fixture(scope="module")
def said(folder: Path) -> Iterator[dict[str, Future[str]]]:
    """What each way of the chain said."""
    with ThreadPoolExecutor(1) as pool:  # the second goes on with what the first leaves
        yield {way: pool.submit(run_chain, folder, way) for way in ("whole", "continued")}


@pytest.fixture(params=ALL)
def name(request: pytest.FixtureRequest) -> str:
    return request.param


def ended(folder: Path, said: dict[str, Future[str]], way: str, name: str) -> Path:
    """The folder of a way, once it has ended well for an entry."""
    said[way].result()
    error = folder / way / f"{name}.error"
    assert not error.exists(), error.read_text("utf-8")
    return folder / way


def answers_of(folder: Path, name: str) -> dict[str, Answers]:
    return json.loads((folder / f"{name}.json").read_text("utf-8"))


def weights_of(run: Path) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    with h5py.File(run / "state" / "best.weights.h5") as file:
        file.visititems(lambda _, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    return found


def assert_same(found: Answers, expected: Answers) -> None:
    assert set(found) == set(expected)
    for output, values in expected.items():
        one, other = np.asarray(values), np.asarray(found[output])
        if one.dtype.kind == "f":
            np.testing.assert_allclose(other, one, rtol=1e-4, atol=1e-5, err_msg=output)
        else:
            assert other.tolist() == one.tolist(), output


def test_every_task_has_an_entry() -> None:
    assert {entry.kind for entry in ENTRIES.values()} == set(TASKS)


def test_an_export_answers_as_the_model_that_was_trained(folder: Path, said: dict[str, Future[str]], name: str) -> None:
    answers = answers_of(ended(folder, said, "whole", name), name)
    assert_same(answers["exported"], answers["trained"])
    assert {len(values) for values in answers["exported"].values()} == {len(ALL[name].texts)}


@pytest.mark.parametrize("teacher", ["multi-label", "regression"])
def test_a_run_and_its_export_teach_the_same(folder: Path, said: dict[str, Future[str]], teacher: str) -> None:
    taught = answers_of(ended(folder, said, "whole", teacher), teacher)["taught"]
    np.testing.assert_allclose(taught["export"], taught["run"], rtol=1e-4, atol=1e-5)
    assert np.ptp(taught["run"]) > 0


def test_an_answer_depends_on_its_text_alone(folder: Path, said: dict[str, Future[str]], name: str) -> None:
    answers = answers_of(ended(folder, said, "whole", name), name)
    for alone, among_others in zip(answers["one by one"], answers["together"], strict=True):
        assert_alike(alone, among_others)
    assert set(answers["none"]) == set(answers["exported"])
    assert not any(answers["none"].values())


def test_places_index_the_text_as_it_was_asked(folder: Path, said: dict[str, Future[str]], name: str) -> None:
    answers = answers_of(ended(folder, said, "whole", name), name)["exported"]
    if "start" not in answers:
        return
    entry, found = ALL[name], 0
    shown = answers["answer" if "answer" in answers else "text"]
    for text, *places in zip(entry.pairs or entry.texts, answers["start"], answers["end"], shown, strict=True):
        for start, end, characters in zip(*(np.atleast_1d(place).tolist() for place in places), strict=True):
            if start >= 0:
                assert text[start:end] == characters
                found += bool(characters)
    assert found


def test_a_report_judges_what_the_run_made_and_evaluate_finds_the_same(
    folder: Path, said: dict[str, Future[str]], name: str
) -> None:
    here = ended(folder, said, "whole", name)
    places = (here / "runs" / name, here / "evaluations" / name)
    reports = [json.loads((place / "report.json").read_text("utf-8")) for place in places]
    assert np.isfinite(reports[0]["headline"]["value"])
    assert reports[0]["metrics"] == pytest.approx(reports[1]["metrics"], abs=1e-5, nan_ok=True)
    assert reports[0]["examples"] == reports[1]["examples"]


def test_evaluate_finds_the_figures_of_a_run_in_a_file_of_its_conversations(
    folder: Path, said: dict[str, Future[str]]
) -> None:
    here = ended(folder, said, "whole", "chat")
    places = (here / "runs" / "chat", here / "evaluations" / "chat-file")
    metrics = [json.loads((place / "report.json").read_text("utf-8"))["metrics"] for place in places]
    # What training has of the references is not known of another file.
    expected = {name: value for name, value in metrics[0].items() if name in metrics[1]}
    assert {"perplexity", "chrf", "ended"} <= expected.keys()
    assert metrics[1] == pytest.approx(expected, abs=1e-5, nan_ok=True)


def test_predict_answers_every_row(folder: Path, said: dict[str, Future[str]], name: str) -> None:
    answers = (ended(folder, said, "whole", name) / f"{name}.answers.jsonl").read_text("utf-8").splitlines()
    assert len(answers) == len(ALL[name].rows)
    assert all(len(json.loads(answer)) > 1 for answer in answers)


def test_what_is_printed_to_be_typed_next_can_be_typed(folder: Path, said: dict[str, Future[str]], name: str) -> None:
    here = ended(folder, said, "whole", name)
    part = said["whole"].result().split(f"== {name}\n")[1].split("== ")[0].split("What to type next:\n")[1]
    printed = re.findall(r"^  \S+ -m sftkeras\.(\w+) (.*)$", part, re.MULTILINE)
    assert {command for command, _ in printed} >= {"predict", "evaluate"}
    for command, words in printed:
        parse({"predict": PredictConfig, "evaluate": EvaluateConfig, "train": TrainConfig}[command], shlex.split(words))
    assert (here / f"{name}.next.jsonl").read_text("utf-8").count("\n") >= 1  # that of predict was run


@contextmanager
def served(models: Path, folder: Path) -> Iterator[dict[str, str]]:
    """The addresses of a server that has all models, by protocol."""
    command = [sys.executable, "-m", "sftkeras.serve", "--models", str(models), "--port=0", "--rest_api_port=0"]
    command.append("--generation_slots=64")  # on which the new tokens of one call are bounded: MANY texts have as many
    environment = os.environ | {"PYTHONPATH": str(HERE.parents[1])}
    output = folder / "server.txt"
    with output.open("w") as said, forked.Process(command, stdout=said, stderr=said, env=environment) as process:
        try:
            limit = time.monotonic() + 600
            while len(ports := dict(re.findall(r"(gRPC|REST) .*:(\d+)", output.read_text()))) < 2:
                assert process.poll() is None, output.read_text()
                assert time.monotonic() < limit, output.read_text()
                time.sleep(0.1)
            yield {"grpc": f"localhost:{ports['gRPC']}", "rest": f"http://localhost:{ports['REST']}"}
        finally:
            process.kill()


@pytest.fixture(scope="module")
def addresses(folder: Path, said: dict[str, Future[str]]) -> Iterator[dict[str, str]]:
    said["whole"].result()
    moved = (folder / "whole" / "saved_models").rename(folder / "elsewhere")
    with served(moved, folder) as addresses:
        yield addresses


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
def test_a_server_and_its_client_answer_as_the_model_that_was_trained(
    folder: Path, said: dict[str, Future[str]], addresses: dict[str, str], name: str, protocol: str
) -> None:
    expected = answers_of(ended(folder, said, "whole", name), name)["trained"]
    entry = ALL[name]
    with getattr(Client, protocol)(addresses[protocol], model=name, batch_size=len(entry.texts)) as client:
        found = client.answer_arrays(entry.texts, entry.pairs)
    assert_same({output: array.tolist() for output, array in found.items()}, expected)


# How many texts requests have that are under way at once; a batch of the server holds eight.
SIZES = (MANY, 1, 20, 1, 9, 1, 8, 1)


@pytest.mark.parametrize("protocol", ["grpc", "rest"])
@pytest.mark.parametrize("batch_size", [MANY, 16])
def test_requests_of_any_size_beside_others_are_answered_as_by_a_local_process(
    folder: Path, said: dict[str, Future[str]], addresses: dict[str, str], name: str, protocol: str, batch_size: int
) -> None:
    expected = answers_of(ended(folder, said, "whole", name), name)["many"]
    settings = {"address" if protocol == "grpc" else "url": addresses[protocol], "model": name}
    settings |= {"batch_size": batch_size}
    texts, pairs = ALL[name].many()

    def some(size: int) -> tuple[list[str], list[str] | None]:
        return texts[:size], None if pairs is None else pairs[:size]

    async def ask_at_once() -> list[list[dict[str, Any]]]:
        async with getattr(AsyncClient, protocol)(**settings, concurrency=len(SIZES)) as client:
            return await asyncio.gather(*(client.answer(*some(size)) for size in SIZES))

    with getattr(Client, protocol)(**settings) as client, ThreadPoolExecutor(len(SIZES)) as pool:
        by_threads = list(pool.map(lambda size: client.answer(*some(size)), SIZES))
    for found in (by_threads, asyncio.run(ask_at_once())):
        assert [len(answers) for answers in found] == list(SIZES)
        for answers in found:
            assert_alike(answers, expected[: len(answers)])


@pytest.mark.parametrize("name", ALL | TUNED)
def test_a_killed_run_goes_on_to_the_same_weights_on_two_devices_in_micro_batches(
    folder: Path, said: dict[str, Future[str]], name: str
) -> None:
    """On one device it goes on to the same bits, for which no task makes a difference: see test_resume_fit.py."""
    runs = [ended(folder, said, way, name) / "runs" / name for way in ("whole", "continued")]
    part = said["continued"].result().split(f"== {name}\n")[1].split("== ")[0]
    assert "Continuing the interrupted run: epoch 1, 2 of " in part
    for one, other in zip(*map(weights_of, runs), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-6)
