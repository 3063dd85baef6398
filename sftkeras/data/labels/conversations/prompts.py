"""Compares prompts: those with several answers, and questions that the test asks as training does."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path
from typing import Any

import numpy as np
from rich.progress import Progress

from sftkeras.conversations import Conversation
from sftkeras.data.checks.findings import Finding, Severity, finding, place
from sftkeras.data.checks.near_repeats import MOST_TEXTS, near_groups
from sftkeras.data.storage.cached import find_or_make
from sftkeras.data.storage.examples import Examples
from sftkeras.data.storage.progress import RowCount
from sftkeras.disk.cache import cache_folder

_FORMAT = 1  # of the groups in the cache
_ROWS_AT_ONCE = 1000


def question_groups(examples: Examples, progress: Progress | None = None) -> np.ndarray:
    """Groups conversations in which the user says nearly the same; computed once and kept in the cache.

    Args:
        examples: all conversations.
        progress: gets a task that counts them.

    Returns:
        [n] int32, for each row the number of the first of its group.
    """

    def write(folder: Path) -> dict[str, Any]:
        questions = [_question(one) for one in _conversations(examples)]
        count = RowCount(progress, "Comparing questions", len(questions))
        np.save(folder / "groups.npy", near_groups(questions, count.update))
        count.update(len(questions))
        return {}

    folder = cache_folder("data") / f"{examples.fingerprint}-questions{_FORMAT}"
    find_or_make(folder, write)
    groups: np.ndarray = np.load(folder / "groups.npy")
    return groups


def _conversations(examples: Examples) -> Iterator[Conversation]:
    for texts, _ in examples.text_batches(_ROWS_AT_ONCE):
        yield from map(Conversation.from_json, texts)


def _question(conversation: Conversation) -> str:
    """All that the user says; of a conversation without a user, all of it."""
    said = [message.content for message in conversation.messages if message.role == "user"]
    return "\n".join(said) or conversation.to_json()


def severity(name: str, allow: Collection[str]) -> tuple[Severity, str]:
    """Return how serious a finding of the chat check is, and what can be done about it.

    Args:
        name: of the finding, as task.allow has it.
        allow: the findings that do not stop the run.
    """
    if name in allow:
        return "warning", f"Allowed by task.allow ({name})."
    return "error", f"Change the data, or train all the same with --task.allow '[{name}]'."


def several_answers(examples: Examples, allow: Collection[str]) -> Iterator[Finding]:
    """Yields the finding that one prompt has several answers."""
    seen: dict[str, tuple[int, str]] = {}
    pairs, prompts = [], set()
    for row, conversation in enumerate(_conversations(examples)):
        prompt, answer = conversation.prompt.to_json(), conversation.messages[conversation.answers[-1]].values()
        first, known = seen.setdefault(prompt, (row, str(answer)))
        if known != str(answer):
            prompts.add(first)
            pairs.append((first, row))
    if pairs:
        serious, remedy = severity("several_answers", allow)
        places = examples.places([row for pair in pairs[:3] for row in pair])
        yield finding(
            "SFT285",
            serious,
            len(prompts),
            places,
            prompts=f"{len(prompts):,} {'prompt has' if len(prompts) == 1 else 'prompts have'}",
            place=place(*places[0]),
            other=place(*places[1]),
            remedy=remedy,
        )


def asked_in_training(examples: Examples, allow: Collection[str]) -> Iterator[Finding]:
    """Yields findings on files whose conversations ask what those of earlier parts ask, nearly in the same words."""
    groups = question_groups(examples)
    parts = examples.given_parts
    for number, part in enumerate(parts[1:], start=1):
        begin, end = examples.part_rows(part)
        for earlier in parts[:number]:
            first, last = examples.part_rows(earlier)
            rows = begin + np.flatnonzero(np.isin(groups[begin:end], groups[first:last]))
            if not len(rows):
                continue
            other = first + int(np.flatnonzero(groups[first:last] == groups[rows[0]])[0])
            serious, remedy = severity("test_in_training", allow)
            (there,), here = examples.places([other]), examples.places(rows[:5])
            yield finding(
                "SFT286",
                serious,
                len(rows),
                here,
                file=examples.part_name(part),
                rows=f"{len(rows):,}",
                total=f"{end - begin:,}",
                earlier=examples.part_name(earlier),
                place=place(*here[0]),
                other=place(*there),
                remedy=remedy,
            )
    if len(examples) > MOST_TEXTS and len(np.unique(groups)) > MOST_TEXTS:
        yield finding("SFT284", "warning", len(examples), rows=f"{len(examples):,}", most=f"{MOST_TEXTS:,}")
