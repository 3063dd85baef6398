"""Generated texts beside reference texts: chrF, BLEU, ROUGE-L and exact match, as functions of sums over rows.

chrF (Popović, 2015) and BLEU (Papineni et al., 2002) count n-grams of all rows before they divide, so both follow from
sums and so do their confidence intervals. sacrebleu (Post, 2018, arXiv:1804.08771) tokenises and counts; its corpus
scores are these figures times 100. ROUGE-L (Lin, 2004) is a mean over rows, as the rouge-score package computes it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

import numpy as np

from sftkeras.evaluation.statistics.metrics import Metric, ratio
from sftkeras.evaluation.statistics.words import CHINESE, UNSPACED, words

METRICS = {
    "chrf": Metric("chrF", "n-grams of characters shared with the reference (sacrebleu's chrF2)"),
    "bleu": Metric("BLEU", "n-grams of words shared with the reference (sacrebleu's, of all rows together)"),
    "rouge_l": Metric("ROUGE-L", "longest sequence of words shared with the reference, F1 averaged over rows"),
    "exact_match": Metric("Exact match", "share of texts that equal the reference, but for case and spaces"),
}

_CHRF_ORDER, _CHRF_BETA = 6, 2
_BLEU_ORDER = 4
_CHRF_FACTS = 3 * _CHRF_ORDER
_BLEU_FACTS = 2 + 2 * _BLEU_ORDER
FACTS = _CHRF_FACTS + _BLEU_FACTS + 3
"""Columns of `text_facts`; the last one counts the rows."""

# From this share of letters without spaces between words, words are no longer told apart by spaces.
_UNSPACED_SHARE = 0.1
_UNSPACED_LETTER, _CHINESE_LETTER = re.compile(f"[{UNSPACED}]"), re.compile(f"[{CHINESE}]")


def bleu_tokenizer(references: Sequence[str]) -> str:
    """Return the name of sacrebleu's tokenizer for texts of this script.

    "zh" splits Chinese characters and keeps words of other scripts; "char" splits all characters, for scripts without
    spaces of which sacrebleu has no tokenizer that works without a dictionary; "13a" is that of published figures.
    """
    letters = sum(character.isalpha() for text in references for character in text)
    unspaced = sum(len(_UNSPACED_LETTER.findall(text)) for text in references)
    chinese = sum(len(_CHINESE_LETTER.findall(text)) for text in references)
    if unspaced <= _UNSPACED_SHARE * letters:
        return "13a"
    return "zh" if chinese >= (1 - _UNSPACED_SHARE) * unspaced else "char"


def text_facts(texts: Sequence[str], references: Sequence[str], tokenizer: str) -> np.ndarray:
    """Compute the additive facts of each text.

    Args:
        texts: the generated texts.
        references: what each should have been.
        tokenizer: name of sacrebleu's, for BLEU; see `bleu_tokenizer`.

    Returns:
        [texts, FACTS] float64.
    """
    from rouge_score.rouge_scorer import RougeScorer
    from sacrebleu.metrics import BLEU

    bleu = BLEU(tokenize=tokenizer, effective_order=True)  # which changes the score of one text, not its counts
    rouge = RougeScorer(["rougeL"], tokenizer=_Words())
    facts = np.zeros((len(texts), FACTS))
    for row, (text, reference) in enumerate(zip(texts, references, strict=True)):
        counted = bleu.sentence_score(text, [reference])
        facts[row] = [
            *_character_facts(text, reference),
            *(counted.sys_len, counted.ref_len, *counted.counts, *counted.totals),
            rouge.score(reference, text)["rougeL"].fmeasure,
            _comparable(text) == _comparable(reference),
            1,
        ]
    return facts


def text_figures(sums: np.ndarray) -> dict[str, np.ndarray]:
    """Compute the figures of sums of facts.

    Args:
        sums: [..., FACTS].

    Returns:
        The figures of `METRICS`, [...]; not a number where no text was generated.
    """
    characters, ngrams = sums[..., :_CHRF_FACTS], sums[..., _CHRF_FACTS : _CHRF_FACTS + _BLEU_FACTS]
    rouge, exact, texts = np.moveaxis(sums[..., -3:], -1, 0)
    texts = np.where(texts > 0, texts, np.nan)
    known = 0 * texts  # zero, or not a number
    return {
        "chrf": _chrf(characters) + known,
        "bleu": _bleu(ngrams) + known,
        "rouge_l": rouge / texts,
        "exact_match": exact / texts,
    }


def _character_facts(text: str, reference: str) -> list[int]:
    """N-grams of characters of both, and those they share, for each n: 3 numbers each."""
    from sacrebleu.metrics.helpers import extract_all_char_ngrams

    facts = []
    for given, wanted in zip(*(extract_all_char_ngrams(one, _CHRF_ORDER) for one in (text, reference)), strict=True):
        shared = sum((given & wanted).values())
        # As sacrebleu counts: an n-gram is no miss where the reference is too short to have any.
        facts += [sum(given.values()) if wanted else 0, sum(wanted.values()), shared]
    return facts


def _chrf(sums: np.ndarray) -> np.ndarray:
    """F-score of the mean precision and recall of the orders that both sides have."""
    given, wanted, shared = np.moveaxis(sums.reshape(*sums.shape[:-1], _CHRF_ORDER, 3), -1, 0)
    there = (given > 0) & (wanted > 0)
    orders = there.sum(-1)
    precision = ratio((ratio(shared, given) * there).sum(-1), orders)
    recall = ratio((ratio(shared, wanted) * there).sum(-1), orders)
    return ratio((1 + _CHRF_BETA**2) * precision * recall, _CHRF_BETA**2 * precision + recall)


def _bleu(sums: np.ndarray) -> np.ndarray:
    """Geometric mean of the precisions, with the brevity penalty, and "exp" smoothing of orders without a match."""
    length, wanted_length = sums[..., 0], sums[..., 1]
    shared, given = sums[..., 2 : 2 + _BLEU_ORDER], sums[..., 2 + _BLEU_ORDER :]
    missed = shared == 0
    with np.errstate(divide="ignore", invalid="ignore"):
        precisions = np.where(missed, 0.5 ** np.cumsum(missed, axis=-1), shared) / given
        brevity = np.exp(np.minimum(0, 1 - wanted_length / length))
        score = brevity * np.exp(np.log(precisions).mean(-1))
    return np.where((given > 0).all(-1) & (shared > 0).any(-1), score, 0.0)


def _comparable(text: str) -> str:
    return " ".join(text.casefold().split())


class _Words:
    """Tokenizer for rouge-score, whose own one knows the letters a to z alone."""

    def tokenize(self, text: str) -> list[str]:
        return words(text)
