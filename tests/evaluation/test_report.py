from __future__ import annotations

import io
import json
import re
import subprocess
import sys
import warnings
from collections.abc import Iterator
from html.parser import HTMLParser

import numpy as np
import pytest
from drawn_once import drawn_once
from evaluated_rows import (
    evaluation_of,
    many_label_rows,
    many_labels,
    number_rows,
    numbers,
    one_label,
    one_label_rows,
    texts_of,
)
from rich.console import Console

from sftkeras.config import ReportConfig
from sftkeras.errors import SFTError
from sftkeras.evaluation import Baselines, RunFacts, print_summary, write_report
from sftkeras.evaluation.report.pages import escape_markdown

FACTS = RunFacts(
    name="movie-sentiment",
    examples={"train": 2400, "validation": 300},
    model={"backbone": "hf://org/name", "parameters": 22_713_602},
    config={"training": {"epochs": 3, "learning_rate": np.float32(5e-5)}, "report": {}},
    history=[{"epoch": 1, "loss": 0.5, "val_loss": float("nan"), "accuracy": np.float32(0.8), "val_accuracy": 0.7}],
    step_losses=[0.9, 0.7, 0.5],
    findings=[{"code": "SFT252", "severity": "warning", "message": "12 texts stand twice.", "count": 12}],
    export={"path": "saved_models/movie-sentiment", "version": 1, "parity": 2.4e-6, "size_ratio": 1.002},
    seconds={"train": 231.2, "export": 21.0},
    time={"start": 6.1, "input": 4.0, "compute": 210.0, "all_reduce": 0.0, "checkpoint": 1.5, "validation": 8.0},
    examples_per_second=71.3,
    versions={"keras": "3.15.1"},
)
KEYS = {
    "format", "name", "task", "label_kind", "examples", "headline", "metrics", "intervals", "bootstrap", "per_class",
    "breakdowns", "confusion", "calibration", "baselines", "baselines_left_out", "before_and_after", "mistakes",
    "history", "findings", "model", "config", "seconds", "time", "timeline", "examples_per_second", "export",
    "versions", "pictures",
}  # fmt: skip
EVIL = '<script>alert("x")</script>'


@pytest.fixture(scope="module", autouse=True)
def quickly_drawn() -> Iterator[None]:
    with drawn_once():
        yield


def baselines_of(evaluated) -> Baselines:
    read = lambda rows: (texts_of(len(rows)), evaluated.pairs)  # noqa: E731
    return evaluation_of(evaluated).baselines(read, evaluated.truth, evaluated, 17)


def report_of(folder, evaluated, facts, baselines, options):
    return write_report(folder, evaluation_of(evaluated), evaluated, facts, baselines, options)


class Page(HTMLParser):
    """Collects what a page holds, and notes tags that are closed wrongly."""

    VOID = ("meta", "br", "path", "use", "rect")

    def __init__(self, page: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.text = ""
        self.feed(page)

    def handle_starttag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag, attributes):
        self.tags.append(tag)
        self.attributes += attributes

    def handle_endtag(self, tag):
        if tag not in self.VOID:
            assert self.open.pop() == tag

    def handle_data(self, data):
        self.text += data


def test_the_report_is_written_whole(tmp_path, evaluated):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = report_of(tmp_path, evaluated, FACTS, baselines_of(evaluated), ReportConfig(bootstrap=50))
    assert json.loads((tmp_path / "report.json").read_text("utf-8"), parse_constant=pytest.fail) == report
    assert set(report) == KEYS
    assert set(report["export"]) >= {"path", "version", "parity", "size_ratio"}
    assert report["examples"]["test"] == len(evaluated)
    assert len(report["mistakes"]) == 20
    for picture in report["pictures"].values():
        assert (tmp_path / picture).read_bytes().startswith(b"\x89PNG")
        assert f"]({picture})" in (tmp_path / "report.md").read_text("utf-8")
    assert not list(tmp_path.rglob(".*")), "files written aside must be gone"


