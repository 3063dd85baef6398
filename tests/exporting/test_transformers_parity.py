"""The comparison of an export with transformers: a stand-in for it answers, since tests need no PyTorch."""

from __future__ import annotations

import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny_generating import build_model

from sftkeras.conversations import Conversation, Message
from sftkeras.errors import SFTError
from sftkeras.exporting.prediction_process import PredictionProcess
from sftkeras.exporting.transformers_parity import Peer, compare, place_of_difference

Change = Callable[[dict[str, Any], np.ndarray], None]


@pytest.fixture(scope="module")
def generating(tiny_generating_version: Path, tiny_decoder_folder: Path, process: PredictionProcess):
    """The functions of an export that `process` has loaded."""
    process.load(tiny_generating_version)
    model = build_model(tiny_decoder_folder)
    return model.task.generating(model)


def trimmed(rows: np.ndarray) -> list[list[int]]:
    return [row[row >= 0].tolist() for row in rows]


@pytest.fixture
def compared(generating, process: PredictionProcess) -> Callable[[Change], None]:
    """Compares with a stand-in that says what the export itself says, changed."""

    def ask(asked: dict[str, Any], change: Change) -> tuple[dict[str, Any], np.ndarray]:
        messages = [[Message(**it) for it in talk] for talk in asked["conversations"]]
        marked = [generating.marked(Conversation((*it, Message("assistant", ""))).to_json()) for it in messages]
        rows = process.run("tokenize", {"text": marked})["token_ids"]
        most = [asked["new_tokens"]] * len(marked)
        written = process.run("generate_tokens", {"token_ids": rows, "max_new_tokens": most})["token_ids"]
        lengths = (rows >= 0).sum(axis=1, dtype=np.int32)
        read = [
            process.run("prefill", {"text": [text], "cache_length": length}, ["logits"])["logits"][0]
            for text, length in zip(marked, lengths, strict=True)
        ]
        gaps = [[1.0] * (most[0] + 1) for _ in marked]
        answer = {"version": "5.0", "prompts": trimmed(rows), "texts": trimmed(written), "gaps": gaps}
        change(answer, logits := np.stack(read))
        return answer, logits

    return lambda change: compare(generating, process, lambda asked: ask(asked, change), Path("decoder"))


def test_what_is_the_same_passes_and_is_said(compared, capsys: pytest.CaptureFixture) -> None:
    compared(lambda answer, logits: None)
    said = " ".join(capsys.readouterr().out.split())
    assert said.startswith("transformers 5.0 reads and writes the same: the tokens of 1")
    assert "up to a tie" not in said


def test_another_token_that_is_as_probable_passes(compared, capsys: pytest.CaptureFixture) -> None:
    def change(answer: dict[str, Any], logits: np.ndarray) -> None:
        answer["texts"][0][2] += 1
        answer["gaps"][0][2] = 1e-6

    compared(change)
    assert "1 of them up to a tie" in " ".join(capsys.readouterr().out.split())


def other_prompt(answer: dict[str, Any], logits: np.ndarray) -> None:
    answer["prompts"][1].insert(1, 0)


def other_logit(answer: dict[str, Any], logits: np.ndarray) -> None:
    logits[0, 3] += 1e-3 * np.abs(logits[0]).max() + 1e-3


def other_text(answer: dict[str, Any], logits: np.ndarray) -> None:
    answer["texts"][0].pop()


@pytest.mark.parametrize(
    ("change", "what"),
    [
        (other_prompt, "prompt 1 has from place 1 on the tokens"),
        (other_logit, "the logits after prompt 0 differ by"),
        (other_text, "after prompt 0 it writes from place"),
    ],
)
def test_what_differs_is_refused(compared, change: Change, what: str) -> None:
    with pytest.raises(SFTError, match=f"SFT519.*transformers 5.0: {what}"):
        compared(change)


@pytest.mark.parametrize(
    ("python", "generates", "code", "problem"),
    [
        ("/nowhere/python", True, "SFT518", "there is no such program"),
        ("false", True, "SFT518", "it fails: it says nothing"),
        (sys.executable, False, "SFT102", "only models of chat and causal_lm"),
    ],
)
def test_a_python_that_cannot_compare_is_refused_at_once(python: str, generates: bool, code: str, problem: str) -> None:
    with pytest.raises(SFTError, match=problem) as raised:
        Peer.of_setting(python, "--transformers", generates=generates)
    assert raised.value.code == code


def test_packages_that_a_python_lacks_are_named(tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text("""#!/bin/sh\necho '["torch"]'\n""")
    python.chmod(0o755)
    with pytest.raises(SFTError, match=f"{python}: it has no torch. Name a Python"):
        Peer.of_setting(str(python), "--transformers", generates=True)


def test_no_python_compares_nothing() -> None:
    assert Peer.of_setting(None, "--transformers", generates=True) is None


@pytest.mark.parametrize(
    ("ours", "theirs", "place"), [([1, 2], [1, 2], None), ([1, 2], [1, 3], 1), ([1], [1, 2], 1), ([], [4], 0)]
)
def test_texts_differ_at_a_place(ours: list[int], theirs: list[int], place: int | None) -> None:
    assert place_of_difference(ours, theirs) == place
