"""The chat check finds what would be learned wrongly in any conversation, names it, and stops unless it is allowed."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from sftkeras.backbones.fetching import BackboneFolders
from sftkeras.config import DataConfig, TrainConfig
from sftkeras.data import DataError, Finding, LabelledData, load_file
from sftkeras.pipeline import stages
from sftkeras.tasks.chat import doctor
from sftkeras.tasks.chat.spec import SPEC, ChatSettings
from sftkeras.tasks.contract import Examination
from sftkeras.text import marks

CHATML = "{% for m in messages %}<|im_start|>{{ m.role }}\n{{ m.content }}<|im_end|>\n{% endfor %}"
GENERATION = "{% if add_generation_prompt %}<|im_start|>assistant\n{% endif %}"
TOKENS = {
    "bos_token": "<s>",
    "added_tokens_decoder": {"1": {"content": "<|im_start|>"}, "2": {"content": "<|im_end|>"}},
}

Messages = list[dict[str, Any]]

TALK: Messages = [{"role": "user", "content": "Hi"}, {"role": "assistant", "content": "Yes"}]
EVIL: Messages = [{"role": "user", "content": "<|im_start|>user\nHi"}, TALK[1]]
STRICT = "{% if messages[0].role != 'user' %}{{ raise_exception('the user begins') }}{% endif %}"
ASKED_BY_SYSTEM: Messages = [{"role": "system", "content": "Be kind."}, *TALK]
THINKING = (
    "{% for m in messages %}<|im_start|>{{ m.role }}\n"
    "{{ m.content.split('</think>')[-1] if not loop.last else m.content }}<|im_end|>\n{% endfor %}"
)
THOUGHTS: Messages = [TALK[0], {"role": "assistant", "content": "<think>Hm</think>Yes"}, *TALK]

Examine = Callable[..., tuple[Examination, LabelledData]]


@pytest.fixture(autouse=True)
def own_cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SFTKERAS_CACHE", str(tmp_path / "cache"))


@pytest.fixture
def examine(tmp_path: Path) -> Examine:
    """Reads conversations, all of them to train on, and checks them with a template."""

    def run(source: str, *rows: Messages, **settings: Any) -> tuple[Examination, LabelledData]:
        folder = tmp_path / "backbone"
        folder.mkdir(exist_ok=True)
        (folder / "tokenizer_config.json").write_text(json.dumps({**TOKENS, "chat_template": source + GENERATION}))
        path = tmp_path / "rows.jsonl"
        path.write_text("".join(json.dumps({"messages": row}) + "\n" for row in rows))
        config = TrainConfig(task=ChatSettings(**settings))
        data = load_file(str(path), DataConfig(), SPEC.label_kind(config.task), ())
        data.splits["train"] = np.arange(len(rows), dtype=np.int32)
        return SPEC.examine(config, data, folder), data

    return run


def only(found: Examination) -> Finding:
    (finding,) = found.findings
    return finding


def test_conversations_without_fault_are_shown_in_colour(examine: Examine) -> None:
    found, _ = examine(CHATML, TALK, TALK)
    assert not found.findings
    _, first, second = (text.plain for text in found.shown)
    assert first == second == "<|im_start|>user\nHi<|im_end|>\n<|im_start|>assistant\n▶Yes<|im_end|>◀\n"
    styles = {span.style: found.shown[1].plain[span.start : span.end] for span in found.shown[1].spans}
    assert styles["bold green"] in ("▶Yes", "◀")
    assert styles["bold green underline"] == "<|im_end|>"


FAULTS: list[tuple[str, str, Messages, str]] = [
    ("SFT470", STRICT + CHATML, ASKED_BY_SYSTEM, "the user begins"),
    ("SFT471", CHATML.replace("{{ m.content }}", "{{ m.content | upper }}"), TALK, "cannot be proved"),
    ("SFT472", CHATML.replace("%}<", "if m.role != 'system' %}<", 1), ASKED_BY_SYSTEM, "the content of message 1"),
    ("SFT473", CHATML.replace("<|im_end|>", ""), TALK, "would not stop"),
    ("SFT474", CHATML, EVIL, "message 1 holds <|im_start|>"),
    ("SFT476", "{{ bos_token }}{{ bos_token }}" + CHATML, TALK, "<s> twice"),
]


@pytest.mark.parametrize(("code", "source", "row", "words"), FAULTS)
def test_what_is_wrong_is_named_with_its_place_and_stops(
    examine: Examine, code: str, source: str, row: Messages, words: str
) -> None:
    rows = [TALK, row] if code in ("SFT470", "SFT472", "SFT474") else [row]
    found = only(examine(source, *rows)[0])
    assert (found.code, found.severity, found.count) == (code, "error", 1)
    assert f"rows.jsonl line {len(rows)}" in found.message
    assert words in found.message
    name = doctor._NAMES.get(code)
    if name:
        assert f"--task.allow '[{name}]'" in found.message
        assert only(examine(source, *rows, allow=[name])[0]).severity == "warning"


def test_thoughts_that_a_template_leaves_out_are_a_warning(examine: Examine) -> None:
    found = only(examine(THINKING, THOUGHTS)[0])
    assert (found.code, found.severity) == ("SFT475", "warning")
    assert "message 2" in found.message


def test_a_run_shows_the_check_and_stops_before_anything_is_loaded(
    examine: Examine, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    _, data = examine(CHATML, TALK)
    folders = BackboneFolders(tmp_path / "backbone")
    assert stages.examine(TrainConfig(task=ChatSettings()), data, folders).findings == data.findings
    assert "✔ the chat template takes every conversation" in capsys.readouterr().out
    _, data = examine(CHATML, EVIL)
    with pytest.raises(DataError, match="SFT474"):
        stages.examine(TrainConfig(task=ChatSettings()), data, folders)
    assert "0 warnings, 1 error" in capsys.readouterr().out
    allowed = stages.examine(TrainConfig(task=ChatSettings(allow=["written_tokens"])), data, folders)
    assert [found.code for found in allowed.findings] == ["SFT474"]


def test_many_faulty_rows_are_counted(examine: Examine) -> None:
    found = only(examine(CHATML, *[EVIL] * 8)[0])
    assert found.count == 8
    assert "7 more such: " in found.message


def test_what_was_found_is_read_from_the_cache(examine: Examine, monkeypatch: pytest.MonkeyPatch) -> None:
    first = only(examine(CHATML, EVIL)[0])
    monkeypatch.setattr(doctor, "_tallies", lambda *_: pytest.fail("rendered again"))
    assert only(examine(CHATML, EVIL)[0]) == first


def test_a_long_conversation_is_shown_in_part() -> None:
    text = doctor.in_colour(marks.learned("a" * 5000))
    assert len(text.plain) < 2000
    assert text.plain.endswith("…")
