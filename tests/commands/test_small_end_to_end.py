"""Classification and regression through the real commands: train, evaluate, export, predict agree, and leave the files
they promise.

Each case also sets what the others do not: odd text files, precisions, devices, accumulation, pooling, class weights.
That every task goes this way, in few steps, is the business of tests/contract.
"""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from command_line import Done, run_several
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from tiny_bert import NOUNS, reviews, write_csv
from tiny_runs import tiny_flags

from sftkeras.command_line import commands
from sftkeras.config import TrainConfig, plain
from sftkeras.evaluation.report.mistakes import cut
from sftkeras.exporting.contract import check_weights, read_contract

Rows = list[dict[str, Any]]

EPOCHS, BATCH = 2, 8


# --- data ---


def odd_file(path: Path) -> Rows:
    """A file with a byte order mark, CRLF, line breaks in quotes, emoji, many scripts and a text of a megabyte."""
    rows = reviews()
    odd = [
        "two\r\nlines and a\nthird",
        'she said "good", twice',
        "🎬👩‍👩‍👧 good 🏳️‍🌈 film",
        "这部电影很好看 good مرحبا नमस्ते ﬁlm e\u0301",
        "  outer spaces\t",
        "good " * 200_000,
    ]
    rows += [(text, "positive") for text in odd] + [(f"bad {text}", "negative") for text in odd]
    write_csv(path, rows)
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert b"\r\n" in path.read_bytes()
    return [{"text": text, "label": label} for text, label in rows]


def tags_file(path: Path) -> Rows:
    """Which things is the review about? None, one or several."""
    rows = []
    for number, (text, label) in enumerate(reviews()):
        tags = [
            tag for tag, there in (("film", "film" in text), ("cast", "cast" in text), (label, number % 5)) if there
        ]
        rows.append({"text": text, "label": tags})
    return write_jsonl(path, rows)


def scores_file(path: Path) -> Rows:
    """How many points? In thousands, as prices are."""
    rows = [
        {"text": text, "label": 1000.0 * (1 + 3 * (label == "positive")) + 10 * number}
        for number, (text, label) in enumerate(reviews())
    ]
    return write_jsonl(path, rows)


def with_pairs(rows: Rows, path: Path) -> Rows:
    """The same, with a second text that says nothing."""
    return write_jsonl(path, [{**row, "pair": f"the {NOUNS[at % 8]}"} for at, row in enumerate(rows)])


def write_jsonl(path: Path, rows: Rows) -> Rows:
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return rows


def write_data(case: str, folder: Path) -> tuple[Path, Rows]:
    """Writes the data of a case."""
    if case == "one label":
        path = folder / "data.csv"
        return path, odd_file(path)
    path = folder / "data.jsonl"
    return path, with_pairs(tags_file(path), path) if case == "labels, pairs" else scores_file(path)


# --- cases ---

CASES: dict[str, dict[str, object]] = {
    "one label": {
        "training__precision": "mixed_bfloat16",
        "training__histograms": "true",
        "task__class_weights": "balanced",
        "task__label_smoothing": 0.1,
        "optimizer__name": "adam",
    },
    "labels, pairs": {
        "task__multi_label": "true",
        "task__threshold": 0.4,
        "data__pair": "pair",
        "backbone__pooling": "max",
        "optimizer__schedule": "cosine",
        "training__accumulation": 2,
    },
    "number": {
        "task__kind": "regression",
        "training__devices": 2,
        "training__group_by_length": "false",
        "optimizer__name": "sgd",
    },
}
# The cases of each process: it costs seconds to start one, which can have one number of devices.
PROCESSES = (("one label", "labels, pairs"), ("number",))
REPEATED = ("one label",)
REHEARSED = ("labels, pairs",)


