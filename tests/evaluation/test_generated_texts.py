"""Figures of generated texts against those of sacrebleu and rouge-score themselves."""

from __future__ import annotations

import numpy as np
import pytest
from rouge_score.rouge_scorer import RougeScorer
from sacrebleu.metrics import BLEU, CHRF
from scipy.sparse import csr_array

from sftkeras.evaluation.statistics.bootstrap import resample
from sftkeras.evaluation.statistics.generated_texts import METRICS, bleu_tokenizer, text_facts, text_figures
from sftkeras.evaluation.statistics.metrics import Tally

ENGLISH = (
    ("The parcel arrives on Monday.", "The parcel will arrive on Monday."),
    ("You can return it within 30 days, free of charge.", "Returns are free within 30 days."),
    ("No.", "Yes, on weekdays from 9 to 5."),
    ("", "We are closed."),
    ("Write to us at the address below.", "Write to us at the address below."),
)
CHINESE = (
    ("包裹星期一到。", "包裹将在星期一到达。"),
    ("您可以在30天内免费退货。", "30天内可以免费退货 (iPhone 除外)。"),
    ("没有", "工作日九点到五点。"),
)
JAPANESE = (("月曜日に届きます。", "荷物は月曜日に届きます。"), ("いいえ", "はい、平日の九時から五時までです。"))
SETS = pytest.mark.parametrize(
    ("pairs", "tokenizer"), [(ENGLISH, "13a"), (CHINESE, "zh"), (JAPANESE, "char")], ids=["english", "chinese", "kana"]
)


def figures_of(pairs) -> dict[str, float]:
    texts, references = zip(*pairs, strict=True)
    facts = text_facts(texts, references, bleu_tokenizer(references))
    return {name: float(value) for name, value in text_figures(facts.sum(axis=0)).items()}


@SETS
def test_the_script_of_the_references_chooses_the_tokenizer(pairs, tokenizer):
    assert bleu_tokenizer([reference for _, reference in pairs]) == tokenizer


@SETS
def test_corpus_figures_are_those_of_sacrebleu(pairs, tokenizer):
    texts, references = (list(column) for column in zip(*pairs, strict=True))
    figures = figures_of(pairs)
    assert figures["chrf"] == pytest.approx(CHRF().corpus_score(texts, [references]).score / 100)
    assert figures["bleu"] == pytest.approx(BLEU(tokenize=tokenizer).corpus_score(texts, [references]).score / 100)
    assert figures["bleu"] > 0


@pytest.mark.parametrize("pair", [*ENGLISH, ("a", "a"), ("a b c d e", "v w x y z"), ("hi there", "hi you")])
def test_figures_of_one_text_are_those_of_sacrebleu(pair):
    figures = figures_of([pair])
    assert figures["chrf"] == pytest.approx(CHRF().corpus_score([pair[0]], [[pair[1]]]).score / 100)
    assert figures["bleu"] == pytest.approx(BLEU().corpus_score([pair[0]], [[pair[1]]]).score / 100)


def test_rouge_of_english_is_that_of_rouge_score():
    scorer = RougeScorer(["rougeL"])
    wanted = [scorer.score(reference, text)["rougeL"].fmeasure for text, reference in ENGLISH]
    assert figures_of(ENGLISH)["rouge_l"] == pytest.approx(np.mean(wanted))


def test_rouge_of_chinese_compares_characters():
    assert figures_of([("星期一到", "星期一到达")])["rouge_l"] == pytest.approx(2 * 4 / 9)


def test_a_match_is_exact_but_for_case_and_spaces():
    pairs = [("yes,  of course\n", "Yes, of course"), ("Yes of course", "Yes, of course")]
    assert figures_of(pairs)["exact_match"] == 0.5


def test_resampled_figures_are_those_of_the_drawn_texts():
    texts, references = zip(*ENGLISH, strict=True)
    facts = text_facts(texts, references, "13a")
    (drawn,) = resample([Tally(csr_array(facts), text_figures)], 20, 3)
    assert set(drawn) == set(METRICS)
    twice = text_figures(facts[[0, 0, 1, 4, 4]].sum(axis=0))
    again = figures_of([ENGLISH[row] for row in (0, 0, 1, 4, 4)])
    assert {name: float(value) for name, value in twice.items()} == pytest.approx(again)


def test_figures_of_no_text_are_unknown():
    figures = text_figures(np.zeros((2, text_facts((), (), "13a").shape[1])))
    assert all(np.isnan(values).all() for values in figures.values())
