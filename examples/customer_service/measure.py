"""`python -m examples.customer_service.measure`: how near an entry must be, and what that gives on the test.

The FAQ's own questions, asked of the FAQ without their topic, have no answer there: the cosine is chosen at which nine
of ten of them are refused. The questions of the test are in other words. Each is asked twice, of the whole FAQ and of
the FAQ without its topic.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from examples.customer_service.answering import groundedness, prompt_of
from examples.customer_service.building import LEAST_GROUNDED, Models
from examples.faq_retrieval import Entry, Faq
from sftkeras.serving.client import ClientError

REFUSED = 0.9  # of the questions that the FAQ does not answer: rather no answer than a wrong one
_WRITTEN_AT_ONCE = 8


class Found(NamedTuple):
    """The nearest entry of one question.

    Attributes:
        question: that was asked.
        entry: that was found.
        cosine: how near it is.
        right: whether it answers the question; None if the FAQ that was searched has no answer.
    """

    question: str
    entry: Entry
    cosine: float
    right: bool | None


def main() -> int:
    """Prints the figures; the exit code is 2 if the model server cannot be asked."""
    options = _options()
    rows, test = (_read(options.data / f"construction-faq-{part}.jsonl") for part in ("train", "test"))
    try:
        with Models(options.server) as models:
            faq = models.faq([_entry(row) for row in rows])
            topics = np.array([row["topic"] for row in rows])
            least = least_cosine(nearest(faq, topics, rows, models), options.refused)
            found = nearest(faq, topics, test, models)
            print(f"smallest cosine, chosen on {len(rows)} questions without an answer: {least:.3f}")
            for line in figures(found, least):
                print(line)
            for line in written(found, least, models):
                print(line)
    except ClientError as error:
        print(f"{options.server}: {error}", file=sys.stderr)
        return 2
    return 0


def nearest(faq: Faq, topics: np.ndarray, rows: Sequence[dict[str, Any]], models: Models) -> list[Found]:
    """Returns the nearest entries for questions: of the whole FAQ, then of the FAQ without their topics."""
    found = []
    for row, vector in zip(rows, models.vectors([row["question"] for row in rows]), strict=True):
        cosine, entry = faq.nearest(vector, most=1)[0]
        found.append(Found(row["question"], entry, cosine, entry.answer == row["answer"]))
        cosine, entry = _without(faq, topics == row["topic"]).nearest(vector, most=1)[0]
        found.append(Found(row["question"], entry, cosine, None))
    return found


def least_cosine(found: Sequence[Found], refused: float) -> float:
    """Returns the smallest cosine, to three digits, that refuses such a share of the questions without an answer."""
    cosines = [one.cosine for one in found if one.right is None]
    return float(np.ceil(np.quantile(cosines, refused) * 1000) / 1000)


def figures(found: Sequence[Found], least: float) -> list[str]:
    """Words what is answered and what is refused."""
    known = [one for one in found if one.right is not None]
    answered = [one for one in known if one.cosine >= least]
    unknown = [one for one in found if one.right is None]
    refused = [one for one in unknown if one.cosine < least]
    return [
        f"answered, of questions that the FAQ answers: {_share(len(answered), len(known))}",
        f"right, of these answers: {_share(sum(bool(one.right) for one in answered), len(answered))}",
        f"refused, of questions that it does not answer: {_share(len(refused), len(unknown))}",
    ]


def written(found: Sequence[Found], least: float, models: Models) -> list[str]:
    """Has the chat model answer, and words how far its answers are grounded in the entries."""
    answered = [one for one in found if one.right is not None and one.cosine >= least]
    if not answered:
        return ["nothing is answered, so nothing is generated"]
    texts: list[str] = []
    for first in range(0, len(answered), _WRITTEN_AT_ONCE):
        some = answered[first : first + _WRITTEN_AT_ONCE]
        texts += models.write(*(prompt_of(one.question, one.entry) for one in some))
    grounded = np.array([groundedness(text, one.entry) for text, one in zip(texts, answered, strict=True)])
    kept = [groundedness(one.entry.answer, Entry("", text)) for text, one in zip(texts, answered, strict=True)]
    believed = int((grounded >= LEAST_GROUNDED).sum())
    return [
        f"words of generated answers that stand in the entry: {np.mean(grounded):.3f} on average",
        f"words of the entry's answer that stand in the generated one: {np.mean(kept):.3f} on average",
        f"generated answers with at least {LEAST_GROUNDED:.0%} of their words in the entry: "
        f"{_share(believed, len(answered))}",
    ]


def _without(faq: Faq, left_out: np.ndarray) -> Faq:
    """The FAQ without some entries, bool [entries]."""
    entries = [entry for entry, gone in zip(faq.entries, left_out, strict=True) if not gone]
    return Faq(entries, faq.vectors[np.tile(~left_out, 2)])


def _share(count: int, total: int) -> str:
    return f"{count} of {total} ({count / max(1, total):.0%})"


def _read(file: Path) -> list[dict[str, Any]]:
    return list(map(json.loads, file.read_text("utf-8").splitlines()))


def _entry(row: dict[str, Any]) -> Entry:
    return Entry(row["question"], row["answer"])


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data", type=Path, default="data", help="folder of the FAQ's files (default: %(default)s)")
    text = "share of the questions without an answer that are refused (default: %(default)s)"
    parser.add_argument("--refused", type=float, default=REFUSED, help=text)
    parser.add_argument("--server", default="localhost:8500", help="gRPC address (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