@dataclasses.dataclass(frozen=True)
class Chain:
    """What the commands made of one case."""

    case: str
    folder: Path
    rows: Rows
    words: Sequence[str]
    done: dict[str, Done]

    @property
    def run(self) -> Path:
        return self.folder / "runs" / "tiny"

    @property
    def model(self) -> Path:
        return self.folder / "saved_models" / "tiny"

    @property
    def labels(self) -> list[Any]:
        return [row["label"] for row in self.rows]

    @property
    def answers(self) -> Rows:
        return [json.loads(line) for line in (self.folder / "answers.jsonl").read_text("utf-8").splitlines()]

    def report(self, place: str = "runs/tiny") -> dict[str, Any]:
        return json.loads((self.folder / place / "report.json").read_text("utf-8"))


def plan_calls(case: str, words: Sequence[str], data: Path, folder: Path) -> dict[str, tuple[str, Sequence[str]]]:
    """Trains, predicts the whole file and judges on it; some cases do more."""
    run, model = f"{folder}/runs/tiny", f"{folder}/saved_models/tiny"
    no_intervals = "--report.bootstrap=0"
    calls: dict[str, tuple[str, Sequence[str]]] = {
        "train": ("train", words),
        "predict": ("predict", [f"--model={model}", f"--file={data}", f"--output={folder}/answers.jsonl"]),
        "evaluate": ("evaluate", [f"--model={model}", f"--data={data}", f"--output={folder}/whole", no_intervals]),
    }
    if case in REPEATED:
        calls["evaluate the run"] = ("evaluate", [f"--model={run}", f"--output={folder}/own", no_intervals])
        calls["export"] = ("export", [f"--run={run}"])
    if case in REHEARSED:
        calls["dry run"] = ("train", [*words, "--name=dry", "--dry_run=true"])
    return calls


def work_through(cases: Sequence[str], folder: Path, tiny_bert: Path) -> list[Chain]:
    """Makes all calls of some cases in one process."""
    planned = []
    for case in cases:
        own = folder / case.replace(", ", "-").replace(" ", "-")
        own.mkdir()
        path, rows = write_data(case, own)
        words = tiny_flags(own, tiny_bert, data__train=path, **CASES[case])
        planned.append((Chain(case, own, rows, words, {}), plan_calls(case, words, path, own)))
    done = iter(run_several([call for _, calls in planned for call in calls.values()], cwd=folder))
    return [dataclasses.replace(chain, done={name: next(done) for name in calls}) for chain, calls in planned]


@pytest.fixture(scope="module")
def chains(tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path) -> dict[str, Chain]:
    folders = [tmp_path_factory.mktemp("chain") for _ in PROCESSES]
    with ThreadPoolExecutor(2) as pool:
        made = pool.map(work_through, PROCESSES, folders, [tiny_bert_folder] * len(PROCESSES))
        return {chain.case: chain for chains in made for chain in chains}


@pytest.fixture(params=CASES)
def chain(request: pytest.FixtureRequest, chains: dict[str, Chain]) -> Chain:
    return chains[request.param]


# --- promises ---


def test_every_command_ends_well_and_silently_on_standard_error(chain: Chain) -> None:
    for command, done in chain.done.items():
        assert (done.returncode, done.stderr) == (0, ""), f"{command}: {done.stdout}{done.stderr}"
    assert f"python -m sftkeras.predict --model {chain.model}" in chain.done["train"].stdout


def settings_of(chain: Chain) -> TrainConfig:
    """The settings that a run was given, and the precision of a short training where they leave it open."""
    config = commands.parse(TrainConfig, chain.words)
    precision = "float32" if config.training.precision == "auto" else config.training.precision
    return dataclasses.replace(config, training=dataclasses.replace(config.training, precision=precision))


def test_the_run_folder_has_what_is_promised(chain: Chain) -> None:
    for name in ("config.yaml", "state/best.weights.h5", "log.txt", "report.json", "report.md", "report.html"):
        assert (chain.run / name).stat().st_size, name
    assert commands.parse(TrainConfig, ["--config", str(chain.run / "config.yaml")]) == settings_of(chain)
    assert not list(chain.run.rglob(".*"))
    log = (chain.run / "log.txt").read_text("utf-8")
    for line in ("Data check", f"epoch {EPOCHS}/{EPOCHS}", "Best epoch: ", "What to type next:"):
        assert line in log


