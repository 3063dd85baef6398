from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import forked
import pyarrow.parquet as pq
import pytest
from tiny_models import Exported

from sftkeras import predict
from sftkeras.command_line import commands
from sftkeras.config import PredictConfig
from sftkeras.errors import SFTError
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.prediction import backends

Run = Callable[..., None]

TEXTS = ["good film", "bad, bad film", "été\tnot\u001b[31m red"]


def command(*words: str, stdin: str | None = None) -> subprocess.CompletedProcess[str]:
    return forked.run([sys.executable, "-m", "sftkeras.predict", *words], input=stdin or "")


@pytest.fixture
def run(process: PredictionProcess, monkeypatch: pytest.MonkeyPatch) -> Run:
    """The command without the seconds that a process of its own takes to start."""
    monkeypatch.setattr(backends, "PredictionProcess", lambda gpu: process)
    monkeypatch.setattr(process, "close", lambda: None)
    return lambda *words: predict.main(commands.parse(PredictConfig, words))


def lines(text: str) -> list[dict]:
    return [json.loads(line) for line in text.splitlines()]


def test_command_answers_bare_words_in_json_lines_when_piped(classifier: Exported) -> None:
    done = command("--model", str(classifier.path.parent), *TEXTS[:2])
    assert (done.returncode, done.stderr) == (0, "")
    answers = lines(done.stdout)
    assert [answer["text"] for answer in answers] == TEXTS[:2]
    for answer in answers:
        assert answer["probability"] == max(answer["probabilities"].values())
        assert list(answer["probabilities"]) == classifier.text_model.task.settings()["label_names"]


def test_json_lines_are_utf8_whatever_the_terminal_is(classifier: Exported) -> None:
    words = [sys.executable, "-m", "sftkeras.predict", "--model", str(classifier.path), "été"]
    environment = os.environ | {"PYTHONIOENCODING": "latin-1", "PYTHONUTF8": "0"}
    done = subprocess.run(words, capture_output=True, check=True, env=environment)
    (answer,) = lines(done.stdout.decode("utf-8"))
    assert answer["text"] == "été"
    assert "très bon" in answer["probabilities"]


def test_an_output_that_cannot_be_written_is_told_before_any_text_is_answered(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    for output in (tmp_path / "file" / "answers.jsonl", tmp_path / "missing" / "answers.jsonl", tmp_path):
        words = ["--model", "nowhere", "text", "--output", str(output)]
        with pytest.raises(SFTError, match=r"SFT106 .*--output"):
            predict.main(commands.parse(PredictConfig, words))


def test_empty_texts_are_counted(classifier: Exported, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "in.csv").write_text("review,other\ngood,1\n,2\n  ,3\n")
    run("--model", str(classifier.path), "--file", str(tmp_path / "in.csv"))
    captured = capsys.readouterr()
    assert len(lines(captured.out)) == 3
    file = tmp_path / "in.csv"
    assert captured.err.startswith(f"2 empty texts among 3 rows ({file} line 3, {file} line 4): their answers mean")


def test_mistakes_are_told_at_once_in_one_line(classifier: Exported, tmp_path: Path) -> None:
    (tmp_path / "bad.txt").write_bytes(b"fine\nbad \xff byte\n")
    (tmp_path / "other.csv").write_text("review\nfine\n")
    for words, code in [
        ([], "SFT650"),
        (["text", "--file", "x.csv"], "SFT650"),
        (["text", "--pair", "b"], "SFT651"),
        (["--file", "no.csv"], "SFT201"),
        (["--file", "no.txt"], "SFT201"),
        (["--file", str(tmp_path / "bad.txt")], r"SFT653  .*bad.txt line 2"),
        (["--file", str(tmp_path / "other.csv"), "--text", "nothing"], r'SFT204 .*"nothing" \(--text\)'),
    ]:
        with pytest.raises(SFTError, match=code):
            predict.main(commands.parse(PredictConfig, ["--model", str(classifier.path), *words]))
    done = command("--model", "nowhere", "text")
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith("SFT501")
    assert done.stderr.count("\n") == 1


def test_parent_needs_neither_tensorflow_nor_keras() -> None:
    code = "import sftkeras.predict, sys; print([m for m in ('tensorflow', 'keras') if m in sys.modules])"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True).stdout == "[]\n"


