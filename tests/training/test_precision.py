"""An open precision is chosen by what devices can do and by a trial whose decision times alone make.

Whole runs that choose it, and that are resumed elsewhere: test_decoder_runs.py.
"""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import keras
import numpy as np
import pytest
import tensorflow as tf

from sftkeras.backbones import Backbone, load_backbone
from sftkeras.config import TrainConfig, TrainingConfig
from sftkeras.tasks.classification.spec import ClassificationSettings
from sftkeras.training import precision
from sftkeras.training.precision import no_trial, slow_gpu, slow_processor
from sftkeras.training.precision_trial import Trial, take_turns, try_bfloat16, typical_inputs

WITH_AMX = "processor\t: 0\nflags\t\t: fpu avx512_vnni amx_bf16 avx512_fp16 amx_tile\nbugs\t\t: swapgs\n"
WITHOUT = "processor\t: 0\nflags\t\t: fpu avx2 avx512_bf16\nbugs\t\t: no_amx_bf16 amx_bf16\n"


def config_of(**training: Any) -> TrainConfig:
    return TrainConfig(task=ClassificationSettings(), training=TrainingConfig(**training))


@pytest.mark.parametrize(("cpuinfo", "slow"), [(WITH_AMX, False), (WITHOUT, True), ("", True)])
def test_processors_without_such_products_are_not_tried(cpuinfo: str, slow: bool) -> None:
    assert (slow_processor(cpuinfo) is not None) == slow


@pytest.mark.parametrize(
    ("capabilities", "slow"), [([(8, 0)], False), ([(12, 0), (8, 6)], False), ([(8, 0), (7, 5)], True), ([None], True)]
)
def test_gpus_before_ampere_are_not_tried(capabilities: list[Any], slow: bool) -> None:
    reason = slow_gpu([{"compute_capability": it} if it else {"device_name": "?"} for it in capabilities])
    assert (reason is not None) == slow


def run_of(*, module: bool = False, rows: int = 5000, **training: Any) -> Any:
    """A run whose rows have 20 tokens on average, by a model of 23 million parameters."""
    return SimpleNamespace(
        config=config_of(**training),
        backbone=SimpleNamespace(is_module=module, parameters=23_000_000),
        train=SimpleNamespace(examples=rows, plan=SimpleNamespace(lengths=lambda epoch: np.array([10, 30]))),
    )


def test_what_cannot_gain_is_not_tried(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cpuinfo = tmp_path / "cpuinfo"
    cpuinfo.write_text(WITH_AMX)
    monkeypatch.setattr(precision, "_CPUINFO", cpuinfo)
    monkeypatch.setattr(tf.config, "list_physical_devices", lambda _: [])
    assert no_trial(run_of()) is None
    assert "several workers" in str(no_trial(run_of(strategy="multi_worker")))
    assert "TF-Hub module" in str(no_trial(run_of(module=True)))
    assert "so short a training" in str(no_trial(run_of(epochs=1, rows=1000)))
    monkeypatch.setattr(precision, "_CPUINFO", tmp_path / "nothing")
    assert "amx_bf16" in str(no_trial(run_of()))


@pytest.mark.parametrize(
    ("exact", "rounded", "said"),
    [
        (
            [1.3, 5.0, 1.3],
            [1.0, 1.0, 1.0],
            "since bfloat16 is 1.30 times as fast as float32 in this run's first layers",
        ),
        ([1.1], [1.0], "on 8 rows of 1 token"),
        ([1.09, 1.0, 1.5], [1.0, 1.0, 1.0], "1.09 times as fast as float32 .* and less than 1.1 does not pay"),
    ],
)
def test_times_decide(exact: list[float], rounded: list[float], said: str) -> None:
    trial = Trial(exact, rounded, rows=8, length=1)
    assert trial.pays == ("does not pay" not in said)
    assert said.split(" .* ")[-1] in trial.describe()


@pytest.mark.parametrize(("cost", "turns"), [(0.1, 5), (0.9, 3), (60.0, 1)])
def test_turns_end_in_time_and_first_calls_are_not_timed(cost: float, turns: int) -> None:
    clock, calls = [0.0], list[str]()

    def step(name: str, seconds: float) -> None:
        clock[0] += seconds if name in calls else 1000
        calls.append(name)

    one, other = take_turns(lambda: step("one", cost), lambda: step("other", cost / 2), now=lambda: clock[0])
    assert one == pytest.approx([cost] * turns)
    assert other == pytest.approx([cost / 2] * turns)
    assert calls == ["one", "other"] * (turns + 1)


def batches_of(sizes: list[tuple[int, int]]) -> Any:
    """Batches of so many rows and so long, whose numbers are their length."""
    return SimpleNamespace(
        steps=len(sizes),
        plan=SimpleNamespace(batch=lambda epoch, step: (np.zeros(sizes[step][0]), sizes[step][1])),
        arrays=lambda epoch, step: ({"token_ids": np.full(sizes[step], sizes[step][1], np.int32)}, None, None),
    )


@pytest.mark.parametrize(
    ("sizes", "parts", "shape"),
    [
        ([(8, 5), (8, 90), (8, 7)], 1, (8, 7)),
        ([(8, 5), (8, 90), (8, 7)], 3, (2, 7)),
        ([(2, 5)], 4, (1, 5)),
        ([(64, 512)], 1, (8, 512)),
    ],
)
def test_a_typical_batch_is_tried_as_a_device_gets_it(
    sizes: list[tuple[int, int]], parts: int, shape: tuple[int, int]
) -> None:
    inputs = typical_inputs(batches_of(sizes), parts=parts)
    assert inputs["token_ids"].shape == shape


def test_a_trial_leaves_an_encoder_and_the_precision_as_they_were(tiny_bert_folder: Path) -> None:
    backbone: Backbone = load_backbone(tiny_bert_folder, max_length=16)
    before = [variable.numpy() for variable in backbone.model.variables]
    batch = {name: np.ones((4, 6), np.int32) for name in backbone.model.input}
    train: Any = SimpleNamespace(
        steps=1, plan=SimpleNamespace(batch=lambda epoch, step: (range(4), 6)), arrays=lambda *_: (batch, None, None)
    )
    setup: Any = SimpleNamespace(
        backbone=backbone, strategy=tf.distribute.get_strategy(), config=config_of(), train=train
    )
    trial = try_bfloat16(setup)
    assert (trial.rows, trial.length) == (4, 6)
    assert len(trial.exact) == len(trial.rounded) > 0
    assert min(*trial.exact, *trial.rounded) > 0
    assert keras.config.dtype_policy().name == "float32"
    for variable, value in zip(backbone.model.variables, before, strict=True):
        np.testing.assert_array_equal(variable.numpy(), value)