def test_the_page_is_one_sound_file(tmp_path, evaluated):
    report_of(tmp_path, evaluated, FACTS, baselines_of(evaluated), ReportConfig(bootstrap=50))
    page = Page((tmp_path / "report.html").read_text("utf-8"))
    assert not page.open
    assert "script" not in page.tags
    outside = [
        (name, value) for name, value in page.attributes if name in ("src", "href") and not value.startswith("#")
    ]
    assert not outside
    ids = [value for name, value in page.attributes if name == "id"]
    assert len(ids) == len(set(ids)), "ids must be unique in the page"
    assert {value[1:] for name, value in page.attributes if name == "href" and "-" not in value} <= set(ids)
    for promised in ("movie-sentiment", "22,713,602", "3 min 51 s", "SFT252", "saved_models/movie-sentiment", "3.15.1"):
        assert promised in page.text


def test_texts_labels_and_settings_are_escaped_everywhere(tmp_path):
    names, places = (EVIL, "b|c `d` $e$"), [(EVIL, 1)] * 2
    evaluated = one_label(names, [0, 1], [[0.1, 0.9], [0.8, 0.2]], texts=[EVIL, f"[x](y)|\n# {EVIL}"], places=places)
    facts = RunFacts(
        name=EVIL, config={EVIL: EVIL}, findings=[{"code": EVIL, "severity": EVIL, "message": EVIL, "count": 1}],
        export={"path": EVIL}, versions={EVIL: EVIL}, seconds={EVIL: 1.0}, model={EVIL: EVIL},
    )  # fmt: skip
    baselines = evaluation_of(evaluated).baselines(
        lambda rows: (texts_of(len(rows)), None), np.arange(100) % 2, evaluated, 17
    )
    report_of(tmp_path, evaluated, facts, baselines, ReportConfig(bootstrap=10))
    html, markdown = (tmp_path / "report.html").read_text("utf-8"), (tmp_path / "report.md").read_text("utf-8")
    assert "<script" not in html
    assert "script" not in Page(html).tags
    assert Page(html).text.count(EVIL) > 10
    assert "<script" not in markdown
    for table in re.findall(r"(?:^\|.*\n)+", markdown, re.MULTILINE):
        columns = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(columns) == 1, f"a cell breaks its table: {table}"


def test_a_text_that_has_no_utf8_is_still_reported(tmp_path):
    evaluated = one_label(("a", "b"), [0], [[0.1, 0.9]], texts=["half a pair: \ud83d, a null: \0"])
    report = report_of(tmp_path, evaluated, RunFacts(), Baselines(), ReportConfig(bootstrap=0))
    assert report["mistakes"][0]["text"] == "half a pair: ?, a null: \0"


def test_markdown_is_printed_as_it_is():
    assert escape_markdown("a|b\n*c* <d> `e` [f](g) $h$") == r"a\|b \*c\* &lt;d&gt; \`e\` \[f\](g) \$h\$"


def test_a_model_that_answers_every_text_alike_is_said_to_be_no_better(tmp_path, evaluated):
    baselines = baselines_of(evaluated)
    alike = evaluated.with_predictions(baselines.fitted[0].evaluated.predictions)
    report = report_of(tmp_path, alike, FACTS, baselines, ReportConfig(bootstrap=50))
    output = io.StringIO()
    print_summary(report, evaluation_of(alike), console=Console(file=output, width=500))
    for said in (output.getvalue(), *((tmp_path / f"report.{kind}").read_text("utf-8") for kind in ("md", "html"))):
        assert "SFT461 not measurably better than" in " ".join(said.split())


def test_a_model_that_learned_is_not(tmp_path, evaluated):
    report_of(tmp_path, evaluated, FACTS, baselines_of(evaluated), ReportConfig(bootstrap=50))
    assert "SFT461" not in (tmp_path / "report.md").read_text("utf-8")


