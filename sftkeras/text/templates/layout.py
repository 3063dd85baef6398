"""Finds where in a rendered conversation its contents stand and what of it is learned, by rendering stand-ins.

A template is rendered with stand-ins in the place of contents. What is between them is what the template writes itself.
Where the answer of a message begins is where the prompt before it ends, with all that asks for an answer; where it ends
is found by what follows an answer in a conversation of one question. Every step is checked, and what does not fit is
refused: a place that is guessed would teach the wrong tokens, and nothing would show it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import chain, pairwise

from sftkeras.text import marks
from sftkeras.text.templates.hiding import STAND_IN, Hidden, as_json
from sftkeras.text.templates.special_tokens import SpecialTokens

Render = Callable[..., str]


class UnprovedError(Exception):
    """Places that cannot be proved; the text says of what."""


@dataclass(frozen=True)
class Slot:
    """A place of a content.

    Attributes:
        number: of its stand-in.
        escaped: how often it is written as JSON.
    """

    number: int
    escaped: int


@dataclass(frozen=True)
class Layout:
    """A conversation as its template renders it, with places in the stead of its contents.

    Attributes:
        written: what the template writes, with marks: before the first place, between two, after the last.
        slots: the places of contents, one fewer.
        dropped: numbers of stand-ins that it does not write.
        endless: how many learned answers end without a special token, by which the model would stop.
        dropped_calls: messages of whose calls it writes not every one.
    """

    written: tuple[str, ...]
    slots: tuple[Slot, ...]
    dropped: tuple[int, ...]
    endless: int
    dropped_calls: tuple[int, ...] = ()

    def contents(self, texts: Sequence[str]) -> list[str]:
        """Return what stands at each place, where these texts are behind the stand-ins."""
        return [as_json(texts[slot.number], slot.escaped) for slot in self.slots]

    def marked(self, contents: Sequence[str]) -> str:
        """Return the marked text of a conversation with these contents, which hold no marks."""
        return _filled(self.written, contents)

    def plain(self, contents: Sequence[str]) -> str:
        """Return the rendered text itself."""
        return _filled(self._plain, contents)

    @cached_property
    def _plain(self) -> tuple[str, ...]:
        return tuple(map(marks.without_marks, self.written))


def _filled(written: Sequence[str], contents: Sequence[str]) -> str:
    return "".join(chain.from_iterable(zip(written, contents, strict=False))) + written[-1]


@dataclass(frozen=True)
class _Place:
    """Place of a stand-in in the rendered text."""

    begin: int
    end: int
    slot: Slot


def lay_out(
    hidden: Hidden, render: Render, special: SpecialTokens, ending: str, *, answers: Sequence[int], all_but: bool
) -> Layout:
    """Find the places of a conversation behind stand-ins.

    Args:
        hidden: the conversation.
        render: the template, as `JinjaTemplate.render`.
        special: the strings of special tokens.
        ending: what ends an answer; see `ending_of`.
        answers: the messages of the assistant whose places are wanted.
        all_but: learn everything but these, instead of these.

    Raises:
        UnprovedError: it cannot be said where an answer begins or ends.
        RefusedError: for messages that it does not take.
    """
    text = render(hidden.messages, hidden.tools)
    places = _places(text)
    seen = {place.slot.number for place in places}
    spans = [_answer(number, text, places, hidden, render, ending) for number in answers]
    if any(first[1] > second[0] for first, second in pairwise(spans)):
        raise UnprovedError("two answers overlap")
    if all_but:
        edges = [0, *(edge for span in spans for edge in span), len(text)]
        marked_spans = [(begin, end) for begin, end in zip(edges[::2], edges[1::2], strict=True) if begin < end]
    else:
        marked_spans = spans
    return Layout(
        tuple(_written(text, places, marked_spans, special)),
        tuple(place.slot for place in places),
        tuple(number for number in range(len(hidden.texts)) if number not in seen),
        0 if all_but or special.first_in(ending) else len(spans),
    )


def ending_of(render: Render, special: SpecialTokens) -> str:
    """Return what a template writes after an answer, up to the first special token, or all of it without one.

    Raises:
        RefusedError: if it does not take a question with its answer.
        UnprovedError: if it does not write the answer.
    """
    question, answer = ({"role": role, "content": f'\ue000{n}"\ue001'} for n, role in enumerate(("user", "assistant")))
    text = render([question, answer], None)
    places = [place for place in _places(text) if place.slot.number == 1]
    if not places:
        raise UnprovedError("an answer is not written at all")
    tail = text[places[-1].end :]
    first = special.first_in(tail)
    return tail[: first[1]] if first else tail


def _places(text: str) -> list[_Place]:
    return [
        _Place(found.start(), found.end(), Slot(int(found[1]), len(found[2]).bit_length()))
        for found in STAND_IN.finditer(text)
    ]


def _answer(
    number: int, text: str, places: Sequence[_Place], hidden: Hidden, render: Render, ending: str
) -> tuple[int, int]:
    """Return where what the assistant writes as a message begins and ends in the rendered text."""
    own = [place for place in places if hidden.owners[place.slot.number] == number]
    begin = _begin(number, text, places, own, hidden, render)
    own = [place for place in own if place.begin >= begin]
    last = own[-1].end if own else begin
    following = next((place.begin for place in places if place.begin >= last), len(text))
    if any(begin <= place.begin < last and hidden.owners[place.slot.number] != number for place in places):
        raise UnprovedError(f"message {number + 1} is written around another one")
    at = text.find(ending, last, following)
    if at < 0 or (not ending and "tool_calls" in hidden.messages[number]):
        raise UnprovedError(f"message {number + 1} does not end with what ends other answers, {ending!r}")
    return begin, at + len(ending)


def _begin(
    number: int,
    text: str,
    places: Sequence[_Place],
    own: Sequence[_Place],
    hidden: Hidden,
    render: Render,
) -> int:
    """Return where the prompt of a message ends: what asks for it stands before, what is written for it after."""
    prompt = render(hidden.messages[:number], hidden.tools, generation=True)
    before = _places(prompt)
    tail = prompt[before[-1].end :] if before else prompt
    anchors = [place.end for place in places if before and place.slot == before[-1].slot] if before else [0]
    limit = own[0].begin if own else len(text)
    fitting = [anchor for anchor in anchors if text.startswith(tail, anchor) and anchor + len(tail) <= limit]
    if not fitting:
        raise UnprovedError(f"what asks for message {number + 1}, {tail!r}, does not stand before it")
    return fitting[-1] + len(tail)


def _written(
    text: str, places: Sequence[_Place], spans: Sequence[tuple[int, int]], special: SpecialTokens
) -> Iterator[str]:
    """Yield what the template writes before, between and after places, with marks."""
    edges = {begin: marks.LEARNED for begin, _ in spans}
    # Where one span ends at the place at which the next begins, the end comes first.
    edges |= {end: marks.LEARNED_END + edges.get(end, "") for _, end in spans}
    begins, ends = [0, *(place.end for place in places)], [*(place.begin for place in places), len(text)]
    for begin, end in zip(begins, ends, strict=True):
        inside = [edge for edge in sorted(edges) if begin <= edge <= end]
        marked = ""
        for at, stop in pairwise([begin, *inside, end]):
            marked += special.marked(text[at:stop]) + edges.pop(stop, "")
        yield marked
