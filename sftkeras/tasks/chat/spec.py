"""Chat before TensorFlow is loaded: settings, data, predictions."""

# mypy: disable-error-code="valid-type"

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from jsonargparse.typing import PositiveInt

from sftkeras.config import TrainConfig
from sftkeras.data.labels.contract import LabelKind
from sftkeras.data.labels.conversations.kind import Conversations
from sftkeras.tasks import contract
from sftkeras.tasks.next_token_spec import NextTokenSettings, NextTokenSpec

TrainOn = Literal["answers", "last_answer", "all"]
Allowed = Literal[
    "several_answers",
    "test_in_training",
    "dropped_contents",
    "endless_answers",
    "written_tokens",
    "nothing_learned",
    "two_begins",
    "cut_answers",
]


@dataclass(frozen=True)
class ChatSettings(NextTokenSettings):
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
    allow: list[Allowed] = field(default_factory=list)
    """Findings of the chat check that are reported but do not stop the run, such as [several_answers]."""
    generated_rows: PositiveInt = 64
    """Test rows for which the report's answers are generated, spread evenly; losses are those of all test rows. On two
    cores a model of 135 million parameters writes about 200 tokens a second."""
    max_new_tokens: PositiveInt = 128
    """Most tokens of a generated answer."""


class ChatSpec(NextTokenSpec):
    """See `TaskSpec`."""

    kind = "chat"
    settings = ChatSettings
    refuses = ("augmentation",)
    cleans = False

    def label_kind(self, settings: Any) -> LabelKind:
        """Conversations, which have no labels."""
        return Conversations(frozenset(settings.allow))

    def examine(self, config: TrainConfig, data: contract.LabelledData, folder: Path) -> contract.Examination:
        """Renders every conversation; raises as `find_template`."""
        from sftkeras.tasks.chat.doctor import examination

        return examination(config, data, folder)

    def predicts(self, settings: Any) -> str:
        """Answers."""
        return "answers in a conversation"

    def predictor(
        self, settings: Mapping[str, Any], version: contract.ExportedFunctions, batch_size: int
    ) -> contract.Predict:
        """Scores all rows, and writes answers to some, as in memory."""
        from sftkeras.tasks.chat.answering import exported_predictor

        return exported_predictor(settings, version, batch_size)

    def evaluation(self, settings: Mapping[str, Any]) -> contract.Evaluation:
        """See `ChatEvaluation`."""
        from sftkeras.tasks.chat.evaluation import ChatEvaluation

        return ChatEvaluation(settings)


SPEC = ChatSpec()