def test_a_gain_is_more_than_noise_only_if_its_interval_says_so(tmp_path):
    evaluated = one_label_rows()
    report = report_of(tmp_path, evaluated, FACTS, baselines_of(evaluated), ReportConfig(bootstrap=200))
    for one in report["baselines"].values():
        assert one["gain"] == pytest.approx(report["metrics"]["accuracy"] - one["metrics"]["accuracy"], abs=1e-5)
        low, high = one["gain_interval"]
        assert low <= one["gain"] <= high
        assert one["more_than_noise"] == (low > 0 or high < 0)
        assert 0 <= one["mcnemar_p"] <= 1


def test_smaller_errors_are_a_gain(tmp_path):
    evaluated = number_rows()
    report = report_of(tmp_path, evaluated, FACTS, baselines_of(evaluated), ReportConfig(bootstrap=50))
    mean = report["baselines"]["mean"]
    assert mean["gain"] == pytest.approx(mean["metrics"]["mae"] - report["metrics"]["mae"], rel=1e-4)
    assert mean["gain"] > 0
    assert "better than always the mean" in (tmp_path / "report.html").read_text("utf-8")


@pytest.mark.parametrize(
    "evaluated",
    [
        one_label(("a", "b"), [0], [[0.9, 0.1]]),
        one_label(("a", "b", "c"), [0, 1, 1], [[0.9, 0.1, 0], [0.2, 0.8, 0], [0, 0, 1]]),
        many_labels(("a", "b"), [[0, 0]], [[0.1, 0.2]]),
        numbers([1.0], [1.0]),
    ],
)
@pytest.mark.parametrize("options", [ReportConfig(bootstrap=0, mistakes=0), ReportConfig(bootstrap=20)])
def test_degenerate_rows_still_give_a_report(tmp_path, evaluated, options):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        report = report_of(tmp_path, evaluated, RunFacts(), Baselines(), options)
    assert report["examples"] == {"test": len(evaluated)}
    assert Page((tmp_path / "report.html").read_text("utf-8")).open == []


def test_a_sampled_and_a_left_out_baseline_are_told(tmp_path, monkeypatch):
    one, many = one_label_rows(), many_label_rows()
    monkeypatch.setattr("sftkeras.evaluation.baselines.MOST_TRAINING_ROWS", 50)
    monkeypatch.setattr("sftkeras.tasks.classification.baselines.MOST_SEPARATE_LABELS", 3)
    report_of(tmp_path / "sampled", one, FACTS, baselines_of(one), ReportConfig(bootstrap=0))
    report_of(tmp_path / "left_out", many, FACTS, baselines_of(many), ReportConfig(bootstrap=0))
    for page in ("report.md", "report.html"):
        assert "from 50 sampled texts" in (tmp_path / "sampled" / page).read_text("utf-8")
        assert "More than 3 labels" in (tmp_path / "left_out" / page).read_text("utf-8")


def test_a_folder_that_cannot_be_written_is_a_coded_error(tmp_path):
    evaluated = one_label_rows()
    (tmp_path / "file").write_text("")
    with pytest.raises(SFTError, match="cannot be written") as caught:
        report_of(tmp_path / "file", evaluated, FACTS, Baselines(), ReportConfig(bootstrap=0))
    assert caught.value.code == "SFT606"


def test_the_summary_names_score_gain_weakest_labels_and_place(tmp_path):
    evaluated = one_label_rows()
    report = report_of(tmp_path, evaluated, FACTS, baselines_of(evaluated), ReportConfig(bootstrap=50))
    console = Console(file=io.StringIO(), width=200)
    print_summary(report, evaluation_of(evaluated), tmp_path, console)
    printed = console.file.getvalue()
    for promised in (
        f"{100 * report['metrics']['accuracy']:.1f}%",
        "95% interval",
        "better than",
        "Lowest F1",
        "report.html",
    ):
        assert promised in printed


@pytest.mark.processes
def test_importing_evaluation_is_cheap():
    heavy = "{'tensorflow', 'keras', 'sklearn', 'scipy', 'matplotlib', 'jinja2', 'rich'}"
    code = f"import sys, sftkeras.evaluation; print({heavy} & set(sys.modules) or '')"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == ""
