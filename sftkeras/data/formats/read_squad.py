"""Rows of the SQuAD format, version 1 or 2: one JSON object of articles, their paragraphs and the questions to each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sftkeras.config import DataConfig
from sftkeras.data.checks.findings import Fault
from sftkeras.data.formats.blocks import Block, check_columns
from sftkeras.data.formats.read_json import Document, array_items, go_to_list
from sftkeras.data.formats.sources import Source
from sftkeras.data.formats.text_files import Filling, opened
from sftkeras.errors import SFTError

COLUMNS = ("id", "title", "question", "context", "answers", "is_impossible")


def is_squad(source: Source, config: DataConfig) -> bool:
    """Whether a .json file is an object that has a list of articles as its `data`."""
    if source.format != "json":
        return False
    with opened(source, config) as text:
        document = Document(text, source)
        if not go_to_list(document, "data"):
            return False
        article = next((item for item, _ in array_items(document)), None)
        # In a table of pandas they are rows: lists, or objects by column.
        return not (isinstance(article, list) or (isinstance(article, dict) and config.text_column in article))


def squad_blocks(source: Source, wanted: Mapping[str, str], config: DataConfig) -> Iterator[Block]:
    """Yields the questions of a file in the SQuAD format, each as a row of `COLUMNS`.

    A row's line is that on which its article begins: such files often have one line alone.

    Raises:
        SFTError: SFT204 for a column that there is not, SFT203 if there is no article, SFT210 for broken JSON.
    """
    check_columns(source, COLUMNS, wanted)
    with opened(source, config) as text:
        document, filling = Document(text, source), Filling(text, source)
        go_to_list(document, "data")
        some = False
        for article, line in array_items(document):
            some = True
            rows: list[dict[str, Any]] = []
            broken: list[tuple[Fault, int]] = []
            for found in _questions(article):
                if isinstance(found, Fault):
                    broken.append((found, line))
                else:
                    rows.append(found)
            columns = {name: [row.get(name) for row in rows] for name in wanted}
            yield Block(columns, [line] * len(rows), broken, filling.done)
        if not some:
            raise SFTError("SFT203", file=source.name, what="a list of articles")


def _questions(article: Any) -> Iterator[dict[str, Any] | Fault]:
    """The questions of an article as rows, and what is wrong with its parts."""
    paragraphs = article.get("paragraphs") if isinstance(article, dict) else None
    if not isinstance(paragraphs, list):
        yield Fault("SFT280", {"problem": "an article has no list of paragraphs"})
        return
    for paragraph in paragraphs:
        questions = paragraph.get("qas") if isinstance(paragraph, dict) else None
        if not isinstance(questions, list) or not all(isinstance(one, dict) for one in questions):
            yield Fault("SFT280", {"problem": "a paragraph has no list of questions (qas)"})
            continue
        for one in questions:
            about = {"title": article.get("title"), "context": paragraph.get("context")}
            yield {name: one.get(name) for name in ("id", "question", "answers", "is_impossible")} | about
