from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from examples.prepare.account import Account, run

ROOT = Path(__file__).parents[2]


def account() -> Account:
    found = Account("reviews", [{"text": "好", "label": "positive"}, {"text": "坏", "label": "negative"}])
    found.left_out["are empty"] += 3
    return found


def test_account_adds_up_to_what_was_read():
    assert account().read == 5
    assert account().lines() == [
        "  5 reviews read, 2 kept",
        "  left out: 3 are empty",
        "  by label: positive 1, negative 1",
    ]


def test_script_writes_readable_json_lines_and_says_what_it_kept(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["script", "--output", str(tmp_path / "new" / "folder")])
    assert run("about", lambda: {"reviews.jsonl": account()}) == 0
    lines = (tmp_path / "new" / "folder" / "reviews.jsonl").read_text("utf-8").splitlines()
    assert lines[0] == '{"text": "好", "label": "positive"}'
    assert [json.loads(line) for line in lines] == account().rows
    assert "5 reviews read, 2 kept" in capsys.readouterr().out


def test_folder_that_cannot_be_written_is_one_line_and_exit_code_2(tmp_path, monkeypatch, capsys):
    (tmp_path / "data").write_text("a file")
    monkeypatch.setattr(sys, "argv", ["script", "--output", str(tmp_path / "data")])
    assert run("about", lambda: {"reviews.jsonl": account()}) == 2
    error = capsys.readouterr().err
    assert error.startswith("SFT106")
    assert error.count("\n") == 1


@pytest.mark.parametrize("script", ["chinese_sentiment", "chinese_entities", "intents", "spam", "multilingual_e5"])
def test_every_script_says_what_it_makes_and_of_which_package(script):
    command = [sys.executable, "-m", f"examples.prepare.{script}", "--help"]
    answer = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert "package" in answer.stdout
    assert "usage" in answer.stdout
