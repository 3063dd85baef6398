"""Rows to marked texts: a conversation's canonical JSON through the chat template, by the settings of the task."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sftkeras.conversations import Conversation
from sftkeras.tasks.chat.spec import ChatSettings, TrainOn
from sftkeras.text.templates import ChatTemplate, Rendered, find_template


@dataclass(frozen=True)
class Rendering:
    """Renders rows as marked texts, the same in training, evaluation and export.

    Attributes:
        template: renders them.
        train_on: what is learned of each.
        system: the system message of conversations that have none; None leaves them without.
    """

    template: ChatTemplate
    train_on: TrainOn = "answers"
    system: str | None = None

    @classmethod
    def of(cls, settings: ChatSettings, folder: Path, extra_tokens: Sequence[str] = ()) -> Rendering:
        """Find the template that the settings name.

        Args:
            settings: of the task.
            folder: of the backbone.
            extra_tokens: tokens that training adds to its vocabulary.

        Raises:
            SFTError: as `find_template`.
        """
        template = find_template(settings.template, folder, extra_tokens)
        return cls(template, settings.train_on, settings.system)

    @classmethod
    def restored(cls, kept: Mapping[str, Any]) -> Rendering:
        """Return the rendering that `settings` were asked of."""
        return cls(ChatTemplate.restored(kept), kept["train_on"], kept["system"])

    def settings(self) -> dict[str, Any]:
        """Return everything that is needed to make the rendering again, as plain JSON."""
        return {
            **self.template.settings(),
            "train_on": self.train_on,
            "system": self.system,
        }

    @property
    def fingerprint(self) -> str:
        """A hash of everything that decides what is rendered: not where the template stands."""
        rules = {name: value for name, value in self.settings().items() if name != "template_name"}
        return hashlib.sha256(json.dumps(rules, sort_keys=True).encode()).hexdigest()

    def conversation(self, text: str, without: int = 0) -> Conversation:
        """Return the conversation of a row.

        Args:
            text: canonical JSON.
            without: how many turns to leave out at its beginning.
        """
        return self._with_system(Conversation.from_json(text).without_turns(without))

    def _with_system(self, conversation: Conversation) -> Conversation:
        return conversation if self.system is None else conversation.with_system(self.system)

    def rendered(self, text: str) -> Rendered:
        """Return what the template makes of a row; raises as `ChatTemplate.rendered`."""
        return self.template.rendered(self.conversation(text), train_on=self.train_on)

    def __call__(self, texts: Sequence[str], without: Sequence[int] | None = None) -> list[str]:
        """Return the marked texts of rows.

        Args:
            texts: canonical JSON.
            without: for each row, how many turns to leave out at its beginning.
        """
        counts = without or [0] * len(texts)
        return [
            self.template.render(self.conversation(text, count), train_on=self.train_on)
            for text, count in zip(texts, counts, strict=True)
        ]

    def prompt(self, conversation: Conversation) -> str:
        """Return the marked text that asks for the next answer of a conversation."""
        return self.template.render(self._with_system(conversation), generation=True)

    def spare_turns(self, texts: Sequence[str]) -> list[int]:
        """Return for each row how many turns can be left out at its beginning: all but the one of the last answer."""
        return [_spare_turns(Conversation.from_json(text)) for text in texts]


def _spare_turns(conversation: Conversation) -> int:
    """Leave the last learned answer, and the question before it."""
    learned = [place for place in conversation.answers if conversation.messages[place].learned]
    users = [place for place, message in enumerate(conversation.messages) if message.role == "user"]
    begin = int(conversation.messages[0].role == "system")
    turns = users if users[:1] == [begin] else [begin, *users]
    return sum(place <= learned[-1] for place in turns) - 1
