"""`python -m examples.faq_retrieval`: a question → the nearest of all known questions and answers, by a served model.

The vectors of the known ones are asked for once; a question is then one call and one product of matrices. See
examples/faq.yaml for the model.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from rich.console import Console
from rich.text import Text

from sftkeras.serving.client import Client, ClientError


class Entry(NamedTuple):
    """A question with its answer."""

    question: str
    answer: str


@dataclass(frozen=True)
class Faq:
    """Questions and answers that can be searched.

    Attributes:
        entries: the questions and answers.
        vectors: [2 * entries, size], of length 1: of all questions, then of all answers.
    """

    entries: Sequence[Entry]
    vectors: np.ndarray

    @classmethod
    def of(cls, entries: Sequence[Entry], client: Client) -> Faq:
        """Asks the model for the vectors."""
        texts = [entry.question for entry in entries] + [entry.answer for entry in entries]
        return cls(entries, client.answer_arrays(texts)["vector"])

    def nearest(self, vector: np.ndarray, most: int) -> list[tuple[float, Entry]]:
        """The entries whose question or answer is nearest, with their cosines, the nearest first.

        Args:
            vector: [size], of length 1.
            most: how many.
        """
        cosines = (self.vectors @ vector).reshape(2, -1).max(axis=0)
        return [(float(cosines[place]), self.entries[place]) for place in np.argsort(-cosines, kind="stable")[:most]]


def main() -> int:
    """Answers the questions of the command line, or of standard input; the exit code is 2 if the server fails."""
    options = _options()
    entries = [Entry(row["question"], row["answer"]) for row in map(json.loads, options.faq)]
    console = Console(highlight=False)
    try:
        with Client.grpc(options.server, model=options.model) as client:
            faq = Faq.of(entries, client)
            for question in options.questions or _typed():
                vector = client.answer_arrays([question])["vector"][0]
                for text in shown(faq.nearest(vector, options.most), options.least):
                    console.print(text, soft_wrap=True)
    except ClientError as error:
        print(f"{options.server}: {error}", file=sys.stderr)
        return 2
    return 0


def shown(found: Sequence[tuple[float, Entry]], least: float) -> Iterator[Text]:
    """Yields a line for each entry that is near enough, or says that there is none."""
    near = [(cosine, entry) for cosine, entry in found if cosine >= least]
    if not near:
        yield Text("I do not know.", "italic")
    for cosine, entry in near:
        yield Text.assemble((f"{cosine:.2f} ", "green"), (f"{entry.question} → ", "dim"), entry.answer)


def _typed() -> Iterator[str]:
    return (line.strip() for line in sys.stdin if line.strip())


def _options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__)
    add = parser.add_argument
    file = argparse.FileType("r", encoding="utf-8")
    add("questions", nargs="*", help="what is asked (default: the lines of standard input)")
    add("--faq", type=file, default="data/faq.jsonl", help="JSON Lines with question and answer (default: %(default)s)")
    add("--server", default="localhost:8500", help="the model server's gRPC address (default: %(default)s)")
    add("--model", default="faq", help="the served model (default: %(default)s)")
    add("--most", type=int, default=3, help="answers shown (default: %(default)s)")
    add("--least", type=float, default=0.5, help="smallest cosine of an answer (default: %(default)s)")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
