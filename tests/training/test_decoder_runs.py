"""Whole trainings of chat and causal_lm by the real command, up to the report: stopped, continued, rehearsed.

On several devices, in micro-batches: tests/contract; of several workers: test_workers_equal.py.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import tensorflow as tf
import yaml
from tensorflow.python.framework.config import disable_op_determinism
from test_resume_fit import CrashError, at_call, crash
from tiny_conversations import conversations

from sftkeras import train
from sftkeras.backbones.hugging_face import load_decoder_tokenizer
from sftkeras.command_line import commands
from sftkeras.config import TrainConfig
from sftkeras.conversations import Conversation, Message
from sftkeras.pipeline import fine_tuning
from sftkeras.pipeline.stages import Trained
from sftkeras.tasks.chat.spec import ChatSettings
from sftkeras.tasks.chat.task import Chat
from sftkeras.tasks.next_tokens import LEARNED, TOKENS
from sftkeras.text import Detokenizer
from sftkeras.training import precision, precision_trial
from sftkeras.training.callbacks import Recorder

ROWS, EPOCHS, LENGTH = 20, 2, 64
ALL_AT_ONCE = {
    "training.packing": "true",
    "training.rematerialise": "true",
    "task.embedding_noise": 5,
    "training.epochs": EPOCHS,
    "optimizer.ema": 0.9,
    "checkpoint.every_steps": 1,
}

Runs = Callable[..., list[Trained]]


def write_rows(path: Path, kind: str, numbers: range) -> Path:
    """Conversations of which two fit into a row, or their words as plain texts."""
    rows = []
    for one in conversations(numbers.stop)[numbers.start :]:
        short = [{**each, "content": each["content"].replace("how is the ", "")} for each in one["messages"]]
        rows.append({"messages": short} if kind == "chat" else {"text": " ".join(each["content"] for each in short)})
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


@pytest.fixture(scope="module", params=["chat", "causal_lm"])
def kind(request: pytest.FixtureRequest) -> str:
    return request.param


@pytest.fixture(scope="module")
def run(kind: str, tmp_path_factory: pytest.TempPathFactory, tiny_decoder_folder: Path) -> Iterator[Runs]:
    """Trains by the command with some settings, and gives what a report would be made of; of a dry run, nothing."""
    folder = tmp_path_factory.mktemp(kind)
    # Each part asks after a noun of its own.
    validation = write_rows(folder / "validation.jsonl", kind, range(40, 44))
    test = write_rows(folder / "test.jsonl", kind, range(56, 60))
    found: list[Trained] = []

    def keep(trained: Trained) -> dict[str, Any]:
        found.append(trained)
        return {}

    def run(name: str, *, rows: int = ROWS, learns: str = "all", **settings: Any) -> list[Trained]:
        given = {
            "name": name,
            "task.kind": kind,
            **({"task.train_on": learns} if kind == "chat" else {}),
            "backbone.max_length": LENGTH,
            "data.train": write_rows(folder / f"{rows}.jsonl", kind, range(rows)),
            "data.validation": validation,
            "data.test": test,
            "training.batch_size": 7,
            "training.devices": 1,
            "training.deterministic": "true",
            "report.baselines": "false",
            "runs": folder / "runs",
            **({} if "start_from" in settings else {"backbone.handle": tiny_decoder_folder}),
            **settings,
        }
        found.clear()
        train.main(commands.parse(TrainConfig, [f"--{setting}={value}" for setting, value in given.items()]))
        return [*found]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(fine_tuning, "export_and_evaluate", keep)
        patch.setattr(fine_tuning, "say_what_next", lambda *_: None)  # what to do with the export
        if kind == "chat":  # trains its token table by slices
            patch.setattr("sftkeras.training.step.sliced_updates._MANY_NUMBERS", 256 * 16)
            patch.setattr("sftkeras.tasks.vocabulary_loss._KEPT_PARTS", 2**14)  # so there are several
            patch.setattr("sftkeras.tasks.sliced_gradients._MOST_HELD", 2**11)
        yield run
    # The next tests of this process expect neither.
    disable_op_determinism()
    keras.config.set_dtype_policy("float32")


@pytest.fixture(scope="module")
def settings(run: Runs, kind: str) -> dict[str, object]:
    """All at once; what chat learns, it learns of a teacher too."""
    if kind != "chat":
        return ALL_AT_ONCE
    (teacher,) = run("teacher", **{"training.epochs": 1})
    return {**ALL_AT_ONCE, "distillation.teacher": teacher.run.folder}


@pytest.fixture(scope="module")
def whole(run: Runs, settings: dict[str, object]) -> Trained:
    (trained,) = run("whole", **settings)
    return trained


def variables(trained: Trained) -> list[np.ndarray]:
    model = trained.setup.model
    return [variable.numpy() for variable in (*model.network.variables, *model.optimizer.variables)]


def best_weights(trained: Trained) -> list[np.ndarray]:
    found: list[np.ndarray] = []
    with h5py.File(trained.run.best_weights) as file:
        file.visititems(lambda _, item: found.append(item[()]) if isinstance(item, h5py.Dataset) else None)
    return found


def test_a_killed_run_of_packed_noisy_recomputed_rows_ends_with_the_same_bits(
    run: Runs,
    whole: Trained,
    settings: dict[str, object],
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    inputs, labels, _ = whole.setup.train.arrays(0, 0)
    assert inputs["segments"].max() > 1
    if "distillation.teacher" in settings:
        assert inputs["teacher_tokens"].shape == (*labels.shape, 32)
    with monkeypatch.context() as patch:
        at_call(patch, Recorder, "on_train_batch_end", 4, crash)  # in the second epoch
        with pytest.raises(CrashError):
            run("killed", **settings)
    assert "Precision: float32, since " in capsys.readouterr().out
    (resumed,) = run("killed", **settings)
    assert resumed.config.training.precision == "float32"  # which the settings leave open
    assert yaml.safe_load(resumed.run.config_file.read_text())["training"]["precision"] == "float32"
    for one, other in zip(variables(whole), variables(resumed), strict=True):
        np.testing.assert_array_equal(other, one)
    assert resumed.fitted.record.losses == whole.fitted.record.losses


def test_another_run_starts_from_its_best_weights_with_more_rows_and_epochs(run: Runs, whole: Trained) -> None:
    still = {"optimizer.learning_rate": 1e-12, "training.epochs": EPOCHS + 1}
    (more,) = run("more", rows=ROWS + 8, learns="last_answer", start_from=whole.run.folder, **still)
    assert len(more.fitted.record.epochs) == EPOCHS + 1
    assert more.setup.train.examples == ROWS + 8
    for one, other in zip(best_weights(whole), best_weights(more), strict=True):
        np.testing.assert_allclose(other, one, rtol=0, atol=1e-8)
    if whole.config.task.kind == "causal_lm":  # which learns the same
        best = whole.fitted.record.epochs[whole.fitted.best_epoch - 1]["val_loss"]
        assert more.fitted.record.epochs[0]["val_loss"] == pytest.approx(best, rel=1e-6)  # noise is for training alone


def test_a_dry_run_says_what_a_run_would_take_and_leaves_nothing(
    run: Runs,
    whole: Trained,
    settings: dict[str, object],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As on a processor that is made for bfloat16, where a trial says that it pays."""
    monkeypatch.setattr(precision, "no_trial", lambda setup: None)
    monkeypatch.setattr(precision_trial, "take_turns", lambda one, other: ([one(), 1.1][1:], [other(), 1.0][1:]))
    assert run("dry", learns="all", dry_run="true", **settings) == []
    said = capsys.readouterr().out
    for words in (
        "Data check",
        "Lengths",
        "Batch 1: ",
        "Steps          6 (3 an epoch",
        "Expected time  ",
        "Peak memory  ",
        "Precision: mixed_bfloat16, since bfloat16 is 1.10 times as fast as float32",
    ):
        assert words in said
    assert not (whole.run.folder.parent / "dry").exists()


