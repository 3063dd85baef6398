"""Chat: learns the assistant's answers in conversations, and writes answers of its own."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any, ClassVar

import keras
import tensorflow as tf

from sftkeras.conversations import Conversation, Message
from sftkeras.data import Examples, Finding, RowInputs
from sftkeras.evaluation.contract import Predict
from sftkeras.generation.prompts import CompiledPrompts
from sftkeras.tasks.chat.answering import ChatPredictor, Writing
from sftkeras.tasks.chat.features import ChatFeatures
from sftkeras.tasks.chat.rendering import Rendering
from sftkeras.tasks.chat.spec import SPEC, ChatSettings
from sftkeras.tasks.chat.token_check import check_tokens
from sftkeras.tasks.generating import Generating, generating
from sftkeras.tasks.memory_model import MemoryModel
from sftkeras.tasks.network import TextModel
from sftkeras.tasks.next_tokens import NextTokens, decoder_tokenizer
from sftkeras.tasks.published import PublishedTask
from sftkeras.text import AnyTokenizer, Cleaning, Detokenizer, Features, Tokenizer
from sftkeras.text.templates.compiled import compiled_template

# Settings that are kept as they are; how rows are rendered is kept by `Rendering`.
_KEPT = ("long_conversations", "generated_rows", "max_new_tokens", "retention_text")


@dataclass(frozen=True)
class Chat(NextTokens):
    """Learns what the assistant says, and what ends its turns.

    Attributes:
        options: the settings of the task.
        rendering: makes marked texts of conversations; None until the backbone's folder is known.
        tokenizer: of the backbone; None until it is known, and of a task that was restored.
    """

    options: ChatSettings
    rendering: Rendering | None = None
    tokenizer: Tokenizer | None = field(default=None, repr=False, compare=False)

    kind: ClassVar[str] = "chat"

    @property
    def embedding_noise(self) -> float:
        """Strength of the noise, from the settings."""
        return self.options.embedding_noise

    def for_tokenizer(self, tokenizer: AnyTokenizer) -> Chat:
        """The task, once it knows the tokens.

        Raises:
            SFTError: SFT610 if the tokenizer is not that of a decoder.
        """
        return replace(self, tokenizer=decoder_tokenizer(tokenizer, self.kind))

    def for_folder(self, folder: Path, extra_tokens: Sequence[str] = ()) -> Chat:
        """The task, once it knows the chat template; raises as `find_template`."""
        return replace(self, rendering=Rendering.of(self.options, folder, extra_tokens))

    def features(
        self, tokenizer: AnyTokenizer, *, max_length: int, pairs: bool, cleaning: Cleaning | None = None
    ) -> Features:
        """Conversations as a template renders them, too long ones without their first turns."""
        assert self.rendering is not None
        known = decoder_tokenizer(tokenizer, self.kind)
        cut = self.options.long_conversations == "cut"
        return ChatFeatures(known, max_length=max_length, rendering=self.rendering, cut=cut)

    def examine(self, inputs: RowInputs, examples: Examples, max_length: int) -> list[Finding]:
        """Returns what is wrong with the tokens of conversations: see `check_tokens`."""
        assert self.tokenizer is not None
        longer: int = inputs.truncated  # type: ignore[attr-defined]  # of a `TokenCache`
        ends = self._ends(self.tokenizer)
        return list(check_tokens(inputs, examples, self.options, ends, max_length, longer))

    def predictor(self, model: TextModel, batch_size: int) -> Predict:
        """Scores all rows, and writes answers to some: see `ChatPredictor`."""
        assert self.rendering is not None
        tokenizer: Tokenizer = model.features.tokenizer  # type: ignore[attr-defined]
        of_memory = MemoryModel(model, Detokenizer(tokenizer), tuple(self._ends(tokenizer)))
        writing = Writing(self.rendering.prompt, self.options.generated_rows, self.options.max_new_tokens)
        return ChatPredictor(of_memory, batch_size, writing)

    def generating(self, model: TextModel) -> Generating:
        """Answers conversations."""
        assert self.rendering is not None
        tokenizer = decoder_tokenizer(model.features.tokenizer, self.kind)  # type: ignore[attr-defined]
        rendering = self.rendering
        found_in_texts = rendering.template.in_texts
        template = compiled_template(rendering.prompt, found_in_texts)
        # A template that is more than a table may be one for questions without a history.
        question = template or compiled_template(rendering.prompt, found_in_texts, most=1)
        prompts = question and CompiledPrompts(question)

        def prompt(texts: tf.Tensor) -> tf.Tensor:
            return prompts(tf.fill([tf.size(texts), 1], "user"), texts[:, tf.newaxis]) if prompts else texts

        def asked(text: str) -> str:
            return rendering.prompt(Conversation((Message("user", text),))) if prompts else text

        return generating(
            model,
            prompt=prompt,
            asked=asked,
            marked=lambda text: rendering.prompt(Conversation.from_json(text).prompt),
            end_ids=self._ends(tokenizer),
            max_new_tokens=self.options.max_new_tokens,
            strips_first_space=True,
            template=template,
            chat={name: value for name, value in rendering.settings().items() if name != "train_on"},
        )

    def predicts_untuned(self, network: keras.Model) -> bool:
        """True: a decoder answers before it learns."""
        return True

    def _ends(self, tokenizer: Tokenizer) -> Collection[int]:
        """The tokens that end an answer: those of the template, then the model's own."""
        assert self.rendering is not None
        of_template = (tokenizer.special[token] for token in self.rendering.template.end_tokens)
        return dict.fromkeys([*of_template, *tokenizer.end_ids])

    def published(self) -> PublishedTask:
        """As a decoder with the template that it learned with."""
        assert self.rendering is not None
        template = self.rendering.template
        return PublishedTask(template=template.source, end_tokens=template.end_tokens, system=self.rendering.system)

    def settings(self) -> dict[str, Any]:
        """The template and what is rendered by it, once it is known, and how answers are evaluated."""
        kept, rendering = asdict(self.options), self.rendering.settings() if self.rendering else {}
        return {"kind": self.kind, **rendering, **{name: kept[name] for name in _KEPT}}


def make(config: ChatSettings, label_names: tuple[str, ...], labels: Any) -> Chat:
    """Builds the task; it learns tokens and template by `for_tokenizer` and `for_folder`."""
    return Chat(config)


def restore(settings: Mapping[str, Any]) -> Chat:
    """Builds the task again from its `settings()`, for evaluation."""
    options = SPEC.restored(settings)
    assert isinstance(options, ChatSettings)
    return Chat(options, Rendering.restored(settings))
