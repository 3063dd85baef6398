"""What `train` says before it trains: notes on the encoder, and on a precision that this machine is not made for."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import keras
import pytest
import tensorflow as tf

from sftkeras.data.checks.findings import finding
from sftkeras.training.setup import Setup
from sftkeras.tuning.tuning import ALL_LEARN


@pytest.fixture(autouse=True)
def policy_afterwards() -> Iterator[None]:
    before = keras.config.dtype_policy()
    yield
    keras.config.set_dtype_policy(before)


def described(policy: str, **more: Any) -> str:
    keras.config.set_dtype_policy(policy)
    network = SimpleNamespace(
        count_params=lambda: 22_700_000, compute_dtype="float16", _flatten_layers=lambda include_self: []
    )
    facts: dict[str, Any] = {
        "config": None,
        "backbone": SimpleNamespace(notes=["the encoder is odd"]),
        "text_model": None,
        "model": SimpleNamespace(network=network, tuning=ALL_LEARN),
        "inputs": SimpleNamespace(describe=lambda plan: "8 tokens a text"),
        "train": SimpleNamespace(steps=4, plan=None),
        "validation": None,
        "strategy": SimpleNamespace(num_replicas_in_sync=1),
    }
    return Setup(**facts, **more).describe()


@pytest.mark.skipif(bool(tf.config.list_physical_devices("GPU")), reason="there it is right")
def test_float16_on_a_cpu_is_noted() -> None:
    assert "Note: mixed_float16 is made for GPUs" in described("mixed_float16")


@pytest.mark.parametrize("precision", ["float32", "mixed_bfloat16"])
def test_other_precisions_are_not(precision: str) -> None:
    assert described(precision) == (
        "Note: the encoder is odd.\n22.7 million parameters on 1 device, float16; 4 steps an epoch, 8 tokens a text."
    )


def test_a_chosen_precision_is_said() -> None:
    assert described("float32", precision="Precision: float32, since …").endswith(
        "a text.\nPrecision: float32, since …"
    )


def test_texts_in_a_language_that_the_backbone_does_not_know_are_noted() -> None:
    warning = finding("SFT405", "warning", 1, shares="train 97%", place="rows.csv line 3", text="хороший фильм")
    said = described("float32", foreign=(warning,))
    assert (
        "Warning: SFT405  the backbone's vocabulary spells the texts letter by letter: train 97% of the tokens" in said
    )
