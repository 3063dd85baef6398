"""`sftkeras.predict` for files of conversations: an export in a process, a server over gRPC and one over REST."""

from __future__ import annotations

import csv
import json
import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_conversations import conversations
from tiny_served import RunningServer

from sftkeras import predict
from sftkeras.command_line import commands
from sftkeras.config import DataConfig, PredictConfig
from sftkeras.conversations import Conversation
from sftkeras.data.formats.sources import find_source
from sftkeras.data.labels.conversations.forms import find_form
from sftkeras.data.labels.conversations.rows import conversation_blocks
from sftkeras.errors import SFTError
from sftkeras.prediction import backends
from sftkeras.serving.client import Client
from sftkeras.serving.rest_server import RestOptions

DRAWN = ("--generate.temperature=1.5", "--generate.seed=7", "--generate.max_new_tokens=6", '--generate.stop=["e"]')
QUESTION = "how is the film?"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, tiny_generating_version: Path) -> Iterator[RunningServer]:
    models = tmp_path_factory.mktemp("models")
    shutil.copytree(tiny_generating_version, models / "tiny" / "1")
    with RunningServer(models, rest=RestOptions(port=0)) as server:
        yield server


class Process:
    """Stands for the process of a local export: the server's version runs its signatures."""

    runs = 0  # of `generate`
    most: int | None = None  # so many; the next one is killed

    def __init__(self, client: Client) -> None:
        self._client = client

    def load(self, version: Path) -> None:
        pass

    def close(self) -> None:
        pass

    def run(self, signature: str, inputs: dict[str, Any], outputs: Sequence[str]) -> dict[str, np.ndarray]:
        self.runs += signature == "generate"
        if self.most is not None and self.runs > self.most:
            raise KeyboardInterrupt
        found = self._client.predict(inputs, signature)
        plain = {name: np.array([one.decode() for one in found[name]]) for name in ("text",)}
        return {name: plain.get(name, found[name]) for name in outputs}


@pytest.fixture
def process(server: RunningServer, monkeypatch: pytest.MonkeyPatch) -> Iterator[Process]:
    with Client.grpc(server.address, model="tiny") as client:
        process = Process(client)
        monkeypatch.setattr(backends, "PredictionProcess", lambda gpu: process)
        monkeypatch.setattr(backends, "check_weights", lambda version, contract: None)
        yield process


@pytest.fixture
def local(process: Process, tmp_path: Path, tiny_generating_version: Path) -> tuple[str, ...]:
    """The words that name a local export."""
    version = tmp_path / "tiny" / "1"
    facts = Path("assets.extra", "generation.json")
    (version / facts.parent).mkdir(parents=True)
    shutil.copy(tiny_generating_version / facts, version / facts)
    (version / "saved_model.pb").touch()
    contract = {"schema": 1, "name": "tiny", "task": {"kind": "chat"}, "max_length": 32, "pairs": False}
    contract |= {"signatures": {}, "origin": {}, "weights_sha256": "0" * 64}
    (version / "contract.json").write_text(json.dumps(contract))
    return ("--model", str(version.parent))


def run(*words: str | Path) -> None:
    predict.main(commands.parse(PredictConfig, list(map(str, words))))


def answers(folder: Path, *words: str | Path) -> list[dict[str, Any]]:
    """What is predicted, in a file that is read again."""
    output = folder / "answers.jsonl"
    run(*words, "--output", output)
    assert not list(folder.glob("*.part"))
    return [json.loads(line) for line in output.read_text("utf-8").splitlines()]


def generated(records: list[dict[str, Any]]) -> list[Any]:
    return [
        {name: record[name] for name in ("generated", "ended", "prompt_tokens", "new_tokens")} for record in records
    ]


def write_rows(path: Path, rows: list[dict[str, Any]]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), "utf-8")
    return path


def asked() -> list[dict[str, Any]]:
    """Conversations with ids, of one turn and two, the last of which ends with a question."""
    rows = [{"id": f"row {number}", **row} for number, row in enumerate(conversations(10))]
    return [*rows, {"id": "open", "messages": [{"role": "system", "content": "x"}, {"role": "user", "content": "hi"}]}]


def test_a_server_answers_a_file_of_conversations_as_the_local_export(
    server: RunningServer, local: tuple[str, ...], tmp_path: Path
) -> None:
    file = write_rows(tmp_path / "in.jsonl", asked())
    expected = answers(tmp_path, *local, *DRAWN, "--file", file)
    assert [record["id"] for record in expected] == [row["id"] for row in asked()]
    assert [record["messages"] for record in expected] == [row["messages"] for row in asked()]
    assert [record["text"] for record in expected[:2]] == ["why?", "how is the film 1?"]
    assert any(record["generated"] for record in expected)
    assert not any("e" in record["generated"] for record in expected)
    assert max(record["new_tokens"] for record in expected) <= 6
    for words in (("--grpc", server.address), ("--rest", f"http://localhost:{server.rest_port}")):
        found = answers(tmp_path, *words, "--name", "tiny", *DRAWN, "--file", file, "--batch_size", "4")
        assert found == expected


