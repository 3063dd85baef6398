"""Rows become marked texts by the settings of the task, and the same again from what a run keeps."""

from __future__ import annotations

import json
from pathlib import Path

from sftkeras.conversations import Conversation, Message
from sftkeras.tasks.chat.rendering import Rendering
from sftkeras.tasks.chat.spec import ChatSettings
from sftkeras.text import marks

TALK = Conversation(
    (
        Message("user", "one"),
        Message("assistant", "1"),
        Message("user", "two"),
        Message("assistant", "2"),
    )
)
SETTINGS = {"bos_token": "<s>", "eos_token": "</s>"}


def rendering(folder: Path, settings: ChatSettings | None = None) -> Rendering:
    (folder / "tokenizer_config.json").write_text(json.dumps(SETTINGS))
    return Rendering.of(settings or ChatSettings(template="mistral"), folder)


def plain(texts: list[str]) -> list[str]:
    return [marks.without_marks(text) for text in texts]


def test_turns_are_left_out_and_the_default_system_message_stays(tmp_path: Path) -> None:
    made = rendering(tmp_path, ChatSettings(template="mistral", system="Be kind."))
    whole, cut = plain(made([TALK.to_json()] * 2, [0, 1]))
    assert whole == "<s>[INST] Be kind.\n\none [/INST] 1</s>[INST] two [/INST] 2</s>"
    assert cut == "<s>[INST] Be kind.\n\ntwo [/INST] 2</s>"
    assert plain([made.prompt(TALK.prompt)]) == ["<s>[INST] Be kind.\n\none [/INST] 1</s>[INST] two [/INST]"]


def test_the_turn_of_the_last_learned_answer_is_never_spare(tmp_path: Path) -> None:
    unanswered = Conversation((*TALK.messages, Message("user", "three")))
    first_alone = Conversation((*TALK.messages[:3], Message("assistant", "2", learned=False)))
    greeting = Conversation((Message("assistant", "Hello"), *TALK.messages))
    texts = [one.to_json() for one in (TALK, unanswered, first_alone, greeting)]
    assert rendering(tmp_path).spare_turns(texts) == [1, 1, 0, 2]


def test_a_copy_of_a_folder_renders_the_same(tmp_path: Path) -> None:
    found = []
    for name in ("one", "other"):
        (tmp_path / name).mkdir()
        config = json.dumps({**SETTINGS, "chat_template": "{{ messages[0].content }}"})
        (tmp_path / name / "tokenizer_config.json").write_text(config)
        found.append(Rendering.of(ChatSettings(), tmp_path / name))
    assert found[0].template.name != found[1].template.name
    assert found[0].fingerprint == found[1].fingerprint


def test_what_a_run_keeps_renders_the_same(tmp_path: Path) -> None:
    made = rendering(tmp_path, ChatSettings(template="mistral", train_on="last_answer"))
    again = Rendering.restored(json.loads(json.dumps(made.settings())))
    assert again([TALK.to_json()]) == made([TALK.to_json()])
    assert again.fingerprint == made.fingerprint
    assert rendering(tmp_path).fingerprint != made.fingerprint
