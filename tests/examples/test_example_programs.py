"""The example programs, run as their READMEs say, against tiny models that the real commands trained and serve."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import forked
import pytest
from tiny_bert import BAD, GOOD, NOUNS, reviews, write_csv

from examples.customer_service.building import NOT_KNOWN, BuildingDesk, Models
from examples.faq_retrieval import Entry

ROOT = Path(__file__).parents[2]
SEVERAL = ROOT / "tests/commands/several.py"

LABELS = ("negative", "positive")
QUESTIONS = [(f"the {noun} {number}", f"a good {noun} {number}") for noun in NOUNS for number in range(1, 6)]


def write_data(folder: Path) -> None:
    """What is praised or blamed is an intent, its noun a product; and questions with answers."""
    intents = {"positive": "movies", "negative": "tech_support"}
    write_csv(folder / "intents.csv", [(text, intents[label]) for text, label in reviews()])
    sentences = [[("the", "O"), (word, "O"), (noun, "B-product")] for word in GOOD + BAD for noun in NOUNS]
    columns = "\n\n".join("\n".join(f"{word}\t{tag}" for word, tag in sentence) for sentence in sentences)
    (folder / "entities.conll").write_text(columns, "utf-8")
    rows = [json.dumps({"question": question, "answer": answer}) for question, answer in QUESTIONS]
    (folder / "faq.jsonl").write_text("\n".join(rows), "utf-8")


@pytest.fixture(scope="module")
def server(
    tmp_path_factory: pytest.TempPathFactory, tiny_bert_folder: Path, tiny_generating_version: Path
) -> Iterator[str]:
    """The address of a server that has the models which the programs ask for."""
    folder = tmp_path_factory.mktemp("programs")
    write_data(folder)
    tasks = {
        "intent-en": ["--data.train=intents.csv", "--training.epochs=6"],
        "tweet-ner": ["--task.kind=tagging", "--data.train=entities.conll", "--training.epochs=6"],
        "faq": ["--task.kind=similarity", "--data.train=faq.jsonl", "--data.text=question", "--data.pair=answer"],
    }
    shared = [f"--backbone.handle={tiny_bert_folder}", "--backbone.max_length=32", "--optimizer.learning_rate=0.02"]
    shared += ["--training.batch_size=8", "--report.baselines=false", "--report.bootstrap=0"]
    calls = [("train", [f"--name={name}", *words, *shared]) for name, words in tasks.items()]
    command = [sys.executable, str(SEVERAL), str(folder / "results.json")]
    assert forked.run(command, input=json.dumps(calls), cwd=folder).returncode == 0
    for code, _, errors in json.loads((folder / "results.json").read_text("utf-8")):
        assert code == 0, errors
    for name, of_desk in {"intent-en": "desk-intent", "faq": "desk-faq"}.items():
        shutil.copytree(folder / "saved_models" / name, folder / "saved_models" / of_desk)
    shutil.copytree(tiny_generating_version, folder / "saved_models" / "desk-answer" / "1")
    words = [sys.executable, "-m", "sftkeras.serve", "--models=saved_models", "--port=0", "--rest_api_port=0"]
    with (folder / "said").open("w") as said, forked.Process(words, cwd=folder, stdout=said, stderr=said) as process:
        try:
            limit = time.monotonic() + 300
            while not (found := re.search(r"gRPC +(\S+)", (folder / "said").read_text())):
                assert process.poll() is None, (folder / "said").read_text()
                assert time.monotonic() < limit
                time.sleep(0.1)
            yield found[1]
        finally:
            process.kill()
    shutil.rmtree(folder)


def run(program: str, *words: str | Path, typed: str = "") -> subprocess.CompletedProcess[str]:
    """Runs an example program."""
    return subprocess.run(
        [sys.executable, "-m", f"examples.{program}", *map(str, words)],
        input=typed,
        cwd=ROOT,
        env=os.environ | {"COLUMNS": "200"},
        text=True,
        timeout=600,
        capture_output=True,
        check=False,
    )


def said_by(program: str, *words: str | Path, typed: str = "") -> list[str]:
    """What a program says that succeeds, line by line."""
    done = run(program, *words, typed=typed)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout.splitlines()


def test_desk_answers_by_intent_and_entity_and_hands_over(server: str, tmp_path: Path) -> None:
    queue = tmp_path / "handed_over.jsonl"
    typed = "the awful score\n\na human please\nnot heard any more\n"
    said = said_by("customer_service", "--server", server, "--handed_over", queue, typed=typed)
    assert said[0].startswith("Good day!")
    assert said[1].startswith("I am sorry that your score gives you trouble.")
    assert "[tech_support 0." in said[1] or "[tech_support 1." in said[1]
    assert "product: score" in said[1]
    assert said[2].startswith("I pass you on to a colleague")
    assert len(said) == 3
    (log,) = [json.loads(line) for line in queue.read_text("utf-8").splitlines()]
    assert [speaker for speaker, _ in log] == ["customer", "desk", "customer", "desk"]
    assert log[0][1] == "the awful score"


def test_desk_of_the_building_company_answers_out_of_its_faq_or_hands_over(server: str, tmp_path: Path) -> None:
    question, answer = QUESTIONS[7]
    with Models(server) as models:
        answering = models.answering([Entry(*it) for it in QUESTIONS], least_cosine=0.9, least_grounded=0.9)
        found = answering(question)
        assert (found.entry, round(found.cosine, 3)) == (Entry(question, answer), 1.0)
        assert found.grounded is not None
        assert found.text == answer or found.generated
        refused = BuildingDesk(models.wants, replace(answering, least_cosine=1.5)).reply(question)
    assert (refused.said, refused.handed_over) == (NOT_KNOWN, True)


def test_figures_of_the_desk_are_those_of_its_models(server: str, tmp_path: Path) -> None:
    rows = [{"question": q, "answer": a, "topic": q.split()[1]} for q, a in QUESTIONS]
    for part, some in {"train": rows, "test": rows[4:8]}.items():
        lines = "".join(json.dumps(row) + "\n" for row in some)
        (tmp_path / f"construction-faq-{part}.jsonl").write_text(lines, "utf-8")
    said = said_by("customer_service.measure", "--server", server, "--data", tmp_path)
    assert said[0].startswith(f"smallest cosine, chosen on {len(rows)} questions without an answer: ")
    assert [line.partition(":")[0] for line in said[1:4]] == [
        "answered, of questions that the FAQ answers",
        "right, of these answers",
        "refused, of questions that it does not answer",
    ]
    assert "of 4 (" in said[1]
    assert said[2].endswith("(100%)")  # the questions are those of the FAQ
    assert said[4].startswith("words of generated answers that stand in the entry: ")


def test_monitor_raises_an_alert_where_texts_turn_bad_and_ends_it_where_they_turn_good(
    server: str, tmp_path: Path
) -> None:
    watchlist = tmp_path / "watchlist.yaml"
    watchlist.write_text("Film: [film]\nBook: [book]\n", "utf-8")
    bad, good = ([text for text, label in reviews() if label == wanted and "film" in text][:4] for wanted in LABELS)
    stream = tmp_path / "stream.jsonl"
    stream.write_text("".join(json.dumps({"text": text}) + "\n" for text in [*good, *bad, *bad, *good]), "utf-8")
    words = ["--watchlist", watchlist, "--model", "intent-en", "--negative", "tech_support"]
    said = said_by("finance_monitor", stream, "--server", server, *words, "--window", "4", "--least", "4")
    assert [line.split(".")[0] for line in said if line.startswith(("ALERT", "over"))] == [
        "ALERT Film: 3 of the latest 4 texts are negative",
        "over Film: 1 of the latest 4 texts are negative",
    ]
    assert re.search(r"Film +│ 16 +│ 0 of 4", "\n".join(said))
    assert re.search(r"Book +│ 0 +│ 0 of 0", "\n".join(said))


@pytest.mark.parametrize(
    ("program", "words"), [("customer_service", ()), ("finance_monitor", ()), ("faq_retrieval", ("x",))]
)
def test_program_without_a_server_says_so_in_a_line(program: str, words: tuple[str, ...], tmp_path: Path) -> None:
    faq = tmp_path / "faq.jsonl"
    faq.write_text('{"question": "a", "answer": "b"}\n', "utf-8")
    given = ("--faq", faq) if program == "faq_retrieval" else ()
    done = run(program, *words, *given, "--server", "localhost:1", typed="HP\n")
    assert done.returncode == 2
    assert done.stderr.startswith("localhost:1: UNAVAILABLE")
    assert len(done.stderr.splitlines()) == 1


def test_monitor_refuses_a_label_that_the_model_does_not_have(server: str) -> None:
    words = ["--server", server, "--model", "intent-en", "--negative", "negativ"]
    done = run("finance_monitor", *words, typed="the HP film\n")
    assert done.returncode == 2
    assert "the model has no label negativ; it has movies, tech_support" in done.stderr
    assert "Traceback" not in done.stderr


def test_search_finds_a_known_question_first(server: str, tmp_path: Path) -> None:
    faq = tmp_path / "faq.jsonl"
    faq.write_text("".join(json.dumps({"question": q, "answer": a}) + "\n" for q, a in QUESTIONS), "utf-8")
    question, answer = QUESTIONS[7]
    said = said_by("faq_retrieval", question, "--faq", faq, "--server", server, "--most", "2")
    assert said[0] == f"1.00 {question} → {answer}"
    assert len(said) == 2
    nothing = said_by("faq_retrieval", "--faq", faq, "--server", server, "--least", "1.5", typed=f"{question}\n")
    assert nothing == ["I do not know."]
