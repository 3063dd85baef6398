"""The chat template of a folder is found wherever it may be, with the special tokens of the folder's vocabulary."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from sftkeras.conversations import Conversation, Message
from sftkeras.errors import SFTError
from sftkeras.text.templates import find_template

TALK = Conversation((Message("user", "Hi"), Message("assistant", "Yes")))
SOURCE = "{{ bos_token }}{% for m in messages %}{{ m.content }}<|end|>{% endfor %}"
TOKENS = {"1": {"content": "<|end|>", "special": True}, "2": {"content": "\n\n", "special": False}}
SETTINGS: dict[str, Any] = {
    "bos_token": "<s>",
    "eos_token": {"content": "</s>", "special": True},
    "added_tokens_decoder": TOKENS,
}


def write(path: Path, content: str | dict[str, Any]) -> None:
    path.parent.mkdir(exist_ok=True)
    path.write_text(content if isinstance(content, str) else json.dumps(content), encoding="utf-8")


def in_settings(folder: Path, template: Any) -> None:
    write(folder / "tokenizer_config.json", {**SETTINGS, "chat_template": template})


HOMES: dict[str, Callable[[Path], None]] = {
    "string": lambda folder: in_settings(folder, SOURCE),
    "list": lambda folder: in_settings(
        folder, [{"name": "tool_use", "template": "no"}, {"name": "default", "template": SOURCE}]
    ),
    "file": lambda folder: write(folder / "chat_template.jinja", SOURCE),
    "folder": lambda folder: write(folder / "chat_templates" / "default.jinja", SOURCE),
    "json": lambda folder: write(folder / "chat_template.json", {"chat_template": SOURCE}),
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write(tmp_path / "tokenizer_config.json", SETTINGS)
    return tmp_path


@pytest.mark.parametrize("home", HOMES)
def test_a_template_is_found_in_its_folder(folder: Path, home: str) -> None:
    HOMES[home](folder)
    template = find_template("auto", folder)
    assert template.text(TALK) == "<s>Hi<|end|>Yes<|end|>"
    assert template.end_tokens == ("<|end|>",)
    assert set(template.special.strings) == {"<s>", "</s>", "<|end|>"}  # white space joins the text around it


def test_a_file_goes_before_the_settings(folder: Path) -> None:
    in_settings(folder, "no")
    write(folder / "chat_template.jinja", SOURCE)
    assert find_template("auto", folder).name == str(folder / "chat_template.jinja")


def test_tokens_are_found_in_the_tokenizer_itself(tmp_path: Path) -> None:
    write(tmp_path / "special_tokens_map.json", {"bos_token": "<s>", "eos_token": "</s>"})
    write(tmp_path / "tokenizer.json", {"added_tokens": list(TOKENS.values())})
    write(tmp_path / "chat_template.jinja", SOURCE)
    assert find_template("auto", tmp_path).end_tokens == ("<|end|>",)


def test_a_template_by_path_or_name(folder: Path) -> None:
    write(folder / "mine.jinja", SOURCE)
    assert find_template(str(folder / "mine.jinja"), folder).text(TALK).endswith("Yes<|end|>")
    assert find_template("plain", folder).text(TALK) == "User: Hi\nAssistant: Yes</s>\n"
    assert find_template("chatml", folder, ["<|im_start|>", "<|im_end|>"]).end_tokens == ("<|im_end|>",)


@pytest.mark.parametrize(
    ("code", "choice", "words"),
    [
        ("SFT393", "auto", "chatml, llama3, gemma, mistral, plain"),
        ("SFT394", "chatml", "<|im_start|>, <|im_end|>"),
        ("SFT395", "chatlm", 'Did you mean "chatml"?'),
    ],
)
def test_what_cannot_be_found_is_named(folder: Path, code: str, choice: str, words: str) -> None:
    with pytest.raises(SFTError) as raised:
        find_template(choice, folder)
    assert raised.value.code == code
    assert words in str(raised.value)


def test_a_broken_file_is_named(tmp_path: Path) -> None:
    write(tmp_path / "tokenizer_config.json", "{")
    with pytest.raises(SFTError, match=r"SFT354.*tokenizer_config.json"):
        find_template("auto", tmp_path)