@pytest.mark.parametrize("name", ["in.csv", "in.tsv", "in.jsonl", "in.txt", "-"])
def test_every_row_of_a_file_is_answered_in_order(
    classifier: Exported,
    run: Run,
    tmp_path: Path,
    capsys: pytest.CaptureFixture,
    monkeypatch: pytest.MonkeyPatch,
    name: str,
) -> None:
    texts = [text.replace("\t", " ") for text in TEXTS]
    rows = {
        "in.csv": "review\n" + "".join(f'"{text}"\n' for text in texts),
        "in.tsv": "review\n" + "".join(f"{text}\n" for text in texts),
        "in.jsonl": "".join(json.dumps({"review": text}) + "\n" for text in texts),
    }.get(name, "\n".join(texts))
    if name == "-":
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(rows.encode())))
    else:
        (tmp_path / name).write_text(rows, encoding="utf-8")
        name = str(tmp_path / name)
    run("--model", str(classifier.path), "--file", name)  # the column is known from training
    answers = lines(capsys.readouterr().out)
    assert [answer["text"] for answer in answers] == texts


def test_row_without_a_text_is_named(classifier: Exported, run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.jsonl").write_text('{"review": "fine"}\n{"review": null}\n')
    with pytest.raises(SFTError, match=r"SFT652  .*in.jsonl line 2: no text in column review"):
        run("--model", str(classifier.path), "--file", str(tmp_path / "in.jsonl"))


def test_output_file_appears_whole_or_not_at_all(classifier: Exported, run: Run, tmp_path: Path) -> None:
    (tmp_path / "in.txt").write_text("one\ntwo\n")
    output = tmp_path / "answers.jsonl"
    run("--model", str(classifier.path), "--file", str(tmp_path / "in.txt"), "--output", str(output))
    before = output.read_text()
    assert [answer["text"] for answer in lines(before)] == ["one", "two"]
    (tmp_path / "in.txt").write_bytes(b"one\n" * 5000 + b"\xff\n")  # found only after a first block was answered
    with pytest.raises(SFTError, match=r"SFT653 .*line 5001"):
        run("--model", str(classifier.path), "--file", str(tmp_path / "in.txt"), "--output", str(output))
    assert output.read_text() == before
    with pytest.raises(SFTError, match=r"SFT106 .*--output"):
        run("--model", str(classifier.path), "text", "--output", str(tmp_path / "in.txt" / "answers.jsonl"))
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.jsonl", "answers.jsonl.part", "in.txt"]


def test_what_was_predicted_before_a_command_stopped_is_not_predicted_again(
    classifier: Exported, run: Run, process: PredictionProcess, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file, output, predicted = tmp_path / "in.txt", tmp_path / "answers.csv", []
    stock = process.run_each

    def run_each(signature: str, batches: Iterable, outputs: Any = None) -> Iterator:
        for batch, found in zip(batches := list(batches), stock(signature, batches, outputs), strict=True):
            predicted.append(len(batch["text"]))
            yield found

    monkeypatch.setattr(process, "run_each", run_each)
    words = ("--model", str(classifier.path), "--file", str(file), "--output", str(output), "--batch_size", "1024")
    rows = [b"good " * (row % 3) + b"film %d" % row for row in range(5001)]
    file.write_bytes(b"\n".join([*rows[:-1], b"\xff"]))  # found after the first block of 4,096 rows
    with pytest.raises(SFTError, match=r"SFT653 .*line 5001"):
        run(*words)
    assert predicted == [1024] * 4
    file.write_bytes(b"\n".join(rows))
    run(*words)
    assert predicted == [1024] * 4 + [905]
    with output.open(newline="", encoding="utf-8") as read:
        assert [row["text"].encode() for row in csv.DictReader(read)] == rows
    assert sorted(path.name for path in tmp_path.iterdir()) == ["answers.csv", "in.txt"]


def test_the_other_columns_of_a_row_stand_beside_its_answer(
    classifier: Exported, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "in.csv").write_text("id,review,label,,entities\n7,good,right,x,1\n8,bad,wrong,y,2\n")
    run("--model", str(classifier.path), "--file", str(tmp_path / "in.csv"))
    answers = lines(capsys.readouterr().out)
    assert [answer["id"] for answer in answers] == ["7", "8"]
    assert [answer["input_label"] for answer in answers] == ["right", "wrong"]
    assert [answer["column4"] for answer in answers] == ["x", "y"]
    assert list(answers[0])[:6] == ["text", "id", "input_label", "column4", "input_entities", "label"]
    assert "review" not in answers[0]


def test_keys_that_come_late_in_a_file_are_kept_too(
    classifier: Exported, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    rows = [{"review": "good", "id": row} for row in range(5000)] + [{"review": "bad", "id": 5000, "note": [1]}]
    (tmp_path / "in.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    run("--model", str(classifier.path), "--file", str(tmp_path / "in.jsonl"), "--batch_size", "512")
    answers = lines(capsys.readouterr().out)
    assert [answer["id"] for answer in answers] == list(range(5001))
    assert answers[-1]["note"] == [1]


@pytest.mark.parametrize("ending", ["jsonl", "ndjson", "json", "csv", "tsv", "parquet"])
def test_the_ending_of_the_output_says_its_format(classifier: Exported, run: Run, tmp_path: Path, ending: str) -> None:
    (tmp_path / "in.jsonl").write_text('{"id": 1, "review": "good, \\t film"}\n{"id": 2, "review": "bad"}\n')
    output = tmp_path / f"answers.{ending}"
    run("--model", str(classifier.path), "--file", str(tmp_path / "in.jsonl"), "--output", str(output))
    read = {
        "jsonl": lambda: lines(output.read_text()),
        "ndjson": lambda: lines(output.read_text()),
        "json": lambda: json.loads(output.read_text()),
        "csv": lambda: list(csv.DictReader(output.open(newline=""))),
        "tsv": lambda: list(csv.DictReader(output.open(newline=""), delimiter="\t")),
        "parquet": lambda: pq.read_table(output).to_pylist(),
    }[ending]
    answers = read()
    assert [str(answer["id"]) for answer in answers] == ["1", "2"]
    assert [answer["text"] for answer in answers] == ["good, \t film", "bad"]
    probabilities = answers[0]["probabilities"]
    if ending in ("csv", "tsv"):  # a cell holds JSON
        probabilities = json.loads(probabilities)
    assert probabilities[answers[0]["label"]] == pytest.approx(float(answers[0]["probability"]))
    assert list(answers[0]) == ["text", "id", "label", "probability", "probabilities"]


def test_an_ending_that_says_no_format_is_refused_before_the_model_is_looked_for(tmp_path: Path) -> None:
    for name in ("answers.xlsx", "answers", "answers.csv.gz"):
        words = ["--model", "nowhere", "text", "--output", str(tmp_path / name)]
        with pytest.raises(SFTError, match=r"SFT654  --output .*Known endings: .*\.csv"):
            predict.main(commands.parse(PredictConfig, words))


def test_rows_at_fault_are_left_out_and_counted_if_that_is_asked_for(
    classifier: Exported, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "in.csv").write_bytes(b"id,review\n1,good\n2,too,many\n3,b\xffd\n4,\n5,fine\n6,\n")
    words = ("--model", str(classifier.path), "--file", str(tmp_path / "in.csv"))
    with pytest.raises(SFTError, match=r"SFT206  .*in.csv line 3: .*--data\.bad_rows skip"):
        run(*words)
    capsys.readouterr()
    run(*words, "--data.bad_rows", "skip")
    captured = capsys.readouterr()
    assert [answer["id"] for answer in lines(captured.out)] == ["1", "5"]
    told = captured.err.splitlines()
    assert [line.split()[0] for line in told] == ["SFT206", "SFT653", "SFT652"]
    assert "in.csv line 5: no text in column review. 1 more such: line 7. Skipped." in told[2]


def test_a_file_is_read_as_its_flags_say(
    classifier: Exported, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    text = "这部电影非常好看"
    (tmp_path / "in.dat").write_bytes(f"7;{text}\n".encode("gb18030"))
    model, file = ("--model", str(classifier.path)), ("--file", str(tmp_path / "in.dat"))
    said = ("--data.format", "csv", "--data.delimiter", ";", "--data.columns", "id,review")
    run(*model, *file, *said, "--data.encoding", "gb18030")
    (answer,) = lines(capsys.readouterr().out)
    assert (answer["id"], answer["text"]) == ("7", text)
    (tmp_path / "in.txt").write_bytes(f"{text}\n\n{text}".encode("gb18030"))
    run(*model, "--file", str(tmp_path / "in.txt"), "--data.encoding", "gb18030")
    assert [answer["text"] for answer in lines(capsys.readouterr().out)] == [text, "", text]


def test_the_texts_of_a_label_studio_export_are_read_as_its_tasks_have_them(
    classifier: Exported, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    done = [{"result": [{"value": {"choices": ["good"]}}]}]
    tasks = [
        {"id": 1, "data": {"review": "good film", "source": "a"}, "annotations": done},
        {"id": 2, "data": {"review": "bad", "label": "x"}, "annotations": []},
    ]
    (tmp_path / "export.json").write_text(json.dumps(tasks))
    run("--model", str(classifier.path), "--file", str(tmp_path / "export.json"))
    answers = lines(capsys.readouterr().out)
    assert [answer["text"] for answer in answers] == ["good film", "bad"]
    assert [(answer["source"], answer["input_label"]) for answer in answers] == [("a", None), (None, "x")]


def test_several_files_are_answered_one_after_another(
    classifier: Exported, run: Run, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    (tmp_path / "b.csv").write_text("review\nbad\n")
    (tmp_path / "a.csv").write_text("review\ngood\n")
    run("--model", str(classifier.path), "--file", str(tmp_path / "*.csv"))
    assert [answer["text"] for answer in lines(capsys.readouterr().out)] == ["good", "bad"]


def test_model_of_pairs_takes_them_from_two_columns(
    exports: Callable[..., Exported], run: Run, tmp_path: Path, capsys: pytest.CaptureFixture
) -> None:
    model = str(exports("regression", pairs=True).path)
    (tmp_path / "in.csv").write_text("review,reply\ngood,film\nbad,\n")
    run("--model", model, "--file", str(tmp_path / "in.csv"), "--pair", "reply")
    answers = lines(capsys.readouterr().out)
    assert [(answer["text"], answer["pair"]) for answer in answers] == [("good", "film"), ("bad", "")]
    run("--model", model, "good", "film", "bad", "plot")
    answers = lines(capsys.readouterr().out)
    assert [(answer["text"], answer["pair"]) for answer in answers] == [("good", "film"), ("bad", "plot")]
    for words in (["text"], ["--file", "-"], ["--file", str(tmp_path / "in.csv")]):
        with pytest.raises(SFTError, match=r"SFT651 .*takes pairs of texts"):
            run("--model", model, *words)


def test_swapped_weights_are_noticed(classifier: Exported, run: Run, tmp_path: Path) -> None:
    version = Path(shutil.copytree(classifier.path, tmp_path / "1"))
    contract = json.loads((version / "contract.json").read_text())
    (version / "contract.json").write_text(json.dumps({**contract, "weights_sha256": "0" * 64}))
    with pytest.raises(SFTError, match="SFT504"):
        run("--model", str(version), "text")
