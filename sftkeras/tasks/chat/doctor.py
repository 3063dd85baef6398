"""The chat check: what a template makes of every conversation, before anything is loaded or learned."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from rich.text import Text

from sftkeras.config import TrainConfig, added_tokens
from sftkeras.conversations import Conversation
from sftkeras.data.checks.findings import SHOWN, Finding, Severity, finding, place
from sftkeras.data.labels.conversations.prompts import severity
from sftkeras.data.load import LabelledData
from sftkeras.data.storage.cached import remembered
from sftkeras.data.storage.examples import Examples
from sftkeras.errors import SFTError
from sftkeras.tasks.chat.rendering import Rendering
from sftkeras.tasks.chat.spec import ChatSettings
from sftkeras.tasks.contract import Examination
from sftkeras.text import marks
from sftkeras.text.templates import Rendered
from sftkeras.text.templates.chat_template import Dropped

STATEMENTS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        "the chat template takes every conversation": frozenset({"SFT470"}),
        "it is proved where contents stand and what is learned": frozenset({"SFT471"}),
        "the template writes every content": frozenset({"SFT472"}),
        "every answer ends with a token that is learned": frozenset({"SFT473"}),
        "no thoughts are left out": frozenset({"SFT475"}),
        "no message holds the template's own tokens": frozenset({"SFT474"}),
        "no conversation begins twice": frozenset({"SFT476"}),
    }
)
_CODES = {
    "SFT391": "SFT470",
    "SFT392": "SFT471",
}
_NAMES = {"SFT472": "dropped_contents", "SFT473": "endless_answers", "SFT474": "written_tokens", "SFT476": "two_begins"}

_FORMAT = 2  # of the tallies in the cache
_ROWS_AT_ONCE = 1000
_SHOWN_CONVERSATIONS, _SHOWN_LETTERS = 2, 1500


@dataclass
class _Tally:
    """The rows with one kind of problem: how many, the first few, and what the message says of the first."""

    count: int = 0
    rows: list[int] = field(default_factory=list)
    details: dict[str, str] = field(default_factory=dict)


def examination(config: TrainConfig, data: LabelledData, folder: Path) -> Examination:
    """Renders every conversation by the settings of a run and the backbone's folder; raises as `find_template`."""
    settings: ChatSettings = config.task  # type: ignore[assignment]
    rendering = Rendering.of(settings, folder, added_tokens(config))
    findings = examine(rendering, data, settings)
    stops = any(found.severity == "error" for found in findings)
    shown = [] if stops else first_conversations(rendering, data)
    return Examination("Chat check", STATEMENTS, findings, shown)


def examine(rendering: Rendering, data: LabelledData, settings: ChatSettings) -> list[Finding]:
    """Renders every conversation once and returns what is wrong, from the cache if it is known."""

    def find() -> dict[str, Any]:
        return {"tallies": {code: vars(tally) for code, tally in _tallies(rendering, data.examples).items()}}

    key = f"{_FORMAT}\n{data.examples.fingerprint}\n{rendering.fingerprint}"
    kept = remembered("chats", key, find)["tallies"]
    return [_finding(code, _Tally(**tally), rendering, data.examples, settings) for code, tally in kept.items()]


def _tallies(rendering: Rendering, examples: Examples) -> dict[str, _Tally]:
    tallies: dict[str, _Tally] = {}
    row = 0
    for texts, _ in examples.text_batches(_ROWS_AT_ONCE):
        for text in texts:
            for code, details in _problems(rendering, text):
                tally = tallies.setdefault(code, _Tally(details=details))
                tally.count += 1
                if len(tally.rows) < SHOWN:
                    tally.rows.append(row)
            row += 1
    return tallies


