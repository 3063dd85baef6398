from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from refusing import refused

from sftkeras.handles import resolve
from sftkeras.handles.reasons import in_one_line


def test_a_path_is_taken_as_it_is_written(tmp_path, monkeypatch):
    (tmp_path / "models").mkdir()
    (tmp_path / "models/data.csv").touch()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    assert resolve(str(tmp_path / "models")) == tmp_path / "models"
    assert resolve("models/data.csv") == Path("models/data.csv")
    assert resolve("~/models") == tmp_path / "models"


@pytest.mark.parametrize("handle", ["modles", "modles/minilm", "models/minlm"])
def test_a_missing_path_suggests_the_nearest_that_exists(tmp_path, monkeypatch, handle):
    (tmp_path / "models/minilm").mkdir(parents=True)
    monkeypatch.chdir(tmp_path)
    near = "models/minilm" if handle.startswith("models") else "models"
    message = refused("SFT303", handle, flag="--backbone.handle")
    assert f'Did you mean "{near}"?' in message
    assert f"--backbone.handle {handle}" in message


def test_a_missing_path_names_the_first_part_that_is_not_there(tmp_path):
    assert f"{tmp_path}/zzz is the first part that does not exist" in refused("SFT303", f"{tmp_path}/zzz/model/x")


@pytest.mark.parametrize("address", ["tfhub.dev/google/bert/1", "www.kaggle.com/models/google/bert"])
def test_an_address_without_its_beginning_is_recognised(address):
    assert f'Did you mean "https://{address}"?' in refused("SFT303", address)


def test_a_path_below_a_file_or_beyond_any_length_is_just_missing(tmp_path):
    (tmp_path / "file").touch()
    refused("SFT303", f"{tmp_path}/file/model")
    refused("SFT303", "x" * 100_000)


@pytest.mark.processes
def test_a_mistyped_preset_suggests_the_nearest_and_says_so_without_tensorflow():
    program = """
import sys
from sftkeras.errors import SFTError
from sftkeras.handles import resolve
from sftkeras.handles.reasons import in_one_line
try:
    resolve("bert_tiny_en_uncasd")
except SFTError as error:
    print(error)
heavy = {"tensorflow", "keras", "keras_hub", "huggingface_hub", "kagglehub", "requests"} & set(sys.modules)
sys.exit(f"imported {heavy}" if heavy else 0)
"""
    answer = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False)
    assert answer.returncode == 0, answer.stderr
    assert "SFT303  --backbone.handle bert_tiny_en_uncasd" in answer.stdout
    assert 'Did you mean "bert_tiny_en_uncased"?' in answer.stdout


def test_another_programs_story_becomes_one_short_line():
    assert in_one_line("\n first line. \nsecond") == "first line"
    assert in_one_line(ValueError()) == "ValueError"
    assert in_one_line("x" * 1000) == "x" * 200 + "…"