TALK = Conversation(
    (
        Message("user", "how is the film?"),
        Message("assistant", "the film is great"),
        Message("user", "why?"),
        Message("assistant", "it is é 🎬"),
    )
)
LEARNED_TEXTS = {
    "answers": "the film is great<|im_end|>it is é 🎬<|im_end|>",
    "last_answer": "it is é 🎬<|im_end|>",
    "all": "<|im_start|>user\nhow is the film?<|im_end|>\n<|im_start|>assistant\nthe film is great<|im_end|>\n"
    "<|im_start|>user\nwhy?<|im_end|>\n<|im_start|>assistant\nit is é 🎬<|im_end|>\n",
}


def test_tokens_that_are_learned_are_those_that_the_settings_name(tiny_decoder_folder: Path) -> None:
    tokenizer = load_decoder_tokenizer(tiny_decoder_folder)
    texts = Detokenizer(tokenizer, skip_special=False)
    for train_on, expected in LEARNED_TEXTS.items():
        task = Chat(ChatSettings(train_on=train_on)).for_folder(tiny_decoder_folder)
        rows, _ = task.features(tokenizer, max_length=200, pairs=False).encode_arrays([TALK.to_json()])
        learned = rows[TOKENS][0][rows[LEARNED][0] > 0]
        text = texts(tf.RaggedTensor.from_row_lengths(learned, [len(learned)]))
        assert text.numpy()[0].decode() == expected, train_on