def _problems(rendering: Rendering, text: str) -> Iterator[tuple[str, dict[str, str]]]:
    """Yield the codes of what is wrong with a row, each with the details of its message."""
    try:
        rendered = rendering.rendered(text)
    except SFTError as error:
        if error.code not in _CODES:
            raise
        yield _CODES[error.code], {"problem": str(error.details["problem"])}
        return
    conversation = rendering.conversation(text)
    thoughts = [one for one in rendered.dropped if one.key == "reasoning_content" or one.partly]
    if others := [one for one in rendered.dropped if one not in thoughts]:
        yield "SFT472", {"what": _content_of(others[0], conversation)}
    elif thoughts:
        yield "SFT475", {"what": f"message {thoughts[0].message + 1}"}
    if rendered.endless:
        yield "SFT473", {}
    if written := _written_tokens(rendering, conversation, rendered):
        yield "SFT474", written
    if begin := _two_begins(rendering, rendered):
        yield "SFT476", {"token": begin}


def _content_of(dropped: Dropped, conversation: Conversation) -> str:
    if dropped.message < 0:
        return "a description of a tool"
    return f"the {dropped.key} of message {dropped.message + 1}, the {conversation.messages[dropped.message].role}'s"


def _written_tokens(rendering: Rendering, conversation: Conversation, rendered: Rendered) -> dict[str, str]:
    """Find a special token that the template writes in the content of a message: the row may be rendered already."""
    special = rendering.template.special
    for number, message in enumerate(conversation.messages, start=1):
        for token in special.all_in(message.content):
            if marks.special(token) in rendered.marked:
                return {"token": token, "number": str(number)}
    return {}


def _two_begins(rendering: Rendering, rendered: Rendered) -> str:
    """Return the token that begins a text if it stands there twice, whoever wrote it."""
    begin = rendering.template.variables.get("bos_token")
    return begin if begin and marks.without_marks(rendered.marked).startswith(begin * 2) else ""


def _finding(code: str, tally: _Tally, rendering: Rendering, examples: Examples, settings: ChatSettings) -> Finding:
    places = examples.places(tally.rows)
    more = ""
    if tally.count > 1:
        others = ", ".join(place(*one) for one in places[1:])
        more = f" {tally.count - 1:,} more such: {others}{', …' if tally.count > len(places) else ''}."
    serious: Severity = "warning" if code == "SFT475" else "error"
    words = {}
    if code in _NAMES:
        serious, words["remedy"] = severity(_NAMES[code], settings.allow)
    where = {"place": place(*places[0]), "more": more, "template": rendering.template.name}
    return finding(code, serious, tally.count, places, **where, **words, **tally.details)


# --- what is shown ---


def first_conversations(rendering: Rendering, data: LabelledData) -> list[Text]:
    """Returns the first conversations of training in colour: what is read, and what is learned."""
    rows = data.splits["train"][:_SHOWN_CONVERSATIONS]
    shown = [in_colour(rendering.rendered(text).marked) for text in data.examples.texts(rows)]
    legend = Text.assemble(
        "The first conversations: ", ("read", "dim"), ", ", ("learned", "bold green"), ", between ▶ and ◀"
    )
    return [legend, *shown]


def in_colour(marked: str) -> Text:
    """Returns marked text in colour: dim what is only read, green what is learned, underlined special tokens.

    What is learned stands between ▶ and ◀, so that a log without colours shows it too.
    """
    text, learned, special, length = Text(), False, False, 0
    piece = ""

    def close() -> None:
        nonlocal piece, length
        shown = piece[: max(0, _SHOWN_LETTERS - length)]
        length += len(piece)
        text.append(shown, ("bold green" if learned else "dim") + (" underline" if special else ""))
        piece = ""

    for letter in marked:
        if letter not in (marks.SPECIAL, marks.SPECIAL_END, marks.LEARNED, marks.LEARNED_END):
            piece += letter
            continue
        if letter == marks.LEARNED_END:
            piece += "◀"
        close()
        special = letter == marks.SPECIAL if letter in (marks.SPECIAL, marks.SPECIAL_END) else special
        learned = letter == marks.LEARNED if letter in (marks.LEARNED, marks.LEARNED_END) else learned
        if letter == marks.LEARNED:
            piece += "▶"
    close()
    return text.append("…") if length > _SHOWN_LETTERS else text
