"""Plain texts are evaluated: figures, the hardest, continuations before and after, and the report of them."""

from __future__ import annotations

import numpy as np
import pytest
from rich.console import Console
from toy_language_model import END, text_of, tokens_of, toy_model

from sftkeras.config import ReportConfig
from sftkeras.errors import SFTError
from sftkeras.evaluation import Baseline, Baselines, RunFacts, print_summary, write_report
from sftkeras.tasks.causal_lm.continuing import TextsPredictor
from sftkeras.tasks.causal_lm.spec import SPEC
from sftkeras.tasks.memory_model import MemoryModel
from sftkeras.tasks.next_token_evaluation import SAMPLES
from sftkeras.tasks.retention import TEXT_OUTPUTS
from sftkeras.text.marks import learned

TEXTS = [f"the report of the year {name} is long and dull" for name in ("one", "two", "three", "é", "five", "six")] * 2
PLACES = [("texts.txt", row + 1) for row in range(len(TEXTS))]


class LearnedFeatures:
    """Those of the toy model, for rows of which all is learned."""

    windows = False

    def __init__(self, features):
        self._features = features
        self.max_length, self.tokenizer, self.marked = features.max_length, features.tokenizer, features.marked

    def encode_arrays(self, texts):
        return self._features.encode_arrays([learned(text) for text in texts])


def predictions_of(loss: float) -> dict[str, np.ndarray]:
    return {
        "loss": loss * np.arange(1, len(TEXTS) + 1),
        "tokens": np.full(len(TEXTS), 10),
        "hits": np.full(len(TEXTS), 4),
        "beginning": np.array(["the report"] * 3 + [""] * (len(TEXTS) - 3)),
        "continuation": np.array([" of <b>it</b>"] * 3 + [""] * (len(TEXTS) - 3)),
        "text_loss": np.array([20.0, 30.0]),
        "text_tokens": np.array([10, 10]),
        "text_hits": np.array([3, 3]),
    }


def evaluated_of(evaluation, loss: float):
    return evaluation.evaluated({"texts": TEXTS, "pairs": None, "places": PLACES}, None, predictions_of(loss), ())


def test_figures_are_those_of_all_tokens():
    evaluation = SPEC.evaluation({})
    metrics = evaluation.scores(evaluated_of(evaluation, 1.0)).metrics
    loss = np.arange(1, len(TEXTS) + 1).sum()
    assert metrics["perplexity"] == pytest.approx(np.exp(loss / (10 * len(TEXTS))))
    assert metrics["token_accuracy"] == pytest.approx(0.4)
    assert metrics["retention_perplexity"] == pytest.approx(np.exp(2.5))


def test_texts_of_one_token_cannot_be_evaluated():
    none = {name: np.zeros(len(TEXTS)) for name in ("loss", "tokens", "hits")}
    with pytest.raises(SFTError, match="SFT622"):
        SPEC.evaluation({}).evaluated(
            {"texts": TEXTS, "pairs": None, "places": PLACES}, None, predictions_of(1.0) | none, ()
        )


def test_the_report_shows_continuations_and_what_was_lost(tmp_path):
    evaluation = SPEC.evaluation({"retention_text": "book.txt"})
    ours = evaluated_of(evaluation, 1.0)
    untuned = Baseline("untuned", evaluation.untuned, evaluated_of(evaluation, 2.0), 0, 1.0)
    report = write_report(
        tmp_path, evaluation, ours, RunFacts(rows="00" * 16), Baselines((untuned,)), ReportConfig(bootstrap=50)
    )
    assert report["headline"]["metric"] == "perplexity"
    assert report["baselines"]["untuned"]["gain"] > 0
    assert [sample["line"] for sample in report["samples"]] == [1, 2, 3]
    assert report["mistakes"][0]["line"] == len(TEXTS)
    assert report["retention"]["ratio"] == 1
    html, markdown = (tmp_path / "report.html").read_text(), (tmp_path / "report.md").read_text()
    for page in (html, markdown):
        assert "What was lost" in page
        assert "book.txt" in page
        assert " of &lt;b&gt;it" in page
    headings = [line for line in markdown.splitlines() if line.startswith("## ")]
    assert {"## Before and after", "## What was lost", "## Hardest texts"} <= set(headings)
    assert "\n\n| beginning | untuned | fine-tuned | the text itself | place |\n|---|---|---|---|---|\n| " in markdown
    print_summary(report, evaluation, console=Console(file=(tmp_path / "terminal.txt").open("w")))


def test_a_model_in_memory_scores_all_texts_and_continues_some():
    evaluation = SPEC.evaluation({})
    model = toy_model()
    model = type(model)(LearnedFeatures(model.features), model.network, model.task, model.backbone)
    predict = TextsPredictor(MemoryModel(model, text_of, (END,)), 4)
    done = []
    found = predict(TEXTS, None, evaluation.outputs, done.append)
    assert sum(done) == len(TEXTS)
    assert found["tokens"].tolist() == [len(tokens_of(text)[0]) - 1 for text in TEXTS]
    evaluated = evaluation.evaluated({"texts": TEXTS, "pairs": None, "places": PLACES}, None, found, ())
    assert len(evaluated.predicted_rows) == SAMPLES
    for row in evaluated.predicted_rows:
        assert evaluated.beginnings[row] == TEXTS[row].replace("é", " ")[: len(TEXTS[row]) // 2]
        assert len(evaluated.continuations[row]) <= 48
    assert set(predict(["some other text"], None, TEXT_OUTPUTS, done.append)) == set(TEXT_OUTPUTS)