def test_the_report_has_the_promised_keys(chain: Chain) -> None:
    report = chain.report()
    promised = {"task", "examples", "metrics", "per_class", "baselines", "confusion", "seconds", "examples_per_second"}
    assert promised | {"export", "versions"} <= set(report)
    assert report["task"] == ("regression" if chain.case.startswith("number") else "classification")
    assert sum(report["examples"].values()) == len(chain.rows)
    assert report["export"]["path"] == str(chain.model / "1")
    assert report["export"]["version"] == 1
    assert report["export"]["parity"] <= 1e-4
    assert report["export"]["size_ratio"] > 0
    assert report["baselines"]
    assert {"data", "setup", "train", "export", "judge"} <= set(report["seconds"])
    assert len(report["history"]) == EPOCHS
    assert report["config"] == plain(settings_of(chain))


def test_timeline_has_the_parts_of_the_run_one_after_the_other(chain: Chain) -> None:
    timeline = chain.report()["timeline"]
    names = [part["name"] for part in timeline["parts"]]
    stages = ["start", "data", "setup", "baselines", "train", "tune", "export", "judge", "report"]
    assert [*dict.fromkeys(names)] == stages
    ends = [0.0, *(part["begin"] + part["seconds"] for part in timeline["parts"]), timeline["seconds"]]
    begins = [*(part["begin"] for part in timeline["parts"]), timeline["seconds"]]
    assert all(end <= begin * (1 + 1e-4) for end, begin in zip(ends, begins, strict=False))  # six digits are kept
    assert all(part["cores"] > 0 for part in timeline["parts"] if part["name"] in ("setup", "train"))
    assert "Timeline of the run" in (chain.run / "report.html").read_text("utf-8")


def test_the_version_folder_has_what_is_promised(chain: Chain) -> None:
    version = chain.model / "1"
    assert {path.name for path in version.iterdir()} >= {
        *("saved_model.pb", "fingerprint.pb", "variables", "assets.extra", "contract.json", "README.md")
    }
    assert not list(chain.model.rglob(".*"))
    contract = read_contract(version)
    check_weights(version, contract)
    assert contract["metrics"] == chain.report()["metrics"]
    assert contract["pairs"] == chain.case.endswith("pairs")
    method = "regress" if chain.case.startswith("number") else "classify"
    signatures = {"serving_default", "serve_tokens", "tokenize", method}
    assert set(contract["signatures"]) == signatures
    for signature in contract["signatures"].values():
        assert {output["dtype"] for output in signature["outputs"].values()} <= {"float32", "int32", "string", "bool"}


