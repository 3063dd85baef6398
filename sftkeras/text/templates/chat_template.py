"""A chat template: conversations to marked text, with the proof that the marks are right."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property, partial
from typing import Any, Literal

from sftkeras.conversations import Conversation
from sftkeras.errors import SFTError
from sftkeras.text import marks
from sftkeras.text.templates.calls import CallForm, call_form, dropped_calls
from sftkeras.text.templates.hiding import Hidden, hide, values_of
from sftkeras.text.templates.jinja import JinjaTemplate, RefusedError
from sftkeras.text.templates.layout import Layout, Slot, UnprovedError, ending_of, lay_out
from sftkeras.text.templates.special_tokens import SpecialTokens

TrainOn = Literal["answers", "last_answer", "all"]

_LAYOUTS = 1 << 12  # that are kept: most conversations have one of a few shapes


@dataclass(frozen=True)
class Dropped:
    """A content that a template does not write.

    Attributes:
        message: the place of its message, -1 for the description of a tool.
        key: that it stands under.
        partly: whether the template writes another part of what stands there.
    """

    message: int
    key: str
    partly: bool = False


@dataclass(frozen=True)
class Rendered:
    """A conversation as a template renders it.

    Attributes:
        marked: the text with marks of special tokens and of what is learned, see `sftkeras.text.marks`.
        dropped: contents that are not in it.
        endless: how many learned answers end without a special token.
    """

    marked: str
    dropped: tuple[Dropped, ...] = ()
    endless: int = 0


class ChatTemplate:
    """Renders conversations.

    A special token is marked only where the template itself writes it, so that no user can write one. Tokens that
    stand for themselves in any text, such as </think>, do so in what the system and the assistant say; in what users
    and tools say they are ordinary text, so that no user can end a thought or begin a call. What is learned
    is all that the model has to write itself where it is asked for an answer: from the end of the prompt to the end of
    the turn, calls of tools included.

    Args:
        source: Jinja's text.
        name: what messages call it.
        special: the strings of the tokens that may be special in what it writes.
        variables: what it is given beside a conversation, such as `bos_token`.
        in_texts: the strings of the tokens that the tokenizer finds in any text.

    Raises:
        SFTError: SFT390 if the source is no template.
    """

    def __init__(
        self,
        source: str,
        name: str,
        special: Iterable[str],
        variables: Mapping[str, Any],
        in_texts: Iterable[str] = (),
    ) -> None:
        self.source = source
        self.name = name
        self.special = SpecialTokens(special)
        self.in_texts = SpecialTokens(in_texts)
        self.variables = dict(variables)
        self._template = JinjaTemplate(source, name, self.variables)
        self._layouts: OrderedDict[tuple[object, ...], Layout] = OrderedDict()
        self._ending: str | None = None

    @classmethod
    def restored(cls, kept: Mapping[str, Any]) -> ChatTemplate:
        """Return the template that `settings` were asked of."""
        # Earlier versions kept no tokens that are found in any text.
        in_texts = kept.get("in_texts", ())
        return cls(kept["template"], kept["template_name"], kept["special"], kept["variables"], in_texts)

    def settings(self) -> dict[str, Any]:
        """Return everything that is needed to make the template again, as plain JSON."""
        return {
            "template": self.source,
            "template_name": self.name,
            "special": list(self.special.strings),
            "variables": self.variables,
            "in_texts": list(self.in_texts.strings),
        }

    def _render(self, messages: list[dict[str, Any]], tools: list[Any] | None, *, generation: bool = False) -> str:
        """Return what the template makes of messages, in which calls of tools stand as it takes them."""
        return self._template.render(self._call_form.given(messages), tools, generation=generation)

    @cached_property
    def _call_form(self) -> CallForm:
        return call_form(self._template.render)

    @property
    def ending(self) -> str:
        """End of an answer, up to the first special token; without one, all that follows an answer.

        Raises:
            SFTError: SFT392 if the template shows none.
        """
        if self._ending is None:
            try:
                self._ending = ending_of(self._render, self.special)
            except (RefusedError, UnprovedError) as error:
                raise SFTError("SFT392", template=self.name, problem=error) from None
        return self._ending

    @property
    def end_tokens(self) -> tuple[str, ...]:
        """The special tokens that end an answer."""
        return tuple(self.special.all_in(self.ending))

    def text(self, conversation: Conversation, *, generation: bool = False) -> str:
        """Return a conversation as the template renders it, without marks.

        Args:
            conversation: the messages.
            generation: end with what the assistant's answer follows.

        Raises:
            SFTError: SFT391 if the template does not take the conversation.
        """
        try:
            return self._render(*values_of(conversation), generation=generation)
        except RefusedError as error:
            raise SFTError("SFT391", template=self.name, problem=error) from None

    def render(self, conversation: Conversation, *, generation: bool = False, train_on: TrainOn = "answers") -> str:
        """Return the marked text of a conversation; see `rendered`."""
        return self.rendered(conversation, generation=generation, train_on=train_on).marked

    def rendered(
        self, conversation: Conversation, *, generation: bool = False, train_on: TrainOn = "answers"
    ) -> Rendered:
        """Render a conversation, with marks of special tokens and of what is learned.

        Args:
            conversation: the messages.
            generation: end with what the assistant's answer follows, and learn nothing.
            train_on: what is learned of it; answers that are not `learned` never are.

        Raises:
            SFTError: SFT391 if the template does not take the conversation, SFT392 if it cannot be proved where its
                contents stand.
        """
        if (written := conversation.to_json()) != (clean := marks.ordinary(written)):  # a user wrote marks
            conversation = Conversation.from_json(clean)
        true = self.text(conversation, generation=generation)
        problem = ""
        for hidden in self._hidden(conversation):
            try:
                layout = self._layout(hidden, conversation, generation, train_on)
            except (RefusedError, UnprovedError) as error:
                problem = problem or str(error)
                continue
            contents = layout.contents(hidden.texts)
            if layout.plain(contents) == true:
                contents = [self._safe(text, slot, hidden) for text, slot in zip(contents, layout.slots, strict=True)]
                return Rendered(layout.marked(contents), tuple(_dropped(hidden, layout)), layout.endless)
            problem = problem or "what it writes around contents depends on them"
        raise SFTError("SFT392", template=self.name, problem=problem)

    def _safe(self, text: str, slot: Slot, hidden: Hidden) -> str:
        """A content as it is written in marked text: without tokens, if a user or a tool says it."""
        owner = hidden.owners[slot.number]
        trusted = owner >= 0 and hidden.messages[owner]["role"] in ("system", "assistant")
        return text if trusted else self.in_texts.divided(text)

    def _hidden(self, conversation: Conversation) -> Iterable[Hidden]:
        """Yield the conversation behind stand-ins, with ever more of what the template may look for in contents."""
        needles = self._template.needles
        harmless = [needle for needle in needles if not self.special.first_in(needle)]
        kept_of: list[dict[str, Sequence[str]]] = [{}, {"assistant": needles}, {}]
        kept_of[2] = dict.fromkeys(("system", "user", "tool"), harmless) | kept_of[1]
        seen = set()
        for kept in kept_of:
            hidden = hide(conversation, self.special, kept)
            if hidden.shape not in seen:
                seen.add(hidden.shape)
                yield hidden

    def _layout(self, hidden: Hidden, conversation: Conversation, generation: bool, train_on: TrainOn) -> Layout:
        all_but = train_on == "all" and not generation
        answers = () if generation else unlearned(conversation) if all_but else learned(conversation, train_on)
        key = (hidden.shape, answers, generation, all_but)
        layout = self._layouts.get(key)
        if layout is None:
            render = partial(self._render, generation=generation)
            ending = self.ending if answers else ""
            layout = lay_out(hidden, render, self.special, ending, answers=answers, all_but=all_but)
            layout = replace(layout, dropped_calls=dropped_calls(render, hidden.messages, hidden.tools))
            self._layouts[key] = layout
            if len(self._layouts) > _LAYOUTS:
                self._layouts.popitem(last=False)
        return layout


def _dropped(hidden: Hidden, layout: Layout) -> Iterator[Dropped]:
    homes = list(zip(hidden.owners, hidden.keys, strict=True))
    written = {home for number, home in enumerate(homes) if number not in layout.dropped}
    for number in layout.dropped:
        yield Dropped(*homes[number], partly=homes[number] in written)
    for message in layout.dropped_calls:
        yield Dropped(message, "tool_calls")


def learned(conversation: Conversation, train_on: TrainOn) -> tuple[int, ...]:
    """Return the messages of the assistant that are learned."""
    answers = tuple(number for number in conversation.answers if conversation.messages[number].learned)
    return answers[-1:] if train_on == "last_answer" else answers


def unlearned(conversation: Conversation) -> tuple[int, ...]:
    """Return the messages of the assistant that are not to be learned."""
    return tuple(number for number in conversation.answers if not conversation.messages[number].learned)