def test_the_forms_that_training_reads_ask_the_same(local: tuple[str, ...], tmp_path: Path) -> None:
    forms: dict[str, list[dict[str, Any]]] = {
        "messages": [{"messages": [{"role": "user", "content": QUESTION}]}],
        "sharegpt": [{"conversations": [{"from": "human", "value": QUESTION}, {"from": "gpt", "value": "good"}]}],
        "alpaca": [{"instruction": "how is", "input": "the film?", "output": "good"}],
        "prompt": [{"prompt": QUESTION}],
        "named": [{"frage": QUESTION}],
    }
    for name, rows in forms.items():
        write_rows(tmp_path / f"{name}.jsonl", rows)
    with (tmp_path / "pairs.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["question", "answer", "id"], [QUESTION, "good", "7"]])
    (tmp_path / "lines.txt").write_text(f"{QUESTION}\n")
    alpaca = QUESTION.replace("is the", "is\nthe")
    expected = generated(answers(tmp_path, *local, "--file", tmp_path / "lines.txt", "--generate.max_new_tokens=8"))
    for file in ("messages.jsonl", "sharegpt.jsonl", "alpaca.jsonl", "prompt.jsonl", "named.jsonl", "pairs.csv"):
        words = ("--text", "frage") if file == "named.jsonl" else ()
        found = answers(tmp_path, *local, "--file", tmp_path / file, "--generate.max_new_tokens=8", *words)
        assert found[0]["text"] == (alpaca if file == "alpaca.jsonl" else QUESTION)
        assert generated(found) == expected or file == "alpaca.jsonl"
        if file == "pairs.csv":
            assert (found[0]["id"], found[0]["input_answer"]) == ("7", "good")


@pytest.mark.parametrize("torn", [b"", b'{"asked": "to'])
def test_a_command_that_was_killed_continues_to_the_same_output(
    process: Process, local: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture, torn: bytes
) -> None:
    file = write_rows(tmp_path / "in.jsonl", asked())
    words = (*local, *DRAWN, "--file", file, "--batch_size", "2")
    expected = answers(tmp_path, *words)
    batches, process.runs, process.most = process.runs, 0, 3
    with pytest.raises(KeyboardInterrupt):
        answers(tmp_path, *words)
    part = tmp_path / "answers.jsonl.part"
    assert f"{part} keeps what was predicted" in capsys.readouterr().err
    with (part / "batches.jsonl").open("ab") as kept:
        kept.write(torn)
    process.runs, process.most = 0, None
    with pytest.raises(
        SFTError, match=r"SFT656 .*answers.jsonl.part .*has generate.seed 8, not 7\. Repeat that command"
    ):
        answers(tmp_path, *words, "--generate.seed=8")
    changed = write_rows(tmp_path / "changed.jsonl", asked()[1:])
    with pytest.raises(SFTError, match=r"SFT656 .*reads other texts"):
        answers(tmp_path, *words, "--file", changed)
    assert process.runs == 0
    assert answers(tmp_path, *words) == expected
    assert process.runs == batches - 3  # none twice


def test_answers_are_written_as_conversations_that_training_reads(
    server: RunningServer, local: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    file = write_rows(tmp_path / "in.jsonl", asked())
    records = answers(tmp_path, *local, *DRAWN, "--file", file)
    whole = [record for record in records if record["ended"] and record["generated"].strip()]
    assert 0 < len(whole) < len(records)
    capsys.readouterr()
    for words in (local, ("--grpc", server.address, "--name", "tiny")):
        written = answers(tmp_path, *words, *DRAWN, "--file", file, "--conversations", "true")
        left_out = len(records) - len(whole)
        assert f"{left_out} empty or unfinished answers among 11 rows" in capsys.readouterr().err
        source, config = find_source(str(tmp_path / "answers.jsonl"), "train"), DataConfig()
        blocks = [*conversation_blocks(source, find_form(source, config), config)]
        assert not any(block.broken for block in blocks)
        read = [Conversation.from_json(text) for block in blocks for text in block.columns[config.text_column]]
        assert [one.last_answer for one in read] == [record["generated"] for record in whole]
        for one, record in zip(written, whole, strict=True):
            before = record["messages"]
            assert one["messages"][:-1] == (before[:-1] if before[-1]["role"] == "assistant" else before)
    with pytest.raises(SFTError, match=r"SFT104 .*--output is missing"):
        run(*local, QUESTION, "--conversations", "true")


def test_rows_that_ask_nothing_are_named_or_left_out(local: tuple[str, ...], tmp_path: Path) -> None:
    rows = [{"messages": [{"role": "user", "content": "hi"}]}, {"messages": [{"role": "assistant", "content": "hi"}]}]
    file = write_rows(tmp_path / "in.jsonl", rows)
    with pytest.raises(SFTError, match=r"SFT262 .*in.jsonl line 2: no message asks anything"):
        answers(tmp_path, *local, "--file", file)
    assert not list(tmp_path.glob("*.part"))
    assert len(answers(tmp_path, *local, "--file", file, "--data.bad_rows=skip")) == 1


def test_what_a_model_cannot_take_is_said(
    server: RunningServer, local: tuple[str, ...], tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    call = {"function": {"name": "clock", "arguments": {}}}
    told = [{"role": "assistant", "content": "", "tool_calls": [call]}, {"role": "tool", "content": "noon"}]
    file = write_rows(tmp_path / "in.jsonl", [{"messages": [{"role": "user", "content": "when?"}, *told]}])
    with pytest.raises(SFTError, match=r"SFT659 .*ends with 'noon': it has tools\. Only a local export renders them"):
        answers(tmp_path, "--grpc", server.address, "--name", "tiny", "--file", file)
    (tmp_path / "in.txt").write_text("hi\n" + "the film " * 100)
    found = answers(tmp_path, *local, "--file", tmp_path / "in.txt", "--generate.max_new_tokens=2")
    assert [bool(record["new_tokens"]) for record in found] == [True, False]
    assert "1 text among 2 rows (in.txt line 2): it is longer than the model reads." in capsys.readouterr().err.replace(
        f"{tmp_path}/", ""
    )
