"""Chat templates as tables: what they render is what Jinja renders, in Python and in the graph, or there is none."""

from __future__ import annotations

from collections.abc import Sequence

import pytest
import tensorflow as tf

from sftkeras.conversations import Conversation, Message
from sftkeras.errors import SFTError
from sftkeras.generation.prompts import CompiledPrompts
from sftkeras.text import marks
from sftkeras.text.templates import ChatTemplate
from sftkeras.text.templates.compiled import compiled_template, random_conversations
from sftkeras.text.templates.named import NAMED

SPECIAL = ("<|im_start|>", "<|im_end|>", "<|start_header_id|>", "<|end_header_id|>", "<|eot_id|>", "<start_of_turn>")
SPECIAL += ("<end_of_turn>", "[INST]", "[/INST]", "</s>", "<s>", "<bos>", "<|begin_of_text|>")
# Of which a content decides what stands around it.
BY_CONTENT = (
    "{% for message in messages %}{% if 'a' in message['content'] %}!{% endif %}{{ message['content'] }}\n{% endfor %}"
)
BY_NUMBER = "{% for message in messages %}{{ loop.index }} {{ message['content'] }}\n{% endfor %}"


def prompt_of(template: ChatTemplate):
    return lambda conversation: template.render(conversation, generation=True)


def template_of(source: str, name: str = "own", in_texts: Sequence[str] = ()) -> ChatTemplate:
    return ChatTemplate(source, name, SPECIAL, {"bos_token": "<s>", "eos_token": "</s>"}, in_texts)


# Of more first characters than one pass takes.
IN_TEXTS = (
    "<think>",
    "</think>",
    "<t>",
    "[x]",
    "日本",
    "é",
    "*.*",
    "0 0",
)


@pytest.mark.parametrize("in_texts", [(), IN_TEXTS], ids=["", "tokens in texts"])
@pytest.mark.parametrize("name", sorted(NAMED))
def test_a_named_template_is_a_table_in_the_graph_too(name, in_texts):
    template = template_of(NAMED[name].source, name, in_texts)
    compiled = compiled_template(prompt_of(template), template.in_texts)
    assert compiled is not None
    conversations = list(random_conversations(60, 5, 3, in_texts))
    taken, expected = [], []
    for roles, contents in conversations:
        messages = tuple(Message(role, content + marks.SPECIAL) for role, content in zip(roles, contents, strict=True))
        try:
            expected.append(template.render(Conversation(messages), generation=True))
        except SFTError:
            assert compiled.render(roles, contents) is None
            continue
        taken.append((roles, [message.content for message in messages]))
    turns = max(len(roles) for roles, _ in taken)
    padded = [tf.constant([[*one[part], *[""] * (turns - len(one[0]))] for one in taken]) for part in (0, 1)]
    found = CompiledPrompts(compiled)(*padded)
    assert [text.decode() for text in found.numpy()] == expected


@pytest.mark.parametrize("source", [BY_CONTENT, BY_NUMBER])
def test_what_is_more_than_a_table_has_none(source):
    assert compiled_template(prompt_of(template_of(source))) is None


def test_a_template_may_be_a_table_for_questions_alone():
    assert compiled_template(prompt_of(template_of(BY_NUMBER)), most=1).render(["user"], ["why?"]) == "1 why?\n"


@pytest.mark.parametrize("roles", [["assistant", "user"], ["user", "user"], ["nobody", ""], ["", "user"], ["", ""]])
def test_roles_that_a_template_does_not_take_are_refused(roles):
    compiled = compiled_template(prompt_of(template_of(NAMED["chatml"].source, "chatml")))
    assert compiled.render(roles, ["a", "b"]) is None
    with pytest.raises(tf.errors.InvalidArgumentError, match="takes no conversation with these roles"):
        CompiledPrompts(compiled)(tf.constant([roles]), tf.constant([["a", "b"]]))
