"""Chat before TensorFlow is loaded: settings, data, predictions."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from sftkeras.config import TaskSettings
from sftkeras.data.labels.contract import LabelKind
from sftkeras.data.labels.conversations.kind import CONVERSATIONS
from sftkeras.tasks import contract

TrainOn = Literal["answers", "last_answer", "all"]


@dataclass(frozen=True)
class ChatSettings(TaskSettings):
    """Chat: the assistant's answers in conversations"""

    kind: Literal["chat"] = "chat"
    """Name of the task."""
    template: str = "auto"
    """Chat template that makes text of a conversation: auto takes that of the backbone's folder; or chatml, llama3,
    gemma, mistral, plain; or the path of a Jinja file."""
    train_on: TrainOn = "answers"
    """What is learned. answers: all that the assistant says, with the end of its turn; last_answer: the last such
    message of each conversation; all: every token, the user's too."""
    system: str | None = None
    """System message of conversations that have none; null leaves them as they are."""
    long_conversations: Literal["cut", "refuse"] = "cut"
    """For a conversation longer than backbone.max_length: leave out whole turns from its beginning (the system message
    stays), or stop and name it."""


class ChatSpec(contract.TaskSpec):
    """See `TaskSpec`."""

    kind = "chat"
    settings = ChatSettings
    refuses = ("augmentation",)
    pools = False
    backbone_kind = "decoder"
    gives_backbone = True
    packs = True
    exports = False

    def label_kind(self, settings: Any) -> LabelKind:
        """Conversations, which have no labels."""
        return CONVERSATIONS

    def predicts(self, settings: Any) -> str:
        """Answers."""
        return "answers in a conversation"

    def metrics(self, settings: Any) -> tuple[str, ...]:
        """Share of learned tokens that are predicted, and perplexity."""
        return ("token_accuracy", "perplexity")


SPEC = ChatSpec()