def test_tensorboard_has_the_promised_tags(chain: Chain) -> None:
    events = EventAccumulator(str(chain.run / "tensorboard"), size_guidance={"tensors": 0}).Reload()
    tags = set(events.Tags()["tensors"])
    metrics = [name for name, value in chain.report()["metrics"].items() if value is not None]
    assert {"config", "test/samples", "_hparams_/session_start_info", *(f"test/{name}" for name in metrics)} <= tags
    steps = EPOCHS * -(-chain.report()["examples"]["train"] // BATCH)
    for tag in (
        "step/loss",
        "step/learning_rate",
        "step/gradient_norm",
        "speed/examples_per_second",
        "speed/tokens_per_second",
    ):
        assert len(events.Tensors(tag)) == steps, tag
    for tag in ("epoch/loss", "epoch/val_loss"):
        assert len(events.Tensors(tag)) == EPOCHS, tag
    kind, _, _ = chain.case.partition(",")
    assert ("test/confusion" in tags) == (kind == "one label")
    assert any(tag.startswith("test/precision_recall/") for tag in tags) == (kind != "number")
    assert any(tag.startswith("weights/") for tag in tags) == ("training__histograms" in CASES[chain.case])


def test_predict_gives_the_answers_that_evaluate_judged(chain: Chain) -> None:
    answers, labels, metrics = chain.answers, chain.labels, chain.report("whole")["metrics"]
    assert [answer["text"] for answer in answers] == [row["text"] for row in chain.rows]
    assert [answer.get("pair") for answer in answers] == [row.get("pair") for row in chain.rows]
    kind, _, _ = chain.case.partition(",")
    if kind == "one label":
        right = [answer["label"] == label for answer, label in zip(answers, labels, strict=True)]
        assert np.mean(right) == pytest.approx(metrics["accuracy"], abs=1e-5)
        for answer in answers:
            assert answer["label"] == max(answer["probabilities"], key=answer["probabilities"].get)
            assert sum(answer["probabilities"].values()) == pytest.approx(1, abs=1e-5)
    elif kind == "labels":
        threshold = CASES[chain.case].get("task__threshold", 0.5)
        for answer in answers:
            chosen = [name for name, probability in answer["probabilities"].items() if probability >= threshold]
            assert answer["labels"] == chosen
        right = [set(answer["labels"]) == set(label) for answer, label in zip(answers, labels, strict=True)]
        assert np.mean(right) == pytest.approx(metrics["subset_accuracy"], abs=1e-5)
    else:
        errors = np.abs(np.subtract([answer["value"] for answer in answers], labels))
        assert np.mean(errors) == pytest.approx(metrics["mae"], rel=1e-4)


def test_the_mistakes_in_the_report_are_those_that_predict_makes(chain: Chain) -> None:
    answers = {(cut(answer["text"]), answer.get("pair")): answer for answer in chain.answers}
    mistakes = [mistake for place in ("runs/tiny", "whole") for mistake in chain.report(place)["mistakes"]]
    assert mistakes or "one label" in chain.case
    for mistake in mistakes:
        answer = answers[mistake["text"], mistake["pair"]]
        if "value" in answer:
            assert mistake["answer"] == pytest.approx(answer["value"], rel=1e-4)
        elif "label" in answer:
            assert mistake["answer"] == answer["label"]
            assert mistake["truth"] != answer["label"]


@pytest.mark.parametrize("chain", REPEATED, indirect=True)
def test_evaluating_the_run_again_gives_the_figures_of_training(chain: Chain) -> None:
    first, again = chain.report(), chain.report("own")
    assert again["metrics"] == pytest.approx(first["metrics"], abs=1e-5)
    assert again["examples"] == first["examples"]
    assert again["mistakes"] == first["mistakes"]


@pytest.mark.parametrize("chain", REPEATED, indirect=True)
def test_exporting_the_run_again_gives_the_same_weights_as_the_next_version(chain: Chain) -> None:
    contracts = [read_contract(chain.model / version) for version in ("1", "2")]
    assert contracts[0]["weights_sha256"] == contracts[1]["weights_sha256"]
    assert contracts[0]["origin"] == contracts[1]["origin"]


def test_the_settings_that_are_written_down_are_complete(chain: Chain) -> None:
    written = yaml.safe_load((chain.run / "config.yaml").read_text("utf-8"))
    assert written == plain(settings_of(chain))


@pytest.mark.parametrize("chain", REHEARSED, indirect=True)
def test_a_dry_run_says_what_a_run_would_take_and_leaves_nothing(chain: Chain) -> None:
    said = chain.done["dry run"].stdout
    for words in ("Data check", "Lengths", "Batch 1: ", "[CLS] ", "Steps  ", "Expected time  ", "Peak memory  "):
        assert words in said
    assert re.search(r'  label (none|"\w+"(, "\w+")*)  \[CLS\] ', said)
    assert not (chain.folder / "runs" / "dry").exists()
    assert not (chain.folder / "saved_models" / "dry").exists()
